//! Starts that failed, and how long the next one waits for it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ErrorPolicy, ForeignText, elapsed};

/// Starts that failed in a row. With each failure the next try waits longer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartBackoff {
    /// How many tries failed in a row. Tries during a wait count as one.
    pub count: u32,
    /// When the last one failed.
    pub last: Option<Timestamp>,
    /// Its error.
    pub why: String,
    /// What is done about it.
    #[serde(rename = "remedy")]
    pub policy: ErrorPolicy,
    /// The last lines that the VM of a failed start has printed, where Azure keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<ForeignText>,
}

impl StartBackoff {
    const FIRST_WAIT: Duration = Duration::from_secs(10);
    const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

    /// Where only a person can help, one try after this time shows whether a person did.
    const BETWEEN_PROBES: Duration = Duration::from_secs(2 * 60);

    /// How long after the last failure the next try is.
    fn wait(&self) -> Duration {
        if self.is_stopped() {
            return Self::BETWEEN_PROBES;
        }
        let doublings = self.count.saturating_sub(1).min(10);
        (Self::FIRST_WAIT * 2_u32.pow(doublings)).min(Self::LONGEST_WAIT)
    }

    /// What is left of the wait, if anything.
    pub fn wait_left(&self, now: Timestamp) -> Option<Duration> {
        let since = elapsed(self.last?, now);
        self.wait().checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Whether only a person can help.
    pub fn is_stopped(&self) -> bool {
        self.count > 0 && self.policy == ErrorPolicy::Stop
    }

    /// Takes in that a start failed.
    pub(crate) fn add(&mut self, why: &str, policy: ErrorPolicy, now: Timestamp) {
        if self.wait_left(now).is_none() {
            self.count += 1;
            self.last = Some(now);
        }
        self.why = why.to_owned();
        self.console = None;
        self.policy = policy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    const NOW: i64 = 1_000_000;

    #[test]
    fn only_what_a_person_must_fix_stops_the_starts() {
        let with =
            |count, policy| StartBackoff { count, last: Some(at(NOW)), policy, ..StartBackoff::default() };
        assert!(with(1, ErrorPolicy::Stop).is_stopped());
        assert!(!with(0, ErrorPolicy::Stop).is_stopped());
        assert!(!with(1, ErrorPolicy::Later).is_stopped());
    }

    #[test]
    fn the_wait_doubles_and_tries_during_it_count_as_one() {
        let (mut backoff, mut now) = (StartBackoff::default(), NOW);
        for wait in [10, 20, 40, 80, 160, 320, 640, 900, 900] {
            backoff.add("503", ErrorPolicy::Later, at(now));
            backoff.add("503 again", ErrorPolicy::Later, at(now + 1));
            assert_eq!(backoff.wait_left(at(now)), Some(Duration::from_secs(wait)));
            now += i64::try_from(wait).expect("minutes");
            assert_eq!(backoff.wait_left(at(now)), None);
        }
        assert_eq!((backoff.count, backoff.why.as_str()), (9, "503 again"));
    }
}
