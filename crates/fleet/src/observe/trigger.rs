//! Triggers: what GitHub's webhook reports of jobs, and how soon a fleet ticks after it.
//!
//! An event says which queue may have changed, and never what to do. It makes a tick due, and lowers the age that what it
//! names may have ([`crate::observe`]). So an event that is lost, late, doubled, out of order or false costs one tick,
//! or the wait for the next poll, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Fleet;
use crate::model::{JobChange, JobEvent, JobId, RepoId, RepoSlug};
use crate::observe::{has_label, is_in_scope};

/// The least time between two ticks after triggers.
const GAP: Duration = Duration::from_millis(100);
/// How many ticks after triggers may follow each other that closely, once there was none for the time of one poll.
const BURST: u32 = 10;
/// GitHub may report a job before its list shows it: the pauses before the queue is read again.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// How many jobs are remembered that no list has shown yet. The next poll finds any more.
const MOST_UNSEEN: usize = 100;

impl JobEvent {
    /// Whether the fleet may have something to do about the job.
    pub fn concerns(&self, fleet: &Fleet) -> bool {
        is_in_scope(fleet, &self.repo) && self.labels.iter().all(|wanted| has_label(fleet, wanted))
    }
}

/// What triggers name, and when. Times are those of one clock that only goes forward.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadScope {
    /// Repositories whose queue may have changed, and when the last event of each came.
    pub repos: BTreeMap<RepoSlug, Duration>,
    /// When the last job ended: the lists of runners and VMs may have changed.
    pub lists: Option<Duration>,
}

/// The triggers that a fleet has not followed yet. Times are those of one clock that only goes forward.
#[derive(Debug, Default)]
pub struct Triggers {
    repos: BTreeMap<RepoSlug, Due>,
    lists: Option<Duration>,
    /// Jobs that are reported to wait, and how often their queue was read without showing them.
    waiting: BTreeMap<JobId, (RepoSlug, usize)>,
    /// The end of the time that ticks after triggers have used up in advance.
    paid_until: Duration,
    last: Option<Duration>,
    /// The names by which the fleet's queues are read. A repository that was renamed has another one in its events.
    names: BTreeMap<RepoId, RepoSlug>,
}

/// When a queue has to be read, and the time before which no read of it counts.
#[derive(Debug)]
struct Due {
    at: Duration,
    since: Duration,
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

    /// Takes in an event.
    pub fn add(&mut self, job_event: &JobEvent, now: Duration) {
        match job_event.change {
            JobChange::Queued if self.waiting.len() < MOST_UNSEEN => {
                self.waiting.entry(job_event.job).or_insert_with(|| (job_event.repo.clone(), 0));
            }
            JobChange::Queued => {}
            JobChange::Started | JobChange::Ended => drop(self.waiting.remove(&job_event.job)),
        }
        if job_event.change == JobChange::Ended {
            self.lists = Some(now);
        }
        self.want(job_event.repo.clone(), now);
    }

    fn want(&mut self, repo: RepoSlug, at: Duration) {
        let due = self.repos.entry(repo).or_insert(Due { at, since: at });
        (due.at, due.since) = (due.at.min(at), due.since.max(at));
    }

    /// When the next tick is due; `None` when no trigger waits. `poll` is the time between two polls, and `pause` the
    /// least time between two ticks after triggers while GitHub's budget is short.
    pub fn due(&self, poll: Duration, pause: Option<Duration>) -> Option<Duration> {
        let first = self.repos.values().map(|due| due.at).min()?;
        let Some(last) = self.last else { return Some(first) };
        let paid = self.paid_until.saturating_sub(poll * (BURST - 1) / BURST);
        Some(first.max(last + pause.unwrap_or(GAP)).max(paid))
    }

    /// Takes what is due now, for a tick after triggers. What is due later stays.
    pub fn take(&mut self, poll: Duration, now: Duration) -> ReadScope {
        self.paid_until = self.paid_until.max(now) + poll / BURST;
        self.last = Some(now);
        self.take_all(now)
    }

    /// The same, for a poll: it costs no tick.
    pub fn take_all(&mut self, now: Duration) -> ReadScope {
        let is_due = |due: &Due| due.at <= now;
        let ready = self.repos.iter().filter(|(_, due)| is_due(due));
        let repos = ready.map(|(repo, due)| (repo.clone(), due.since.min(now))).collect();
        self.repos.retain(|_, due| !is_due(due));
        ReadScope { repos, lists: self.lists.take_if(|at| *at <= now) }
    }

    /// Takes in what queues have shown. The queue of a job that it does not show yet is read again. `is_shown` gives
    /// `None` for a queue that was not asked for.
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
            self.want(repo, at);
        }
    }
}

#[cfg(test)]
mod tests;
