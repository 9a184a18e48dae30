//! An overview of a fleet: its waiting jobs, its runners, and its decision.

use serde::Serialize;

use super::{Explanation, FleetView, JobQuery, NextChange, job, next_changes, runner};
use crate::config::Fleet;
use crate::model::{Job, JobStatus};
use crate::observe::{ScaleSetStatus, is_in_scope, owner};
use crate::plan::DecisionStatus;

/// The number of jobs that are explained one by one, the oldest first.
const SHOWN: usize = 10;

/// An overview of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolExplanation {
    /// The fleet's oldest waiting jobs, and the jobs that no fleet serves.
    pub jobs: Vec<Explanation>,
    /// The number of further waiting jobs.
    pub more_jobs: usize,
    /// The fleet's runners.
    pub runners: Vec<Explanation>,
    /// The decision, and its reason.
    pub decision: DecisionStatus,
    /// The scale set that tells the fleet of its jobs. Absent if it follows queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_set: Option<ScaleSetStatus>,
    /// The changes of the decision that happen without a person, the soonest first.
    pub next_changes: Vec<NextChange>,
}

/// Explains a fleet. `fleets` are all configured fleets.
pub fn pool(view: &FleetView<'_>, fleets: &[&Fleet]) -> PoolExplanation {
    let peers = || fleets.iter().copied().filter(|fleet| fleet.scope == view.fleet.scope);
    let concerns = |job: &&Job| {
        is_in_scope(view.fleet, &job.repo)
            && match owner(peers(), job) {
                Some(claim) => *claim.pool == view.fleet.name,
                None => !job.is_for_hosted(),
            }
    };
    let jobs = view.queue.map(|queue| queue.jobs.as_slice()).unwrap_or_default();
    let mut waiting: Vec<&Job> =
        jobs.iter().filter(|job| job.status != JobStatus::InProgress).filter(concerns).collect();
    waiting.sort_by_key(|job| (job.created_at, job.id));
    PoolExplanation {
        more_jobs: waiting.len().saturating_sub(SHOWN),
        jobs: waiting.into_iter().take(SHOWN).map(|open| job(JobQuery::Open(open), view, fleets)).collect(),
        runners: view.plan.runners.iter().map(|each| runner(each, view)).collect(),
        decision: DecisionStatus::from(&view.plan.decision),
        scale_set: view.seen.scale_set.clone(),
        next_changes: next_changes(view),
    }
}
