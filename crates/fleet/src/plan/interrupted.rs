//! Starts that were interrupted: the daemon died before it recorded Azure's answer to the request for the VM.
//!
//! That request was carried out, is still on its way, or was never sent. The name was on disk before, so the start is
//! resumed under its own name: Azure is asked for the VM of that name, and only where it has none the VM is requested
//! again. `If-None-Match: *` lets one request for a name through, so one that arrives late makes no further VM. The
//! place of such a start stays taken until a list shows its VM, or cannot lag behind any more.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{EphemeralRunner, Phase, RunnerName, elapsed};
use crate::observe::Operation;
use crate::state::FleetState;

/// How long a start is resumed after its name was chosen, where Azure cannot be asked for its VM. From then on lists
/// alone decide.
const RESUMED_FOR: Duration = Duration::from_secs(10 * 60);

/// Whether a runner's start was interrupted, and can be resumed.
pub(crate) fn is_interrupted(
    fleet: &Fleet,
    runner: &EphemeralRunner,
    in_flight: &BTreeMap<RunnerName, Operation>,
    fleet_state: &FleetState,
    now: Timestamp,
) -> bool {
    let name = &runner.runner_name;
    let is_unanswered = fleet_state.runners.get(name).is_some_and(|known| known.is_unanswered);
    // A group that the fleet has left may have a VM of this name, too.
    let has_one_group = || fleet_state.groups().iter().all(|group| *group == fleet.vm.group);
    is_unanswered
        && matches!(runner.status, Phase::Provisioning { .. })
        && runner.vm.is_none()
        && !in_flight.contains_key(name)
        && has_one_group()
        && elapsed(name.created_at(), now) < RESUMED_FOR
}
