//! Triggers: what GitHub's webhook reports of jobs, and how soon a fleet ticks after it.
//!
//! An event says which queue may have changed, and never what to do. It makes a tick due, and lowers the age that what it
//! names may have ([`crate::observe`]). So an event that is lost, late, doubled, out of order or false costs one tick,
//! or the wait for the next poll, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Fleet;
use crate::model::{JobChange, JobEvent, JobId, RepoSlug};
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
}

/// When a queue has to be read, and the time before which no read of it counts.
#[derive(Debug)]
struct Due {
    at: Duration,
    since: Duration,
}

impl Triggers {
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
        ReadScope { repos, lists: self.lists.take() }
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
mod tests {
    use super::*;
    use crate::fixture;

    const POLL: Duration = Duration::from_secs(60);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn job_event(repo: &str, job: u64, change: JobChange) -> JobEvent {
        JobEvent {
            repo: repo.parse().expect("a good name"),
            job: JobId(job),
            labels: vec!["self-hosted".to_owned()],
            change,
        }
    }

    fn queued(job: u64) -> JobEvent {
        job_event("o/r", job, JobChange::Queued)
    }

    /// The times of ticks, with triggers every 10 ms until then.
    fn ticks(mut triggers: Triggers, pause: Option<Duration>, until: u64) -> Vec<u64> {
        let mut ticks = Vec::new();
        for now in (0..until).step_by(10).map(at) {
            triggers.add(&queued(1), now);
            if triggers.due(POLL, pause).expect("a trigger waits") <= now {
                triggers.take(POLL, now);
                ticks.push(u64::try_from(now.as_millis()).expect("it is small"));
            }
        }
        ticks
    }

    #[test]
    fn the_first_trigger_is_followed_at_once_and_a_flood_ten_times_a_second_and_then_ten_times_a_poll() {
        let ticks = ticks(Triggers::default(), None, 60_000);
        assert_eq!(ticks[..10], [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(ticks[10..14], [6_000, 12_000, 18_000, 24_000]);
        assert_eq!(ticks.len(), 19);
    }

    #[test]
    fn after_a_quiet_poll_it_is_as_quick_as_at_first() {
        let mut triggers = Triggers::default();
        for now in [0, 100, 200, 300, 400, 500, 600, 700, 800, 900].map(at) {
            triggers.add(&queued(1), now);
            assert_eq!(triggers.due(POLL, None), Some(now));
            triggers.take(POLL, now);
        }
        for now in [60_000, 60_100].map(at) {
            triggers.add(&queued(1), now);
            assert_eq!(triggers.due(POLL, None), Some(now));
            triggers.take(POLL, now);
        }
    }

    #[test]
    fn while_the_budget_is_short_it_ticks_no_more_often_than_that_allows() {
        let pause = Some(Duration::from_secs(20));
        assert_eq!(ticks(Triggers::default(), pause, 60_000), [0, 20_000, 40_000]);
    }

    #[test]
    fn a_tick_takes_what_triggers_name_and_the_time_of_the_last_one() {
        let mut triggers = Triggers::default();
        assert_eq!(triggers.due(POLL, None), None);
        triggers.add(&queued(1), at(10));
        triggers.add(&queued(2), at(20));
        triggers.add(&job_event("o/s", 3, JobChange::Started), at(15));
        let repos = [("o/r", at(20)), ("o/s", at(15))];
        let repos = repos.map(|(repo, since)| (repo.parse().expect("a good name"), since)).into();
        assert_eq!(triggers.take(POLL, at(30)), ReadScope { repos, lists: None });
        assert_eq!(triggers.due(POLL, None), None);
        assert_eq!(triggers.take_all(at(40)), ReadScope::default());
    }

    #[test]
    fn only_the_end_of_a_job_has_the_lists_read() {
        let mut triggers = Triggers::default();
        for (change, lists) in
            [(JobChange::Queued, None), (JobChange::Started, None), (JobChange::Ended, Some(at(7)))]
        {
            triggers.add(&job_event("o/r", 1, change), at(7));
            assert_eq!(triggers.take_all(at(7)).lists, lists, "{change:?}");
        }
        assert_eq!(triggers.take_all(at(8)).lists, None);
    }

    #[test]
    fn a_job_that_is_not_shown_yet_is_looked_for_three_times_more() {
        let mut triggers = Triggers::default();
        let mut now = at(0);
        triggers.add(&queued(1), now);
        let mut waits = Vec::new();
        while let Some(due) = triggers.due(POLL, None) {
            waits.push((due - now).as_secs());
            now = due;
            assert_eq!(triggers.take(POLL, now).repos.into_values().collect::<Vec<_>>(), [now]);
            triggers.looked(|_, _| Some(false), now);
        }
        assert_eq!(waits, [0, 1, 3, 9]);
    }

    #[test]
    fn what_is_shown_or_has_begun_or_ended_is_not_looked_for_again() {
        for change in [None, Some(JobChange::Started), Some(JobChange::Ended)] {
            let mut triggers = Triggers::default();
            triggers.add(&queued(1), at(0));
            if let Some(change) = change {
                triggers.add(&job_event("o/r", 1, change), at(1));
            }
            triggers.take(POLL, at(1));
            triggers.looked(|_, _| Some(change.is_none()), at(2));
            assert_eq!(triggers.due(POLL, None), None, "{change:?}");
        }
    }

    #[test]
    fn a_queue_that_was_not_asked_for_says_nothing() {
        let mut triggers = Triggers::default();
        triggers.add(&queued(1), at(0));
        triggers.take(POLL, at(0));
        triggers.looked(|_, _| None, at(1));
        assert_eq!(triggers.due(POLL, None), None);
        triggers.looked(|_, _| Some(false), at(60_000));
        assert_eq!(triggers.due(POLL, None), Some(at(61_000)));
    }

    #[test]
    fn a_later_trigger_does_not_wait_for_the_search_for_what_was_not_shown() {
        let mut triggers = Triggers::default();
        triggers.add(&queued(1), at(0));
        triggers.take(POLL, at(0));
        triggers.looked(|_, _| Some(false), at(0));
        triggers.add(&queued(2), at(500));
        assert_eq!(triggers.due(POLL, None), Some(at(500)));
        triggers.take(POLL, at(500));
        triggers.looked(|_, job| Some(job == JobId(2)), at(500));
        assert_eq!(triggers.due(POLL, None), Some(at(3_500)), "the first one was looked for twice");
    }

    #[test]
    fn of_a_flood_of_jobs_a_hundred_are_remembered() {
        let mut triggers = Triggers::default();
        (0..1_000).for_each(|job| triggers.add(&queued(job), at(0)));
        assert_eq!(triggers.waiting.len(), MOST_UNSEEN);
        triggers.take(POLL, at(0));
        triggers.looked(|_, _| Some(true), at(0));
        assert!(triggers.waiting.is_empty() && triggers.repos.is_empty());
    }

    #[test]
    fn it_concerns_a_fleet_that_serves_the_repository_and_has_all_labels() {
        let fleet = fixture::fleet("ci", "");
        let with = |repo: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            JobEvent { labels, ..job_event(repo, 1, JobChange::Queued) }.concerns(&fleet)
        };
        let own = fleet.scope.to_string();
        let own = own.strip_prefix("repo:").expect("a fleet of a repository");
        assert!(with(own, &[]));
        assert!(with(own, &["self-hosted", "LINUX"]));
        assert!(!with(own, &["self-hosted", "gpu-that-nobody-has"]));
        assert!(!with("some/other", &[]));
    }
}
