//! Report: what the loop writes to the journal.
//!
//! Info: each decision that changes something, each action's end, and what a runner does by itself. A problem
//! is reported when it begins and when it ends, not every minute. Each message is complete; the fields are
//! for searching.

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{
    ActionReason, BootstrapOutcome, CallError, Completed, DestroyOutcome, Failure, InstallOutcome, PoolName,
    ProvisionOutcome, RepoSlug, RunnerName, ScalingAction, VmChangeOutcome, WebLink, elapsed, in_words,
};
use azlin_fleet::observe::Snapshot;
use azlin_fleet::plan::Plan;
use azlin_fleet::report::{FleetErrorKind, LastingError};
use azlin_fleet::state::RunnerEvent;
use jiff::Timestamp;
use tracing::{debug, error, info, warn};

/// Reports a decision. Replacements and removals of runners are reported at each action's end.
pub(crate) fn decided(fleet: &Fleet, plan: &Plan, tick: u64) {
    let decision = &plan.decision;
    let (fleet, reason) = (&fleet.name, &decision.reason);
    let (to, from) = (decision.target_runner_count, decision.current_runner_count);
    match decision.action {
        ScalingAction::ScaleUp if plan.scales => {
            info!(%fleet, action = "scale_up", to, from, %reason, tick, "{fleet}: scale up from {from} to {to}: {reason}");
        }
        ScalingAction::ScaleDown if plan.scales => {
            info!(%fleet, action = "scale_down", to, from, %reason, tick, "{fleet}: scale down from {from} to {to}: {reason}");
        }
        _ => {
            debug!(%fleet, action = "none", to, from, %reason, tick, "{fleet}: tick {tick}: {reason}");
        }
    }
}

/// Reports what runners did by themselves.
pub(crate) fn happened(fleet: &PoolName, runner_events: &[(RunnerName, RunnerEvent)], tick: u64) {
    for (runner, runner_event) in runner_events {
        let (action, named) = (runner_event.as_str(), runner_event.job());
        let job = named.map(|job| job.id.0);
        let job_repo = named.and_then(|job| job.repo.as_ref()).map(RepoSlug::as_str);
        let job_workflow = named.and_then(|job| job.workflow.as_deref());
        let job_name = named.and_then(|job| job.name.as_deref());
        let job_link = named.and_then(|job| job.link.as_ref()).map(WebLink::as_str);
        match runner_event {
            RunnerEvent::Online(took) => {
                let took_s = took.as_secs();
                info!(%fleet, %runner, vm = %runner, action, took_s, tick, "{fleet}: {runner} {runner_event}");
            }
            RunnerEvent::TookJob(_) | RunnerEvent::EndedJob(_) => {
                info!(%fleet, %runner, vm = %runner, action, job, job_repo, job_workflow, job_name, job_link, tick, "{fleet}: {runner} {runner_event}");
            }
            RunnerEvent::Vanished(_) | RunnerEvent::Evicted(_) => {
                warn!(%fleet, %runner, vm = %runner, action, job, job_repo, job_workflow, job_name, job_link, tick, "{fleet}: {runner} {runner_event}");
            }
        }
    }
}

/// What a person may have to look at: what could not be read, and what is left alone.
pub(crate) fn trouble(plan: &Plan, seen: &Snapshot) -> Option<String> {
    let troubles: Vec<String> = seen
        .trouble()
        .into_iter()
        .chain(plan.left_alone.as_ref().map(ToString::to_string))
        .chain(plan.no_room.iter().map(ToString::to_string))
        .chain(plan.closed_places())
        .collect();
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// Reports what Azure never makes the fleet's VMs with, when it is found out.
pub(crate) fn closed(fleet: &Fleet, refusals: &[CallError]) {
    let fleet = &fleet.name;
    for error in refusals {
        error!(%fleet, %error, "{fleet}: Azure never makes such a VM, and it is asked for no more for hours; a person must act: {error}");
    }
}

/// Reports when each error of a fleet begins, changes and ends. Where failures of actions are in the journal already,
/// only the end of the error is reported.
pub(crate) fn errors_changed(
    fleet: &Fleet,
    before: &[LastingError],
    now: &[LastingError],
    at: Timestamp,
    tick: u64,
) {
    let fleet = &fleet.name;
    let of = |errors: &'_ [LastingError], about| errors.iter().find(|error| error.about == about).cloned();
    for about in FleetErrorKind::ALL {
        let kind = about.as_str();
        match (of(before, about), of(now, about)) {
            (None, Some(_)) if about.begins_with_an_action() => {}
            (None, Some(LastingError { what: reason, .. })) => {
                warn!(%fleet, kind, %reason, tick, "{fleet}: error: {reason}");
            }
            // The end of the last failing removal is an event of its own.
            (Some(_), None) if about == FleetErrorKind::Removing => {}
            (Some(LastingError { since, .. }), None) => {
                let (lasted, recovered) = (in_words(elapsed(since, at)), about.recovered());
                info!(%fleet, kind, tick, "{fleet}: recovered after {lasted}: {recovered}");
            }
            (Some(before), Some(LastingError { what: reason, .. })) if before.what != reason => {
                debug!(%fleet, kind, %reason, tick, "{fleet}: error, still: {reason}");
            }
            _ => {}
        }
    }
}

/// Reports how an action ended. Repeats of the same failure are left out.
pub(crate) fn ended(fleet: &PoolName, runner: &RunnerName, completed: &Completed, is_new: bool, tick: u64) {
    let is_from_standby = matches!(completed, Completed::Provision { is_from_standby: true, .. });
    let (action, reason) = (completed.action(), completed.reason());
    let entry = JournalEntry { fleet, runner, action, reason, is_from_standby, tick };
    match completed {
        Completed::Deallocate { outcome, .. } | Completed::ClearUserData { outcome, .. } => match outcome {
            VmChangeOutcome::Done => entry.changed(),
            VmChangeOutcome::Unclear(error) => entry.unclear_change(error),
            VmChangeOutcome::LeftAlone(why) => entry.left_alone(why),
            VmChangeOutcome::Failed(failure) => entry.failed(failure, is_new),
        },
        Completed::Provision { outcome, .. } | Completed::Prepare { outcome, .. } => match outcome {
            ProvisionOutcome::Started => entry.started(),
            ProvisionOutcome::Bootstrap(outcome) => entry.bootstrap(outcome),
            ProvisionOutcome::Unclear(error) => entry.unclear(error),
            ProvisionOutcome::NoCapacity(error) => entry.no_room(error),
            ProvisionOutcome::LeftAlone(why) => entry.left_alone(why),
            ProvisionOutcome::Failed(failure) => entry.failed(failure, is_new),
        },
        Completed::Install { outcome, .. } => match outcome {
            InstallOutcome::Bootstrap(outcome) => entry.bootstrap(outcome),
            InstallOutcome::LeftAlone(why) => entry.left_alone(why),
            InstallOutcome::Failed(failure) => entry.failed(failure, is_new),
        },
        Completed::Destroy { destroy, outcome } => match outcome {
            DestroyOutcome::Removed | DestroyOutcome::Gone | DestroyOutcome::Asked(_)
                if is_new && destroy.why.never_worked() =>
            {
                entry.never_worked();
            }
            DestroyOutcome::Removed | DestroyOutcome::Gone => entry.removed(),
            DestroyOutcome::Busy => entry.left_alone("it runs a job"),
            DestroyOutcome::Asked(why) | DestroyOutcome::LeftAlone(why) => entry.left_alone(why),
            DestroyOutcome::Failed(failure) => entry.failed(failure, is_new),
        },
    }
}

/// Reports that no removal of a fleet's runners fails any more.
pub(crate) fn removals_end(fleet: &PoolName, is_so: bool, tick: u64) {
    if is_so {
        info!(%fleet, tick, "{fleet}: no removal fails any more");
    }
}

/// The fields of each journal entry about an action's end.
struct JournalEntry<'a> {
    fleet: &'a PoolName,
    runner: &'a RunnerName,
    action: &'static str,
    reason: ActionReason<'a>,
    /// Whether it is a start whose VM was on standby.
    is_from_standby: bool,
    tick: u64,
}

impl JournalEntry<'_> {
    fn started(&self) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        // The decision is a line of its own.
        if self.is_from_standby {
            info!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner} is taken from standby");
        } else if reason.scaling().is_some() {
            info!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner} is being created");
        } else {
            info!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner} is being created: {reason}");
        }
    }

    fn bootstrap(&self, outcome: &BootstrapOutcome) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        match outcome {
            BootstrapOutcome::Installed { runner_id, took, .. } => {
                info!(%fleet, %runner, vm = %runner, action, %reason, %runner_id, %took, tick, "{fleet}: {runner} is installed ({took}): {reason}");
            }
            BootstrapOutcome::Ended(runner_id) => {
                debug!(%fleet, %runner, vm = %runner, action, %runner_id, tick, "{fleet}: {runner} was a runner, and is none any more");
            }
            BootstrapOutcome::Broken { why: error, .. } => {
                warn!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner} does not become a runner: {error}");
            }
        }
    }

    fn unclear(&self, error: &str) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        warn!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner} is being created, and whether Azure makes it is not known: {error}");
    }

    fn changed(&self) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        if let ActionReason::Deallocate = reason {
            info!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner} is deallocated, and on standby");
        } else {
            debug!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner}: {action} is done: {reason}");
        }
    }

    fn unclear_change(&self, error: &str) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        warn!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner}: whether Azure does {action} is not known: {error}");
    }

    /// At debug only: [`errors_changed`] reports once that the fleet has no capacity.
    fn no_room(&self, error: &str) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        debug!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner}: Azure has no room for it: {error}");
    }

    fn removed(&self) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        info!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner} deleted: {reason}");
    }

    /// A start that failed after Azure had accepted it.
    fn never_worked(&self) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        warn!(%fleet, %runner, vm = %runner, action, %reason, tick, "{fleet}: {runner} failed to start, and goes: {reason}");
    }

    fn left_alone(&self, why: &str) {
        let JournalEntry { fleet, runner, action, tick, .. } = self;
        debug!(%fleet, %runner, vm = %runner, action, reason = %why, tick, "{fleet}: {runner} is left alone: {why}");
    }

    fn failed(&self, failure: &Failure, is_new: bool) {
        let JournalEntry { fleet, runner, action, reason, tick, .. } = self;
        let error = &failure.why;
        if !is_new {
            debug!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner}: {action} failed again: {error}");
        } else if failure.is_loud() {
            let then = if failure.is_unknown {
                "this is new to azlin, and tried again later"
            } else {
                "a person must act"
            };
            error!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner}: {action} failed, {then}: {error}");
        } else {
            warn!(%fleet, %runner, vm = %runner, action, %reason, %error, tick, "{fleet}: {runner}: {action} failed: {error}");
        }
    }
}
