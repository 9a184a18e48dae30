//! Demand: how many jobs a fleet has to serve.
//!
//! Labels are on jobs, so demand is counted over jobs. A job counts for exactly one fleet, so that two fleets never both
//! start a VM for it. GitHub may still give it to any runner that matches, so these are counts and never pairs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Fleet;
use crate::model::{ForeignText, Job, JobId, JobStatus, Label, NamedJob, PoolName, Queue, RepoSlug, Scope};
use crate::observe::left_out::{LeftOutJobs, left_out};

/// The jobs of one fleet, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMetrics {
    /// Jobs that could start now if a runner were there.
    pub pending_jobs: u32,
    /// Running jobs.
    pub in_progress_jobs: u32,
    /// All jobs that have not started: pending ones, and those that a rule or a concurrency group holds back.
    pub queued_jobs: u32,
    /// `queued_jobs + in_progress_jobs`.
    pub total_jobs: u32,
    /// When the queue was read.
    pub timestamp: Timestamp,
}

impl QueueMetrics {
    /// The jobs in GitHub's words: `queued` ones could start now, `waiting` ones are held by a rule or a group.
    pub fn in_words(&self) -> String {
        let waiting = self.queued_jobs.saturating_sub(self.pending_jobs);
        format!("{} queued, {waiting} waiting, {} in progress", self.pending_jobs, self.in_progress_jobs)
    }

    /// No jobs.
    pub fn none(timestamp: Timestamp) -> Self {
        QueueMetrics { pending_jobs: 0, in_progress_jobs: 0, queued_jobs: 0, total_jobs: 0, timestamp }
    }

    /// Whether any job waits.
    pub fn needs_scaling(&self) -> bool {
        self.pending_jobs > 0 || self.queued_jobs > 0
    }

    fn count(&mut self, status: JobStatus) {
        match status {
            JobStatus::InProgress => self.in_progress_jobs += 1,
            JobStatus::Queued => {
                self.pending_jobs += 1;
                self.queued_jobs += 1;
            }
            JobStatus::Waiting | JobStatus::Pending | JobStatus::Requested => self.queued_jobs += 1,
        }
        self.total_jobs += 1;
    }
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedJob {
    /// The job.
    #[serde(flatten)]
    pub job: NamedJob,
    /// When it began to wait.
    pub since: Timestamp,
}

impl QueuedJob {
    /// What the order of jobs goes by: of two of one moment the lower number is older.
    fn age(&self) -> (Timestamp, JobId) {
        (self.since, self.job.id)
    }
}

/// Queued jobs that no fleet serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnservedJobs {
    /// How many there are.
    pub count: u32,
    /// The one that has waited longest.
    pub oldest: QueuedJob,
    /// What that one asks for.
    pub labels: Vec<ForeignText>,
}

/// The demand on one fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The counts.
    pub metrics: QueueMetrics,
    /// The pending jobs that have waited longest, the oldest first: at most [`Demand::SHOWN`].
    pub pending: Vec<QueuedJob>,
    /// What could not be read. When there is any, the counts are lower bounds.
    pub missing: Vec<String>,
    /// What else an operator should know about the counts.
    pub notes: Vec<String>,
    /// Jobs that ask for runners like this fleet's, and that no fleet serves. They are no demand.
    pub unserved: Option<UnservedJobs>,
}

impl Demand {
    /// So many pending jobs are named.
    pub const SHOWN: usize = 20;

    /// No jobs, and nothing missing.
    pub fn none(now: Timestamp) -> Self {
        Demand {
            metrics: QueueMetrics::none(now),
            pending: Vec::new(),
            missing: Vec::new(),
            notes: Vec::new(),
            unserved: None,
        }
    }

    /// The sum over several repositories.
    pub fn of_all<'d>(demands: impl IntoIterator<Item = &'d Demand>, now: Timestamp) -> Self {
        let mut sum = Demand::none(now);
        for demand in demands {
            let (all, of) = (&mut sum.metrics, &demand.metrics);
            all.pending_jobs += of.pending_jobs;
            all.in_progress_jobs += of.in_progress_jobs;
            all.queued_jobs += of.queued_jobs;
            all.total_jobs += of.total_jobs;
            demand.pending.iter().for_each(|job| sum.name_pending(job.age(), || job.clone()));
            sum.missing.extend(demand.missing.iter().cloned());
            sum.notes.extend(demand.notes.iter().cloned());
            for unserved in demand.unserved.iter().cloned() {
                sum.add_unserved(unserved);
            }
        }
        sum
    }

    /// The pending job that has waited longest.
    pub fn oldest_pending(&self) -> Option<&QueuedJob> {
        self.pending.first()
    }

    /// The counts, unless nothing is known: no job was read, and some could not be read.
    pub fn known_metrics(&self) -> Option<QueueMetrics> {
        (self.missing.is_empty() || self.metrics.total_jobs > 0).then_some(self.metrics)
    }

    fn add_unserved(&mut self, more: UnservedJobs) {
        self.unserved = Some(match self.unserved.take() {
            None => more,
            Some(known) => {
                let count = known.count + more.count;
                let older = if known.oldest.age() <= more.oldest.age() { known } else { more };
                UnservedJobs { count, ..older }
            }
        });
    }

    /// Counts a job that is queued and no demand.
    fn leave_out(&mut self) {
        self.metrics.queued_jobs += 1;
        self.metrics.total_jobs += 1;
    }

    fn add(&mut self, job: &Job) {
        self.metrics.count(job.status);
        if job.status == JobStatus::Queued {
            let since = job.created_at;
            self.name_pending((since, job.id), || QueuedJob { job: job.into(), since });
        }
    }

    /// Names a pending job of this age, if it is among the oldest.
    fn name_pending(&mut self, age: (Timestamp, JobId), job: impl FnOnce() -> QueuedJob) {
        let place = self.pending.partition_point(|known| known.age() <= age);
        if place < Self::SHOWN {
            self.pending.truncate(Self::SHOWN - 1);
            self.pending.insert(place, job());
        }
    }
}

/// Shares the jobs of a queue out among the fleets that can serve them. The result has an entry for each fleet.
pub fn attribute<'f>(
    fleets: impl IntoIterator<Item = &'f Fleet>,
    queue: &Queue,
    now: Timestamp,
) -> BTreeMap<PoolName, Demand> {
    let fleets: Vec<&Fleet> = fleets.into_iter().collect();
    let mut demands: BTreeMap<PoolName, Demand> = fleets
        .iter()
        .map(|fleet| {
            let (missing, notes) = (queue.missing.clone(), queue.notes.clone());
            (fleet.name.clone(), Demand { missing, notes, ..Demand::none(now) })
        })
        .collect();
    let mut left = BTreeMap::<&PoolName, LeftOutJobs>::new();
    for job in &queue.jobs {
        let able = fleets.iter().copied().filter(|fleet| queue.refusal(&fleet.name, job.id).is_none());
        let Some(claim) = owner(able, job) else {
            // The fleet that would have it but for its runner group says why.
            if let Some(claim) = owner(fleets.iter().copied(), job)
                && let Some(why) = queue.refusal(claim.pool, job.id)
                && job.status == JobStatus::Queued
            {
                left.entry(claim.pool).or_default().refuse(why);
            } else if let Some(fleet) = like(&fleets, job)
                && left_out(job, queue, now).is_none()
                && let Some(demand) = demands.get_mut(&fleet.name)
            {
                let oldest = QueuedJob { job: job.into(), since: queue.waits_since(job) };
                demand.add_unserved(UnservedJobs { count: 1, oldest, labels: job.labels.clone() });
            }
            continue;
        };
        let Some(demand) = demands.get_mut(claim.pool) else { continue };
        match left_out(job, queue, now) {
            None => demand.add(job),
            Some(why) => {
                demand.leave_out();
                left.entry(claim.pool).or_default().add(why);
            }
        }
    }
    for (pool, left) in left {
        if let Some(demand) = demands.get_mut(pool) {
            demand.notes.extend(left.notes());
        }
    }
    demands
}

/// The fleet whose runners are most like what an unserved job asks for: registered where the job is, with some of its
/// labels. A job for runners that GitHub hosts, or that has nothing in common with any fleet, is like none.
fn like<'f>(fleets: &[&'f Fleet], job: &Job) -> Option<&'f Fleet> {
    if job.status != JobStatus::Queued || job.is_for_hosted() {
        return None;
    }
    let common = |fleet: &Fleet| job.labels.iter().filter(|wanted| has_label(fleet, wanted)).count();
    let candidates = fleets.iter().filter(|fleet| fleet.enabled && is_in_scope(fleet, &job.repo));
    let most = candidates.map(|fleet| (common(fleet), *fleet)).filter(|(common, _)| *common > 0);
    most.min_by_key(|(common, fleet)| (std::cmp::Reverse(*common), fleet.priority, &fleet.name))
        .map(|(_, fleet)| fleet)
}

/// A fleet's claim to a job. The least of several claims wins: that of a scale set, since GitHub gives it the job at once,
/// whatever the files say; then the lowest priority, then the fewest labels that the job
/// does not ask for, then the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim<'f> {
    /// Whether the fleet follows queues, and has no scale set.
    pub follows_queues: bool,
    /// The fleet's `priority`.
    pub priority: u32,
    /// Labels of the fleet that the job does not ask for.
    pub labels_not_asked_for: usize,
    /// The fleet.
    pub pool: &'f PoolName,
}

impl<'f> Claim<'f> {
    /// The fleet's claim; `None` when the fleet is not enabled or its runners cannot take the job.
    pub fn of(fleet: &'f Fleet, job: &Job) -> Option<Self> {
        let labels_not_asked_for = || {
            let is_asked = |label: &&Label| job.labels.iter().any(|wanted| label.matches(wanted));
            fleet.labels.iter().filter(|label| !is_asked(label)).count()
        };
        (fleet.enabled && serves(fleet, job)).then(|| Claim {
            follows_queues: !fleet.demand.is_scale_set(),
            priority: fleet.priority,
            labels_not_asked_for: labels_not_asked_for(),
            pool: &fleet.name,
        })
    }
}

/// The winning claim: the job counts for that fleet.
pub fn owner<'f>(fleets: impl IntoIterator<Item = &'f Fleet>, job: &Job) -> Option<Claim<'f>> {
    fleets.into_iter().filter_map(|fleet| Claim::of(fleet, job)).min()
}

/// Whether two configurations of a fleet have the same claim to every job.
pub fn claims_alike(before: &Fleet, after: &Fleet) -> bool {
    let claim = |fleet: &Fleet| {
        let Fleet { scope, enabled, priority, labels, repositories, credential, .. } = fleet.clone();
        let group = (fleet.runner_group.clone(), fleet.takes_jobs_without_labels, fleet.demand.clone());
        (scope, enabled, priority, labels, repositories, credential, group, fleet.implicit_labels())
    };
    claim(before) == claim(after)
}

/// Whether the fleet's runners can take the job: they are registered where it is, and have every label that it asks for
/// (GitHub docs, Using self-hosted runners in a workflow). A job without labels asks for a runner group alone, and GitHub
/// does not show for which one while the job is queued, so only a fleet takes it whose file says so.
pub fn serves(fleet: &Fleet, job: &Job) -> bool {
    let has_labels = match job.labels.as_slice() {
        [] => fleet.takes_jobs_without_labels,
        labels => labels.iter().all(|wanted| has_label(fleet, wanted)),
    };
    is_in_scope(fleet, &job.repo) && has_labels
}

/// Whether the fleet's runners are registered where the repository's jobs can reach them.
pub fn is_in_scope(fleet: &Fleet, repo: &RepoSlug) -> bool {
    match &fleet.scope {
        Scope::Repo(own) => own == repo,
        Scope::Org(org) => org.as_str() == repo.owner() && is_chosen(fleet, repo),
        Scope::Enterprise(_) => is_chosen(fleet, repo),
    }
}

/// Whether the fleet serves the repository among those of its organisation or enterprise: its file names it, or none.
fn is_chosen(fleet: &Fleet, repo: &RepoSlug) -> bool {
    // What a scale set serves is what its runner group admits.
    fleet.demand.is_scale_set()
        || fleet.repositories.is_empty()
        || fleet.repositories.iter().any(|pattern| pattern.matches(repo))
}

/// The labels of all runners of these fleets, in lower case.
pub fn labels_served<'f>(fleets: impl IntoIterator<Item = &'f Fleet>) -> BTreeSet<String> {
    let of = |fleet: &'f Fleet| {
        let own = fleet.labels.iter().map(Label::as_str);
        own.chain(fleet.implicit_labels()).map(str::to_ascii_lowercase)
    };
    fleets.into_iter().filter(|fleet| fleet.enabled).flat_map(of).collect()
}

/// Whether the fleet's runners have a label, be it an implicit one.
pub fn has_label(fleet: &Fleet, wanted: &str) -> bool {
    fleet.implicit_labels().iter().any(|label| label.eq_ignore_ascii_case(wanted))
        || fleet.labels.iter().any(|label| label.matches(wanted))
}

#[cfg(test)]
mod tests;
