//! Triggers: what GitHub's webhook reports of jobs, and how soon a fleet ticks after it.
//!
//! An event says which run's jobs may have changed, and never what to do. It makes a tick due, and lowers the age that
//! what it names may have ([`crate::observe`]). So an event that is lost, late, doubled, out of order or false costs one
//! tick, or the wait for the next poll, and nothing else.
//!
//! | event | what is read | when |
//! |---|---|---|
//! | a job waits | its run | at once |
//! | a job has ended | its run, and the lists of runners and VMs | at once, the lists once a second at most |
//! | a job has begun | its run | with its end, or after half a minute; at once for a fleet that keeps runners ready |
//!
//! A scale set reports by messages what it has, so nothing is read for one: the tick works with what was reported.
//!
//! How often a fleet ticks after triggers is what GitHub's budget permits ([`TriggerPacer`](crate::observe::TriggerPacer)).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Fleet;
use crate::model::{JobChange, JobEvent, JobId, RepoId, RepoSlug, RunId};
use crate::observe::{has_label, is_in_scope};

/// The least time between two reads of the lists of runners and VMs after triggers.
const LISTS_GAP: Duration = Duration::from_secs(1);
/// How long the read of a job's beginning may wait, since a list of runners shows that its runner is busy: less than a
/// busy runner stands for a queued job ([`BusyRunners`](crate::observe::BusyRunners)).
const BEGINNING_WAITS: Duration = Duration::from_secs(30);
/// The least time between two ticks after what a scale set reports.
const TOLD_GAP: Duration = Duration::from_millis(100);
/// GitHub may report a job before its list shows it: the pauses before the queue is read again.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// How many jobs are remembered that no list has shown yet. The next poll finds any more.
const MOST_UNSEEN: usize = 100;
/// More runs of one repository are not read one by one: its whole queue is read, which bounds a flood of runs.
const MOST_RUNS: usize = 20;

impl JobEvent {
    /// Whether the fleet may have something to do about the job.
    pub fn concerns(&self, fleet: &Fleet) -> bool {
        is_in_scope(fleet, &self.repo) && self.labels.iter().all(|wanted| has_label(fleet, wanted))
    }
}

/// What triggers name, and when. Times are those of one clock that only goes forward.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadScope {
    /// Repositories whose whole queue may have changed, and when the last event of each came.
    pub repos: BTreeMap<RepoSlug, Duration>,
    /// Runs whose jobs may have changed, by repository, and when the last event of each came.
    pub runs: BTreeMap<RepoSlug, BTreeMap<RunId, Duration>>,
    /// When the last job ended: the lists of runners and VMs may have changed.
    pub lists: Option<Duration>,
}

impl ReadScope {
    /// Whether something of the repository's queue is named.
    pub fn names(&self, repo: &RepoSlug) -> bool {
        self.repos.contains_key(repo) || self.runs.contains_key(repo)
    }
}

/// The triggers that a fleet has not followed yet. Times are those of one clock that only goes forward.
#[derive(Debug, Default)]
pub struct Triggers {
    /// What has to be read: runs, or a whole queue.
    due: BTreeMap<(RepoSlug, Option<RunId>), Due>,
    lists: Option<Due>,
    /// When a scale set last reported something that no tick has followed.
    told: Option<Duration>,
    /// Jobs that are reported to wait, and how often their queue was read without showing them.
    waiting: BTreeMap<JobId, (RepoSlug, usize)>,
    last: Option<Duration>,
    lists_read: Option<Duration>,
    /// The names by which the fleet's queues are read. A repository that was renamed has another one in its events.
    names: BTreeMap<RepoId, RepoSlug>,
}

/// When something has to be read, and the time before which no read of it counts.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Duration,
    since: Duration,
}

impl Due {
    fn new(at: Duration, since: Duration) -> Self {
        Due { at, since }
    }

    fn with(self, other: Due) -> Due {
        Due { at: self.at.min(other.at), since: self.since.max(other.since) }
    }
}

impl Triggers {
    /// Takes in the id of a repository whose queue the fleet reads by this name.
    pub fn knows(&mut self, repo: &RepoSlug, id: RepoId) {
        if self.names.get(&id) != Some(repo) {
            self.names.insert(id, repo.clone());
        }
    }

    /// The event, if it concerns the fleet: about the repository by the name that its queue was read by last, or by
    /// its own where the fleet's file has another since.
    pub fn concerning(&self, fleet: &Fleet, job_event: &JobEvent) -> Option<JobEvent> {
        let known = job_event.repo_id.and_then(|id| self.names.get(&id));
        let names = known.into_iter().chain([&job_event.repo]);
        let by_name = |repo: &RepoSlug| JobEvent { repo: repo.clone(), ..job_event.clone() };
        names.map(by_name).find(|job_event| job_event.concerns(fleet))
    }

    /// Takes in an event that concerns the fleet.
    pub fn add(&mut self, fleet: &Fleet, job_event: &JobEvent, now: Duration) {
        match job_event.change {
            JobChange::Queued if self.waiting.len() < MOST_UNSEEN => {
                self.waiting.entry(job_event.job).or_insert_with(|| (job_event.repo.clone(), 0));
            }
            JobChange::Queued => {}
            JobChange::Started | JobChange::Ended => drop(self.waiting.remove(&job_event.job)),
        }
        let at = match job_event.change {
            // A runner that was kept ready needs a successor.
            JobChange::Started if fleet.scaling.min_runners == 0 => now + BEGINNING_WAITS,
            JobChange::Queued | JobChange::Started | JobChange::Ended => now,
        };
        if job_event.change == JobChange::Ended {
            self.want_lists(now);
        }
        self.want(job_event.repo.clone(), job_event.run, Due::new(at, now));
    }

    /// Takes in what the fleet's scale set has reported: it is known already, so no queue is read. Where a job has ended,
    /// the lists of runners and VMs may have changed.
    pub fn told(&mut self, has_ended: bool, now: Duration) {
        self.told.get_or_insert(now);
        if has_ended {
            self.want_lists(now);
        }
    }

    fn want_lists(&mut self, now: Duration) {
        let at = self.lists_read.map_or(now, |read| now.max(read + LISTS_GAP));
        let due = Due::new(at, now);
        self.lists = Some(self.lists.map_or(due, |before| before.with(due)));
    }

    fn want(&mut self, repo: RepoSlug, run: Option<RunId>, due: Due) {
        let before = self.due.entry((repo, run)).or_insert(due);
        *before = before.with(due);
    }

    /// When the next tick is due; `None` when no trigger waits. `pause` is the least time between two ticks after
    /// triggers.
    pub fn due(&self, pause: Duration) -> Option<Duration> {
        let paced = |at: Duration, pause| self.last.map_or(at, |last| at.max(last + pause));
        let read = self.due.values().chain(&self.lists).map(|due| due.at).min().map(|at| paced(at, pause));
        // What is known already costs no request.
        read.into_iter().chain(self.told.map(|at| paced(at, pause.min(TOLD_GAP)))).min()
    }

    /// Takes what is due now, for a tick after triggers. What is due later stays.
    pub fn take(&mut self, now: Duration) -> ReadScope {
        self.last = Some(now);
        self.take_all(now)
    }

    /// The same, for a poll: it is no tick after triggers. It reads all queues and lists anyway.
    pub fn take_all(&mut self, now: Duration) -> ReadScope {
        self.told.take_if(|at| *at <= now);
        let lists = self.lists.take_if(|due| due.at <= now).map(|due| due.since);
        if lists.is_some() {
            self.lists_read = Some(now);
        }
        let mut taken = ReadScope { lists, ..ReadScope::default() };
        self.due.retain(|(repo, run), due| {
            let is_due = due.at <= now;
            if is_due {
                taken.add(repo, *run, due.since.min(now));
            }
            !is_due
        });
        taken
    }

    /// Takes in what queues have shown. The queue of a job that it does not show yet is read again, as a whole. `is_shown`
    /// gives `None` for a queue that was not asked for.
    pub fn looked(&mut self, is_shown: impl Fn(&RepoSlug, JobId) -> Option<bool>, now: Duration) {
        let mut again = Vec::new();
        self.waiting.retain(|job, (repo, reads)| match is_shown(repo, *job) {
            None => true,
            Some(true) => false,
            Some(false) => {
                let wait = AGAIN.get(*reads);
                *reads += 1;
                again.extend(wait.map(|wait| (repo.clone(), now + *wait)));
                wait.is_some()
            }
        });
        for (repo, at) in again {
            self.want(repo, None, Due::new(at, at));
        }
    }
}

impl ReadScope {
    fn add(&mut self, repo: &RepoSlug, run: Option<RunId>, since: Duration) {
        let whole = self.repos.get_mut(repo);
        if let Some(whole) = whole {
            *whole = since.max(*whole);
            return;
        }
        let Some(run) = run else {
            self.name_whole(repo, since);
            return;
        };
        let runs = self.runs.entry(repo.clone()).or_default();
        runs.insert(run, since);
        if runs.len() > MOST_RUNS {
            self.name_whole(repo, since);
        }
    }

    fn name_whole(&mut self, repo: &RepoSlug, since: Duration) {
        let of_runs = self.runs.remove(repo).into_iter().flatten().map(|(_, since)| since);
        self.repos.insert(repo.clone(), of_runs.fold(since, Duration::max));
    }
}

#[cfg(test)]
mod tests;
