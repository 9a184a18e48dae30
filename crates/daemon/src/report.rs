//! Report: what the loop says in the journal.
//!
//! At info stands what changed the world: each decision that changes something, and each action's
//! end. A trouble is told when it begins and when it ends, not every minute.

use azlin_fleet::config::Fleet;
use azlin_fleet::names::PoolName;
use azlin_fleet::plan::{Action, Outcome, Plan};
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::scaling::ScalingAction;
use azlin_fleet::snapshot::Snapshot;
use tracing::{debug, info, warn};

/// Says what was decided. What only replaces or removes runners is told at each action's end.
pub(crate) fn decided(fleet: &Fleet, plan: &Plan, tick: u64) {
    let decision = &plan.decision;
    let (fleet, reason) = (&fleet.name, &decision.reason);
    let (target, current) = (decision.target_runner_count, decision.current_runner_count);
    match decision.action {
        ScalingAction::ScaleUp if plan.scales => {
            info!(%fleet, action = "scale_up", target, current, %reason, tick, "scaling up");
        }
        ScalingAction::ScaleDown if plan.scales => {
            info!(%fleet, action = "scale_down", target, current, %reason, tick, "scaling down");
        }
        _ => debug!(%fleet, action = ?decision.action, target, current, %reason, tick, "tick"),
    }
}

/// What a person may have to look at: what could not be seen, and what is left alone.
pub(crate) fn trouble(plan: &Plan, seen: &Snapshot) -> Option<String> {
    let troubles: Vec<String> = seen.trouble().into_iter().chain(plan.left_alone.clone()).collect();
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// Says when a trouble begins, changes and ends.
pub(crate) fn trouble_changed(fleet: &Fleet, before: Option<&str>, now: Option<&str>, tick: u64) {
    let fleet = &fleet.name;
    match (before, now) {
        (None, Some(reason)) => warn!(%fleet, reason, tick, "in trouble"),
        (Some(_), None) => info!(%fleet, tick, "out of trouble"),
        (Some(before), Some(reason)) if before != reason => {
            debug!(%fleet, reason, tick, "in other trouble")
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
    let (word, reason) = match action {
        Action::Provision { reason, .. } => ("provision", reason),
        Action::Install(install) => ("install", &install.reason),
        Action::Destroy(destroy) => ("destroy", &destroy.reason),
    };
    match outcome {
        Outcome::Installed { runner_id, took } => {
            info!(%fleet, %runner, vm = %runner, action = word, %reason, %runner_id, %took, tick, "runner installed");
        }
        Outcome::Ended(runner_id) => {
            debug!(%fleet, %runner, vm = %runner, action = word, %runner_id, tick, "its VM was a runner, and is none any more");
        }
        Outcome::Broken { why: error, .. } => {
            warn!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "VM does not become a runner");
        }
        Outcome::Started => {
            info!(%fleet, %runner, vm = %runner, action = word, %reason, tick, "runner's VM asked for");
        }
        Outcome::Unclear(error) => {
            warn!(%fleet, %runner, vm = %runner, action = word, %reason, %error, tick, "VM asked for, outcome unknown");
        }
        Outcome::Removed => {
            info!(%fleet, %runner, vm = %runner, action = word, %reason, tick, "runner removed")
        }
        Outcome::LeftAlone(why) => {
            debug!(%fleet, %runner, action = word, reason = %why, tick, "runner left alone")
        }
        Outcome::Failed(error) if !is_new => {
            debug!(%fleet, %runner, action = word, %reason, %error, tick, "action failed again")
        }
        Outcome::Failed(error) => {
            warn!(%fleet, %runner, action = word, %reason, %error, tick, "action failed")
        }
    }
}
