//! Report: what the loop says in the journal, and a board with each fleet's last tick.
//!
//! At info stands what changed the world: each decision that changes something, and each action's
//! end. A trouble is told when it begins and when it ends, not every minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use azlin_fleet::config::Fleet;
use azlin_fleet::demand::QueueMetrics;
use azlin_fleet::names::PoolName;
use azlin_fleet::plan::{Action, Outcome, Plan};
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::scaling::{ScalingAction, ScalingDecision};
use azlin_fleet::snapshot::Snapshot;
use jiff::Timestamp;
use serde::Serialize;
use tracing::{debug, info, warn};

/// A fleet's last tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetReport {
    /// Its number, from 1.
    pub tick: u64,
    /// When.
    pub at: Timestamp,
    /// Its jobs.
    pub metrics: QueueMetrics,
    /// What was decided, and why.
    pub decision: ScalingDecision,
    /// Runners by phase.
    pub runners: BTreeMap<&'static str, u32>,
    /// What could not be seen or is left alone, if anything.
    pub trouble: Option<String>,
}

/// Each fleet's last tick, for whoever wants to look.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<PoolName, FleetReport>>>);

impl Board {
    /// All of it.
    pub fn read(&self) -> BTreeMap<PoolName, FleetReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn post(&self, fleet: &PoolName, report: FleetReport) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(fleet.clone(), report);
    }
}

impl FleetReport {
    pub(crate) fn of(plan: &Plan, trouble: Option<String>, tick: u64, at: Timestamp) -> Self {
        let mut runners = BTreeMap::new();
        for runner in &plan.runners {
            *runners.entry(runner.status.word()).or_default() += 1;
        }
        FleetReport {
            tick,
            at,
            metrics: plan.demand.metrics,
            decision: plan.decision.clone(),
            runners,
            trouble,
        }
    }
}

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
