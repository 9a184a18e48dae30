//! Report: what the loop says in the journal.
//!
//! At info stands what changed the world: each decision that changes something, each action's end, and
//! what a runner does by itself. A trouble is told when it begins and when it ends, not every minute.
//! Each message says all by itself; the fields are there to be searched for.

use azlin_fleet::config::Fleet;
use azlin_fleet::milestone::Milestone;
use azlin_fleet::names::PoolName;
use azlin_fleet::plan::{Action, Outcome, Plan};
use azlin_fleet::remedy::Failure;
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::scaling::ScalingAction;
use azlin_fleet::snapshot::Snapshot;
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
pub(crate) fn happened(fleet: &PoolName, milestones: &[(RunnerName, Milestone)], tick: u64) {
    for (runner, milestone) in milestones {
        let (action, job) = (milestone.word(), milestone.job().map(|job| job.0));
        match milestone {
            Milestone::Online(took) => {
                let took_s = took.as_secs();
                info!(%fleet, %runner, vm = %runner, action, took_s, tick, "{fleet}: {runner} {milestone}");
            }
            Milestone::TookJob(_) | Milestone::EndedJob(_) => {
                info!(%fleet, %runner, vm = %runner, action, job, tick, "{fleet}: {runner} {milestone}");
            }
            Milestone::Vanished(_) | Milestone::Evicted(_) => {
                warn!(%fleet, %runner, vm = %runner, action, job, tick, "{fleet}: {runner} {milestone}");
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
    let word = action.word();
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
        Outcome::NoRoom(error) => {
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
