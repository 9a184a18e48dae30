//! Queued jobs that are no demand, although the fleet's runners have their labels.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{GroupRefusal, Job, JobId, JobStatus, PoolName, Queue, RunnerGroup, counted, elapsed};
use crate::observe::Claim;

/// GitHub cancels a job that no runner took within this time (GitHub docs, Usage limits for self-hosted runners: a job
/// is in the queue for up to 24 hours).
const QUEUED_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// Why a queued job is no demand on any fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut<'q> {
    /// GitHub has given it to this runner, and still shows it as queued.
    HasRunner(&'q str),
    /// It has been queued for longer than GitHub keeps a job in its queue.
    QueuedTooLong,
}

/// Why a job that GitHub shows as queued is no demand, if it is none.
pub fn left_out<'q>(job: &'q Job, queue: &Queue, now: Timestamp) -> Option<LeftOut<'q>> {
    if job.status != JobStatus::Queued {
        return None;
    }
    match &job.runner_name {
        Some(name) => Some(LeftOut::HasRunner(name)),
        None if elapsed(queue.waits_since(job), now) > QUEUED_AT_MOST => Some(LeftOut::QueuedTooLong),
        None => None,
    }
}

/// The jobs that the runner groups of fleets refuse. `groups` has the fleets whose group is known.
pub fn refused<'f>(
    fleets: impl IntoIterator<Item = &'f Fleet>,
    groups: &BTreeMap<PoolName, RunnerGroup>,
    queue: &Queue,
) -> BTreeMap<PoolName, BTreeMap<JobId, GroupRefusal>> {
    let of_fleet = |fleet: &Fleet, group: &RunnerGroup| -> BTreeMap<JobId, GroupRefusal> {
        let refusal = |job: &Job| {
            let files = queue.workflows.get(&job.run_id).map_or(&[][..], Vec::as_slice);
            let of_repository = group.refuses_repository(&job.repo, queue.repository.as_ref());
            of_repository.or_else(|| group.refuses_workflows(files))
        };
        let claimed = queue.jobs.iter().filter(|job| Claim::of(fleet, job).is_some());
        claimed.filter_map(|job| Some((job.id, refusal(job)?))).collect()
    };
    let known = fleets.into_iter().filter_map(|fleet| Some((fleet, groups.get(&fleet.name)?)));
    let all = known.map(|(fleet, group)| (fleet.name.clone(), of_fleet(fleet, group)));
    all.filter(|(_, refused)| !refused.is_empty()).collect()
}

/// The jobs of one fleet that were left out, for the notes of its demand.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOutJobs {
    has_runner: u64,
    queued_too_long: u64,
    refused: BTreeMap<String, u64>,
}

impl LeftOutJobs {
    pub(super) fn add(&mut self, why: LeftOut<'_>) {
        match why {
            LeftOut::HasRunner(_) => self.has_runner += 1,
            LeftOut::QueuedTooLong => self.queued_too_long += 1,
        }
    }

    pub(super) fn refuse(&mut self, why: &GroupRefusal) {
        *self.refused.entry(why.to_string()).or_default() += 1;
    }

    /// A sentence for each reason.
    pub(super) fn notes(&self) -> Vec<String> {
        let jobs = |count: u64| {
            format!("{} {} not counted", counted(count, "queued job"), if count == 1 { "is" } else { "are" })
        };
        let given = (self.has_runner > 0)
            .then(|| format!("{}: GitHub has given it a runner already", jobs(self.has_runner)));
        let old = (self.queued_too_long > 0).then(|| {
            format!("{}: after more than 24h in the queue GitHub cancels it", jobs(self.queued_too_long))
        });
        let refused = self.refused.iter().map(|(why, count)| format!("{}: {why}", jobs(*count)));
        given.into_iter().chain(old).chain(refused).collect()
    }
}

#[cfg(test)]
mod tests;
