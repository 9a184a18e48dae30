//! What the last day was like: how long jobs waited, and which starts failed. It is counted from what polls have shown,
//! and kept over a restart with the [history](super::History).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{FailedStart, counted, elapsed, in_words};

/// What is older is forgotten.
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
/// The most jobs and the most failed starts that are kept, the newest ones. A busier fleet has a shorter day.
const MOST: usize = 2_000;

/// What happened in the last day, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recent {
    /// Jobs that a runner of the fleet has begun.
    waits: VecDeque<BegunJob>,
    /// Starts that failed.
    failed_starts: VecDeque<FailedStartAt>,
}

/// A job that a runner has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct BegunJob {
    /// When a poll has shown it, in seconds since 1970.
    at: i64,
    /// How long it had waited, in seconds.
    waited_s: u64,
}

/// A start that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FailedStartAt {
    /// When, in seconds since 1970.
    at: i64,
    why: FailedStart,
}

/// How long jobs waited for a runner, of those that began in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// How many jobs began.
    pub jobs: u64,
    /// Half of them waited so long at most, in seconds.
    pub median_s: u64,
    /// 95 of 100 waited so long at most, in seconds.
    pub p95_s: u64,
    /// The longest wait, in seconds.
    pub max_s: u64,
}

/// The last day in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentStatus {
    /// The jobs that began in the last hour. Absent if none did.
    pub hour: Option<Waits>,
    /// The jobs that began in the last day. Absent if none did.
    pub day: Option<Waits>,
    /// How many starts failed in the last day, by reason.
    pub failed_starts: BTreeMap<FailedStart, u64>,
}

impl Recent {
    /// A job has begun after such a wait.
    pub fn begun(&mut self, waited: Duration, now: Timestamp) {
        self.waits.push_back(BegunJob { at: now.as_second(), waited_s: waited.as_secs() });
        self.forget(now);
    }

    /// A start has failed.
    pub fn start_failed(&mut self, why: FailedStart, now: Timestamp) {
        self.failed_starts.push_back(FailedStartAt { at: now.as_second(), why });
        self.forget(now);
    }

    /// Forgets what is older than a day, and what is too much.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.waits.retain(|wait| is_within(wait.at, DAY, now));
        self.failed_starts.retain(|failed| is_within(failed.at, DAY, now));
        self.waits.drain(..self.waits.len().saturating_sub(MOST));
        self.failed_starts.drain(..self.failed_starts.len().saturating_sub(MOST));
    }

    /// The last day in numbers.
    pub fn status(&self, now: Timestamp) -> RecentStatus {
        let waits = |span| {
            let within = self.waits.iter().filter(|wait| is_within(wait.at, span, now));
            Waits::of(within.map(|wait| wait.waited_s).collect())
        };
        let mut failed_starts = BTreeMap::new();
        for failed in self.failed_starts.iter().filter(|failed| is_within(failed.at, DAY, now)) {
            *failed_starts.entry(failed.why).or_default() += 1;
        }
        RecentStatus { hour: waits(HOUR), day: waits(DAY), failed_starts }
    }
}

/// What lies ahead, since the clock was set back, is taken for now.
fn is_within(at: i64, span: Duration, now: Timestamp) -> bool {
    Timestamp::from_second(at).is_ok_and(|at| elapsed(at, now) < span)
}

impl Waits {
    /// By nearest rank: each number is the wait of a job that there was.
    fn of(mut waits: Vec<u64>) -> Option<Waits> {
        waits.sort_unstable();
        let rank = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        Some(Waits { jobs: waits.len() as u64, median_s: rank(50)?, p95_s: rank(95)?, max_s: *waits.last()? })
    }

    /// For people: `median 31s, p95 1m 28s, max 1m 41s of 12 jobs`.
    pub fn in_words(&self) -> String {
        let [median, p95, max] =
            [self.median_s, self.p95_s, self.max_s].map(|wait| in_words(Duration::from_secs(wait)));
        format!("median {median}, p95 {p95}, max {max} of {}", counted(self.jobs, "job"))
    }
}

impl RecentStatus {
    /// The waits of the last hour and of the last day, for people. Absent if no job began.
    pub fn waits_in_words(&self) -> Option<String> {
        let day = self.day?.in_words();
        Some(match self.hour {
            Some(hour) if self.hour == self.day => format!("{} in the last hour", hour.in_words()),
            Some(hour) => format!("{} in the last hour; {day} in the last day", hour.in_words()),
            None => format!("{day} in the last day"),
        })
    }

    /// The failed starts of the last day, for people. Absent if there were none.
    pub fn failures_in_words(&self) -> Option<String> {
        let told: Vec<String> =
            self.failed_starts.iter().map(|(why, count)| format!("{count} {}", why.in_words())).collect();
        let all: u64 = self.failed_starts.values().sum();
        (all > 0).then(|| format!("{} failed in the last day: {}", counted(all, "start"), told.join(", ")))
    }
}

#[cfg(test)]
mod tests;
