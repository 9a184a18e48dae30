//! Whether a runner that drains may go now, or waits until a list that lags would show what it hides.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{DrainReason, EphemeralRunner, Phase, elapsed};
use crate::observe::list_lag;
use crate::plan::ENTRY_LAG;
use crate::state::FleetState;

/// How long an entry that is not in the state may lack its VM.
const ENTRY_GRACE: Duration = Duration::from_secs(180);

/// Whether a draining runner may be removed now, or has to wait until a list has caught up.
pub(crate) fn may_be_removed(
    fleet: &Fleet,
    runner: &EphemeralRunner,
    fleet_state: &FleetState,
    now: Timestamp,
) -> bool {
    if let Phase::Draining { why: DrainReason::OutOfSight(_) } = runner.status {
        return false;
    }
    if let (Some(vm), None) = (&runner.vm, runner.runner_id)
        && vm.tags.host_key.is_some()
        && !vm.runs_nothing()
    {
        // It may have been registered a moment ago, and GitHub may not list it yet, by name either.
        let known = fleet_state.runners.get(&runner.runner_name);
        let since = known.and_then(|known| known.unregistered_since).unwrap_or(now);
        let age = elapsed(runner.created_at, now).max(elapsed(now, runner.created_at));
        // No installation begins once boot_timeout is over.
        let is_over = age >= fleet.lifecycle.boot_timeout + list_lag(fleet);
        return is_over || elapsed(since, now) >= ENTRY_LAG;
    }
    let is_remembered = fleet_state.runners.get(&runner.runner_name).is_some_and(|known| known.vm_seen);
    let grace = ENTRY_GRACE.min(fleet.lifecycle.boot_timeout);
    runner.vm.is_some() || is_remembered || elapsed(runner.created_at, now) >= grace
}
