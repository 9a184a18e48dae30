//! How old may be what a tick works with? One rule for polls and triggers.
//!
//! A tick takes no input but the state of the world, and works with all of it each time: the queues of its
//! repositories, the lists of runners and VMs. What was read recently enough serves again, the rest is read anew. A
//! poll and a trigger differ only in the age that they allow:
//!
//! | due | what a trigger names | everything else |
//! |---|---|---|
//! | a poll | not older than the event, nor than a tenth of the poll interval | a tenth of the poll interval |
//! | triggers alone | not older than the event | as it was read last: lists up to two minutes ago, queues a poll |
//!
//! Lists are read at any age when one of them is missing, or when they may not show yet what the daemon itself has
//! changed. A trigger names runs of a queue: then only the jobs of these are read, and the rest serves as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{RepoSlug, RunId, elapsed};
use crate::observe::{ReadScope, list_lag};

/// A poll reads what is older than this part of its interval. Fleets poll at the same moment, so what one of them has
/// read serves all others.
const PARTS_OF_POLL: u32 = 10;
/// How old lists may be that no trigger names: two polls of a minute. While polls are rarer, a trigger has the lists read
/// once they are older.
const LISTS_MAX_AGE: Duration = Duration::from_secs(120);
/// The longest that a queue, the runners of a scope or the VMs of a group may take to be read: a server may answer for
/// ever, a byte at a time. The watchdog's 15 minutes are longer, and a restart would begin with the same read.
pub const LONGEST_READ: Duration = Duration::from_secs(8 * 60);
/// How old the list of an organisation's repositories may be. It changes rarely and has many pages; jobs of a new
/// repository wait this long at most.
pub const REPOSITORIES_MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// How old the limits of a runner group may be, and a failure to read them: people change them rarely, and a job that
/// a group refuses by then waits without harm.
pub const GROUPS_MAX_AGE: Duration = Duration::from_secs(3600);
/// How old the list of the runner program's downloads may be. GitHub releases a version every few weeks.
pub const DOWNLOADS_MAX_AGE: Duration = Duration::from_secs(3600);
/// How old the failure to read that list may be: short, since no runner starts without it.
pub const FAILED_DOWNLOADS_MAX_AGE: Duration = Duration::from_secs(10);

/// A regular look at everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Queues, runners and VMs.
    Queue,
    /// Power states of VMs too.
    Health,
}

/// The lists of runners and VMs of the last look, when both were read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastLists {
    /// How long ago they were read.
    pub age: Duration,
    /// Whether they are sure to show all that the daemon had changed before.
    pub show_changes: bool,
}

impl LastLists {
    /// Lists that were read at `read_at`; `changes` is when the daemon asked for, removed or installed a runner.
    pub fn new(
        read_at: Timestamp,
        changes: impl IntoIterator<Item = Timestamp>,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Self {
        let is_shown = |at: Timestamp| elapsed(at, read_at) >= list_lag(fleet);
        LastLists { age: elapsed(read_at, now), show_changes: changes.into_iter().all(is_shown) }
    }

    fn serve(&self) -> bool {
        self.show_changes && self.age <= LISTS_MAX_AGE
    }
}

/// All that decides what a tick reads anew.
#[derive(Debug, Clone)]
pub struct Freshness<'a> {
    /// The poll that is due, if one is.
    pub poll: Option<Poll>,
    /// The time between two polls.
    pub interval: Duration,
    /// What triggers name, and when each came.
    pub triggered: &'a ReadScope,
    /// The lists of the last look; `None` when one of them is missing.
    pub lists: Option<LastLists>,
    /// How long the jobs have been shared out among the fleets as they are configured: a queue that was read before
    /// was shared out among others.
    pub shared_out: Option<Duration>,
    /// This moment, on the clock of `triggered`.
    pub now: Duration,
}

/// How old what a tick works with may be. What is older is read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxAges {
    /// The lists of runners and VMs; `None`: those of the last look serve.
    pub lists: Option<Duration>,
    /// Whether power states are read with the lists.
    pub power: bool,
    queues: BTreeMap<RepoSlug, Duration>,
    runs: BTreeMap<RepoSlug, BTreeMap<RunId, Duration>>,
    other_queues: Option<Duration>,
    shared_out: Option<Duration>,
}

impl Freshness<'_> {
    /// How old each thing may be.
    pub fn max_ages(&self) -> MaxAges {
        let age = |at: Duration| self.now.saturating_sub(at);
        let lists_named = self.triggered.lists.map(age);
        let lists_serve =
            self.poll.is_none() && lists_named.is_none() && self.lists.is_some_and(|lists| lists.serve());
        let rest = (!lists_serve).then(|| self.interval / PARTS_OF_POLL);
        let at_most = |age: Duration| rest.map_or(age, |rest| rest.min(age));
        let named = self.triggered.repos.iter().map(|(repo, at)| (repo.clone(), at_most(age(*at))));
        let of_repo =
            |runs: &BTreeMap<RunId, Duration>| runs.iter().map(|(run, at)| (*run, age(*at))).collect();
        let runs = self.triggered.runs.iter().map(|(repo, runs)| (repo.clone(), of_repo(runs)));
        // What a list shows is compared with what the queues show.
        let with_lists = if self.poll.is_some() { rest } else { rest.map(|_| self.interval) };
        MaxAges {
            lists: rest.map(|rest| lists_named.map_or(rest, at_most)),
            power: self.poll == Some(Poll::Health),
            queues: named.collect(),
            runs: runs.collect(),
            other_queues: with_lists,
            shared_out: self.shared_out,
        }
    }

    /// Whether a repository's queue was asked for, and not only read along with the lists. Only then does it say
    /// whether a job that a trigger named is shown.
    pub fn asks_for(&self, repo: &RepoSlug) -> bool {
        self.poll.is_some() || self.triggered.names(repo)
    }
}

impl MaxAges {
    /// What one poll allows on its own, without anything that was read before.
    pub fn of_poll(poll: Poll, interval: Duration, shared_out: Option<Duration>) -> Self {
        let triggered = &ReadScope::default();
        let now = Duration::ZERO;
        Freshness { poll: Some(poll), interval, triggered, lists: None, shared_out, now }.max_ages()
    }

    /// How old the jobs of these runs may be.
    pub fn runs(&self, repo: &RepoSlug) -> impl Iterator<Item = (RunId, Duration)> {
        self.runs.get(repo).into_iter().flatten().map(|(run, age)| (*run, *age))
    }

    /// How old a repository's queue may be as a whole; `None`: any age.
    pub fn queue(&self, repo: &RepoSlug) -> Option<Duration> {
        let age = self.queues.get(repo).copied().or(self.other_queues);
        age.into_iter().chain(self.shared_out).min()
    }
}

#[cfg(test)]
mod tests;
