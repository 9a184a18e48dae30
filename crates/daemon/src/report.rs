//! Report: what the loop says in the journal.
//!
//! At info stands what changed the world: each decision that changes something, each action's end, and
//! what a runner does by itself. A trouble is told when it begins and when it ends, not every minute.
//! Each message says all by itself; the fields are there to be searched for.

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{Failure, PoolName, RunnerName};
use azlin_fleet::observe::Snapshot;
use azlin_fleet::plan::{Action, Outcome, Plan, ScalingAction};
use azlin_fleet::state::RunnerEvent;
use tracing::{debug, error, info, warn};

/// Says what was decided. What only replaces or removes runners is told at each action's end.
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

/// Says what was seen to have happened.
pub(crate) fn happened(fleet: &PoolName, runner_events: &[(RunnerName, RunnerEvent)], tick: u64) {
    for (runner, runner_event) in runner_events {
        let (action, job) = (runner_event.as_str(), runner_event.job().map(|job| job.0));
        match runner_event {
            RunnerEvent::Online(took) => {
                let took_s = took.as_secs();
                info!(%fleet, %runner, vm = %runner, action, took_s, tick, "{fleet}: {runner} {runner_event}");
            }
            RunnerEvent::TookJob(_) | RunnerEvent::EndedJob(_) => {
                info!(%fleet, %runner, vm = %runner, action, job, tick, "{fleet}: {runner} {runner_event}");
            }
            RunnerEvent::Vanished(_) | RunnerEvent::Evicted(_) => {
                warn!(%fleet, %runner, vm = %runner, action, job, tick, "{fleet}: {runner} {runner_event}");
            }
        }
    }
}

/// What a person may have to look at: what could not be seen, and what is left alone.
pub(crate) fn trouble(plan: &Plan, seen: &Snapshot) -> Option<String> {
    let troubles: Vec<String> = seen
        .trouble()
        .into_iter()
        .chain(plan.left_alone.clone())
        .chain(plan.no_room.iter().map(|none| none.why.clone()))
        .collect();
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// Says when a trouble begins, changes and ends.
pub(crate) fn trouble_changed(fleet: &Fleet, before: Option<&str>, now: Option<&str>, tick: u64) {
    let fleet = &fleet.name;
    match (before, now) {
        (None, Some(reason)) => warn!(%fleet, reason, tick, "{fleet}: in trouble: {reason}"),
        (Some(_), None) => info!(%fleet, tick, "{fleet}: out of trouble"),
        (Some(before), Some(reason)) if before != reason => {
            debug!(%fleet, reason, tick, "{fleet}: in other trouble: {reason}");
        }
        _ => {}
    }
}

/// Says how an action ended. What went wrong the same way before is not said again.
pub(crate) fn ended(
    fleet: &PoolName,
    runner: &RunnerName,
    action: &Action,
    outcome: &Outcome,
    is_new: bool,
    tick: u64,
) {
    let word = action.as_str();
    let reason = match action {
        Action::Provision { reason, .. } => reason,
        Action::Install(install) => &install.reason,
        Action::Destroy(destroy) => &destroy.reason,
    };
    match outcome {
        Outcome::Installed { runner_id, took } => {
            info!(%fleet, %runner, vm = %runner, action = word, %reason, %runner_id, %took, tick, "{fleet}: {runner} is installed ({took}): {reason}");
        }
        Outcome::Ended(runner_id) => {
            debug!(%fleet, %runner, vm = %runner, action = word, %runner_id, tick, "{fleet}: {runner} was a runner, and is none any more");
        }
        Outcome::Broken { why: error, .. } => {
            warn!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "{fleet}: {runner} does not become a runner: {error}");
        }
        Outcome::Started => {
            info!(%fleet, %runner, vm = %runner, action = word, %reason, tick, "{fleet}: {runner} is asked for: {reason}");
        }
        Outcome::Unclear(error) => {
            warn!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "{fleet}: {runner} is asked for, and whether Azure makes it is not known: {error}");
        }
        Outcome::Removed => {
            info!(%fleet, %runner, vm = %runner, action = word, %reason, tick, "{fleet}: {runner} is removed: {reason}");
        }
        Outcome::LeftAlone(why) => {
            debug!(%fleet, %runner, vm = %runner, action = word, reason = %why, tick, "{fleet}: {runner} is left alone: {why}");
        }
        // That there is room nowhere is told as the fleet's trouble, once.
        Outcome::NoCapacity(error) => {
            debug!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "{fleet}: {runner}: Azure has no room for it: {error}");
        }
        Outcome::Failed(Failure { why: error, .. }) if !is_new => {
            debug!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "{fleet}: {runner}: {word} failed again: {error}");
        }
        Outcome::Failed(failure) if failure.is_loud() => {
            let error = &failure.why;
            let then = if failure.is_unknown {
                "this is new to azlin, and tried again later"
            } else {
                "somebody must act"
            };
            error!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "{fleet}: {runner}: {word} failed, {then}: {error}");
        }
        Outcome::Failed(Failure { why: error, .. }) => {
            warn!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "{fleet}: {runner}: {word} failed: {error}");
        }
    }
}
