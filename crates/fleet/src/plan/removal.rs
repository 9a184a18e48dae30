//! Whether a runner may be removed now, and what proves that it runs no job.
//!
//! The VM is the witness. GitHub's lists call a runner idle in the middle of its job for up to an hour, its `DELETE`
//! answers 204 then, and entries vanish under living runners. So a VM goes once it has stopped, or has said that it
//! ended its runner. One that answers to nothing goes after a long time in which nothing showed a job.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{BrokenReason, DrainReason, EphemeralRunner, Phase, Proof, elapsed};
use crate::state::{FleetState, RunnerState};

/// How long an entry that is not in the state may lack its VM.
const ENTRY_GRACE: Duration = Duration::from_secs(180);
/// The time until a VM that has not answered is asked again. Each request is a write at Azure.
const ASK_AGAIN: Duration = Duration::from_secs(5 * 60);
/// The same over SSH, which costs no request.
const ASK_AGAIN_OVER_SSH: Duration = Duration::from_secs(60);
/// How long a VM may be silent whose runner was never online: nothing has ever shown that it can work.
const NEVER_ONLINE: Duration = Duration::from_secs(2 * 60);
/// How long a VM's word that a job runs counts before it is asked again.
pub(crate) const WORD_LASTS: Duration = ASK_AGAIN;
/// The pauses before the removal of an entry without VM is tried again that GitHub calls busy. The last one repeats.
const ENTRY_PAUSES: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];

/// How long a VM may take to power off by itself after its job, before it is asked to. An ephemeral one needs some
/// eight seconds.
pub const STOPS_BY_ITSELF: Duration = Duration::from_secs(15);
/// How long one removal waits for the VM's answer. A later tick goes on.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(45);
/// How long the login and the answer over SSH may take.
pub const SSH_ANSWER_LIMIT: Duration = Duration::from_secs(40);
/// The pause before a VM's power state is read meanwhile; it doubles, up to the longest. One removal reads it some five
/// times.
pub const FIRST_POWER_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two reads of a VM's power state.
pub const LONGEST_POWER_PAUSE: Duration = Duration::from_secs(4);
/// The pause before the power state of a VM is read again that is set up for standby.
pub const PREPARING_PAUSE: Duration = Duration::from_secs(5);
/// How long a removal waits until Azure has no such VM any more, where its fleet waits for the room.
pub const GONE_LIMIT: Duration = Duration::from_secs(3 * 60);

/// What proves that a runner runs no job, if it may be removed now. `None` while a list may lag, while its VM may
/// still answer, or while GitHub is not asked again.
pub(crate) fn proof(
    fleet: &Fleet,
    runner: &EphemeralRunner,
    fleet_state: &FleetState,
    now: Timestamp,
) -> Option<Proof> {
    let drained = if let Phase::Draining { why } = &runner.status { Some(why) } else { None };
    if let Some(DrainReason::OutOfSight(_)) = drained {
        return None;
    }
    let unknown = RunnerState::default();
    let known = fleet_state.runners.get(&runner.runner_name).unwrap_or(&unknown);
    let Some(vm) = &runner.vm else {
        return is_entry_due(fleet, runner, known, now).then_some(Proof::Stopped);
    };
    if vm.runs_nothing() {
        let is_for_standby = vm.tags.standby.is_some() || known.is_for_standby;
        return Some(if is_for_standby { Proof::StoppedStandby } else { Proof::Stopped });
    }
    if let Some(DrainReason::NoCapacity(_) | DrainReason::Broken(BrokenReason::VmFailed(_))) = drained {
        return Some(Proof::NotMade);
    }
    let patience = if known.was_online {
        fleet.lifecycle.drain_timeout
    } else {
        NEVER_ONLINE.min(fleet.lifecycle.boot_timeout)
    };
    // A policy may have taken the tag.
    let host_key = vm.tags.host_key.as_ref().or(known.host_key.as_ref());
    let again = if host_key.is_some() { ASK_AGAIN_OVER_SSH } else { ASK_AGAIN };
    let ago = |at: Option<Timestamp>| at.map(|at| elapsed(at, now));
    match (ago(known.drain.since), ago(known.drain.asked)) {
        (Some(asked_for), _) if asked_for >= patience => Some(Proof::Unanswered(asked_for)),
        (_, Some(last)) if last < again.min(patience) => None,
        _ => Some(Proof::Drain(host_key.cloned())),
    }
}

/// Whether the removal of an entry without a VM may be tried.
fn is_entry_due(fleet: &Fleet, runner: &EphemeralRunner, known: &RunnerState, now: Timestamp) -> bool {
    if let Phase::Draining { why: DrainReason::Broken(BrokenReason::BusyWithoutVm) } = runner.status {
        let refusals = &known.entry_refused;
        let step = (refusals.count.saturating_sub(1) as usize).min(ENTRY_PAUSES.len() - 1);
        return refusals.last.is_none_or(|last| elapsed(last, now) >= ENTRY_PAUSES[step]);
    }
    let grace = ENTRY_GRACE.min(fleet.lifecycle.boot_timeout);
    known.vm_seen || elapsed(runner.created_at, now) >= grace
}
