//! GitHub's primary rate limit: a number of requests in each window.

use std::time::Duration;

use azlin_fleet::model::Budget;
use jiff::Timestamp;

use crate::fault::FaultKind;
use crate::world::World;

/// What GitHub allows an address that is not signed in, in requests and seconds.
const ANONYMOUS_LIMIT: u32 = 60;
const ANONYMOUS_WINDOW: i64 = 3600;

/// Requests in the present window.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    window: i64,
    used: u32,
}

impl World {
    /// The state of GitHub's primary rate limit; `None` where there is no limit.
    pub fn budget(&self) -> Option<Budget> {
        let limit = self.settings.rate_limit;
        let reset = (self.window() + 1) * seconds(self.settings.rate_window);
        (limit > 0).then(|| Budget {
            limit: u64::from(limit),
            remaining: u64::from(limit - self.used()),
            reset: Timestamp::from_second(reset).unwrap_or(Timestamp::MAX),
        })
    }

    /// Counts a request that is beyond the limit. Returns whether it is, and so is refused.
    pub(crate) fn is_beyond_limit(&mut self) -> bool {
        let is_beyond = self.budget().is_some_and(|budget| budget.remaining == 0);
        self.statistics.requests_beyond_limit += u64::from(is_beyond);
        is_beyond
    }

    /// The limit of an address that is not signed in, after one more request.
    pub(crate) fn anonymous_budget(&mut self) -> Budget {
        let window = self.now().as_second() / ANONYMOUS_WINDOW;
        let used = if self.anonymous.window == window { self.anonymous.used } else { 0 };
        let used = (used + 1).min(ANONYMOUS_LIMIT);
        self.anonymous = RateLimit { window, used };
        Budget {
            limit: u64::from(ANONYMOUS_LIMIT),
            remaining: u64::from(ANONYMOUS_LIMIT - used),
            reset: Timestamp::from_second((window + 1) * ANONYMOUS_WINDOW).unwrap_or(Timestamp::MAX),
        }
    }

    pub(crate) fn count_requests(&mut self, more: u32) {
        let used = self.used().saturating_add(more).min(self.settings.rate_limit);
        self.limit = RateLimit { window: self.window(), used };
    }

    /// Other clients of the same token may have used the rest.
    pub(crate) fn others_use_the_limit(&mut self) {
        if self.strikes(|what| matches!(what, FaultKind::BudgetGone)) {
            self.count_requests(self.settings.rate_limit);
        }
    }

    fn used(&self) -> u32 {
        let used = if self.limit.window == self.window() { self.limit.used } else { 0 };
        // A test may have lowered the setting since.
        used.min(self.settings.rate_limit)
    }

    fn window(&self) -> i64 {
        self.now().as_second() / seconds(self.settings.rate_window)
    }
}

fn seconds(window: Duration) -> i64 {
    i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(1)
}
