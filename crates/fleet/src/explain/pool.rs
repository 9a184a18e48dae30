//! A fleet at a glance: its waiting jobs, its runners, and what is decided.

use serde::Serialize;

use super::{Explanation, FleetView, JobQuery, NextChange, job, labels, next_changes, runner};
use crate::config::Fleet;
use crate::decision::DecisionStatus;
use crate::demand::{is_in_scope, owner};
use crate::job::{Job, JobStatus};

/// How many jobs are explained one by one: the oldest ones.
const SHOWN: usize = 10;

/// A fleet at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolExplanation {
    /// Its oldest waiting jobs, and those that no fleet serves.
    pub jobs: Vec<Explanation>,
    /// How many more jobs wait.
    pub more_jobs: usize,
    /// Its runners.
    pub runners: Vec<Explanation>,
    /// What is decided, and why.
    pub decision: DecisionStatus,
    /// What will change that by itself, the soonest first.
    pub next_changes: Vec<NextChange>,
}

/// Explains a fleet. `fleets` are all configured fleets.
pub fn pool(view: &FleetView<'_>, fleets: &[&Fleet]) -> PoolExplanation {
    let peers = || fleets.iter().copied().filter(|fleet| fleet.scope == view.fleet.scope);
    let concerns = |job: &&Job| {
        is_in_scope(view.fleet, &job.repo)
            && match owner(peers(), job) {
                Some(claim) => *claim.pool == view.fleet.name,
                None => !labels::is_for_hosted(job),
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
        next_changes: next_changes(view),
    }
}
