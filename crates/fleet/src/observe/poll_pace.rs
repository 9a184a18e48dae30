//! How often GitHub is polled, so that its rate limit lasts.
//!
//! What polls have cost lately is what they will cost, if nothing changes. When that is more than is left until the
//! window ends, polls get rarer by the same factor; when it is less, they get more frequent again, up to what the
//! configuration says. A tenth of the budget is left for registering and removing runners, which is never slowed.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Budget, Carried, elapsed, in_words};

/// How many polls at one pace show what that pace costs.
const POLLS: usize = 2;
/// The largest factor by which the pace changes at once, so that a burst does not stop polls.
const STEP: f64 = 4.0;

/// How often the fleets of one credential poll.
#[derive(Debug, Default)]
pub struct PollPacer {
    /// How much of the window was used when this pace began, and at each poll since. The very first poll reads much that
    /// later ones need not read again, so it is left out.
    samples: Vec<(Timestamp, u64)>,
    began: Option<Timestamp>,
    reset: Option<Timestamp>,
    /// The factor by which polls are rarer than configured.
    stretch: Option<f64>,
}

/// Polls are rarer than the configuration says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowedPolling {
    /// The time between two polls.
    pub every: Duration,
    /// Why.
    pub by: SlowedBy,
}

/// Why polls are rarer than the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlowedBy {
    /// What is left of the rate limit would not last.
    Budget(Budget),
    /// There are more repositories than GitHub's limit for a minute allows.
    Repositories(Carried),
}

impl std::fmt::Display for SlowedPolling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Budget { limit, remaining, reset } = match &self.by {
            SlowedBy::Budget(budget) => *budget,
            SlowedBy::Repositories(carried) => return carried.fmt(f),
        };
        write!(
            f,
            "polling slowed to every {}: at the current rate GitHub's limit ({remaining} of {limit} requests left) would run \
             out before it resets at {}",
            in_words(self.every),
            reset.strftime("%H:%M UTC")
        )
    }
}

impl PollPacer {
    /// Takes in the budget as GitHub reported it last, and how many requests since the start will not recur: a flood of
    /// runs in one repository costs the budget once, and does not make the polls of all others rarer. Returns whether polls
    /// have to be rarer than every `poll`.
    pub fn look(
        &mut self,
        budget: Option<Budget>,
        once: u64,
        poll: Duration,
        now: Timestamp,
    ) -> Option<SlowedPolling> {
        let budget = budget.filter(|budget| budget.reset > now)?;
        if self.reset.replace(budget.reset) != Some(budget.reset) {
            self.samples.clear();
        }
        let left = elapsed(now, budget.reset);
        let stretch = self.stretch.unwrap_or(1.0);
        let used = budget.limit - budget.remaining.min(budget.limit);
        // Both only grow within a window, and only the difference of two samples counts.
        let used = (u64::MAX / 2).saturating_add(used).saturating_sub(once);
        if elapsed(*self.began.get_or_insert(now), now) < poll.mul_f64(0.8) {
            return None;
        }
        let since_last = self.samples.last().map(|(at, _)| elapsed(*at, now));
        if since_last.is_none_or(|since| since >= poll.mul_f64(stretch * 0.8)) {
            self.samples.push((now, used));
            if let Some(next) = self.next(budget, poll, left) {
                self.stretch = Some(next);
                self.samples.drain(..self.samples.len() - 1);
            }
        }
        let stretch = self.stretch.unwrap_or(1.0);
        // Ticks are on a grid, so a fraction counts as a whole one.
        let polls = stretch.ceil();
        let every = poll.mul_f64(polls).min(left.max(poll));
        (polls > 1.0).then_some(SlowedPolling { every, by: SlowedBy::Budget(budget) })
    }

    /// The factor from now on, when enough polls were seen.
    fn next(&self, budget: Budget, poll: Duration, left: Duration) -> Option<f64> {
        let ((first, used_then), (last, used_now)) = (self.samples.first()?, self.samples.last()?);
        let seen = elapsed(*first, *last);
        // One long interval shows as much as several short ones.
        let enough = if self.stretch.is_some_and(|stretch| stretch > POLLS as f64) { 1 } else { POLLS };
        if self.samples.len() <= enough || seen.is_zero() {
            return None;
        }
        let rate = used_now.saturating_sub(*used_then) as f64 / seen.as_secs_f64();
        let need = rate * left.as_secs_f64();
        let have = budget.remaining.saturating_sub(budget.limit / 10) as f64;
        let before = self.stretch.unwrap_or(1.0);
        let ratio = (need / have.max(1.0)).clamp(1.0 / STEP, STEP);
        let longest = (left.as_secs_f64() / poll.as_secs_f64()).max(1.0);
        Some((before * ratio).clamp(1.0, longest))
    }
}

#[cfg(test)]
mod tests;
