//! The tries of one call.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::retry::{self, FailedTry, RequestEffect, TRIES, TriesSpent};

/// The tries of one call, so far.
#[derive(Debug)]
pub struct Attempts {
    api: &'static str,
    effect: RequestEffect,
    time_limit: Duration,
    first_pause: Duration,
    started: Instant,
    tries: u32,
    may_be_done: bool,
}

impl Attempts {
    pub(crate) fn new(
        api: &'static str,
        effect: RequestEffect,
        time_limit: Duration,
        first_pause: Duration,
    ) -> Self {
        let started = Instant::now();
        Attempts { api, effect, time_limit, first_pause, started, tries: 0, may_be_done: false }
    }

    /// Counts a new try.
    pub fn begin(&mut self) {
        self.tries += 1;
    }

    /// Whether another try is left.
    pub fn has_more(&self) -> bool {
        self.tries < TRIES
    }

    /// Whether an earlier try of this call may have been carried out, although it failed.
    pub fn may_be_done(&self) -> bool {
        self.may_be_done
    }

    /// Waits for the next try; `false` where there is none.
    ///
    /// `doubt` says whether the failed try may still have been carried out. `call` and `error` are for the
    /// debug log.
    pub async fn again(
        &mut self,
        failure: FailedTry,
        doubt: bool,
        call: &(dyn Display + Sync),
        error: &(dyn Display + Sync),
    ) -> bool {
        let spent = TriesSpent {
            tries: self.tries,
            elapsed: self.started.elapsed(),
            time_limit: self.time_limit,
            first_pause: self.first_pause,
            jitter: rand::random(),
        };
        let Some(pause) = retry::pause(failure, self.effect, spent) else { return false };
        self.may_be_done |= doubt && self.effect != RequestEffect::Reads;
        self.log(call, error, pause);
        sleep(pause).await;
        true
    }

    fn log(&self, call: &(dyn Display + Sync), error: &(dyn Display + Sync), pause: Duration) {
        let api = self.api;
        tracing::debug!(
            api, call = %call, error = %error, pause_ms = pause.as_millis() as u64,
            "{api} call {call} is tried again: {error}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(effect: RequestEffect) -> Attempts {
        Attempts::new("Test", effect, Duration::from_secs(30), Duration::from_millis(100))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_has_three_tries() {
        let mut attempts = attempts(RequestEffect::Reads);
        for more in [true, true, false] {
            assert!(attempts.has_more());
            attempts.begin();
            assert_eq!(attempts.again(FailedTry::Lost, true, &"GET /", &"lost").await, more);
        }
        assert!(!attempts.has_more() && !attempts.may_be_done(), "a read leaves no doubt");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_was_lost_leaves_a_doubt_and_one_that_was_not_sent_leaves_none() {
        let mut attempts = attempts(RequestEffect::WritesOnce);
        attempts.begin();
        assert!(attempts.again(FailedTry::NotSent, false, &"PUT /", &"refused").await);
        assert!(!attempts.may_be_done());
        attempts.begin();
        assert!(attempts.again(FailedTry::Lost, true, &"PUT /", &"lost").await);
        assert!(attempts.may_be_done());
    }
}
