//! How often GitHub is polled, so that the rate limit lasts.
//!
//! Recent use predicts future use. If that is more than what is left until the window ends, polls become rarer in
//! proportion; if it is less, they become more frequent again, up to the configured interval. A tenth of the
//! budget is reserved for removing and registering runners, which is never slowed.

use std::time::Duration;

use jiff::Timestamp;

use crate::budget::Budget;
use crate::time::{elapsed, in_words};

/// How many polls at one interval show what they cost.
const LOOKS: usize = 2;
/// The largest change in one step, so that a burst does not stop polling.
const STEP: f64 = 4.0;

/// How often the fleets of one credential poll.
#[derive(Debug, Default)]
pub struct Pacer {
    /// What was used of the window when this pace began, and at each look since. The first look of all finds
    /// much that later ones need not read again: it is none of them.
    samples: Vec<(Timestamp, u64)>,
    began: Option<Timestamp>,
    reset: Option<Timestamp>,
    /// By which factor polls are rarer.
    stretch: Option<f64>,
}

/// Polls are rarer than configured, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slowed {
    /// The interval between polls.
    pub every: Duration,
    /// What is left of the rate limit.
    pub budget: Budget,
}

impl std::fmt::Display for Slowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Budget { limit, remaining, reset } = self.budget;
        write!(
            f,
            "GitHub's budget is short ({remaining} of {limit} requests left until {}), so the queue is looked at every {}",
            reset.strftime("%H:%M UTC"),
            in_words(self.every)
        )
    }
}

impl Pacer {
    /// Takes the last reported budget; returns whether polls have to be rarer than every `poll`.
    pub fn look(&mut self, budget: Option<Budget>, poll: Duration, now: Timestamp) -> Option<Slowed> {
        let budget = budget.filter(|budget| budget.reset > now)?;
        if self.reset.replace(budget.reset) != Some(budget.reset) {
            self.samples.clear();
        }
        let left = elapsed(now, budget.reset);
        let stretch = self.stretch.unwrap_or(1.0);
        let used = budget.limit - budget.remaining.min(budget.limit);
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
        (polls > 1.0).then_some(Slowed { every, budget })
    }

    /// The factor from now on, if there are enough samples.
    fn next(&self, budget: Budget, poll: Duration, left: Duration) -> Option<f64> {
        let ((first, used_then), (last, used_now)) = (self.samples.first()?, self.samples.last()?);
        let seen = elapsed(*first, *last);
        // A long interval says as much as several short ones.
        let enough = if self.stretch.is_some_and(|stretch| stretch > LOOKS as f64) { 1 } else { LOOKS };
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
mod tests {
    use super::*;
    use crate::testing::at;

    const POLL: Duration = Duration::from_secs(60);

    /// Plays an hour in which each look costs `a_look` and each minute `a_minute` on top; how long the
    /// intervals were at the most and in the end, and what was left.
    fn an_hour(limit: u64, a_look: u64, a_minute: u64) -> (Duration, Duration, i64) {
        let mut pacer = Pacer::default();
        let (mut left, mut next, mut longest, mut last) = (limit as i64, 0, POLL, POLL);
        for second in (0..3600).step_by(60) {
            left -= a_minute as i64;
            if second < next {
                continue;
            }
            let budget = Budget { limit, remaining: left.max(0).unsigned_abs(), reset: at(3600) };
            last = pacer.look(Some(budget), POLL, at(second)).map_or(POLL, |slowed| slowed.every);
            longest = longest.max(last);
            next = second + last.as_secs() as i64;
            left -= a_look as i64;
        }
        (longest, last, left)
    }

    #[test]
    fn the_budget_lasts_for_an_hour_and_looks_are_as_frequent_as_it_allows() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for (a_look, a_minute, most) in [
            // What is idle costs nothing; 83 a minute are 5,000 an hour.
            (0, 0, minutes(1)),
            (70, 0, minutes(1)),
            (100, 0, minutes(2)),
            (200, 0, minutes(4)),
            (300, 0, minutes(6)),
            (100, 40, minutes(5)),
            (300, 40, minutes(17)),
        ] {
            let (longest, _, left) = an_hour(5000, a_look, a_minute);
            assert!(left > 0, "{a_look} a look and {a_minute} a minute leave {left}");
            assert!(longest <= most, "{a_look} a look and {a_minute} a minute: {longest:?}");
        }
    }

    #[test]
    fn a_burst_at_the_start_is_no_rate_and_a_new_window_is_a_new_start() {
        let mut pacer = Pacer::default();
        let budget = |remaining, reset| Some(Budget { limit: 5000, remaining, reset: at(reset) });
        // The first look of all finds nothing that was seen before.
        assert_eq!(pacer.look(budget(4900, 3600), POLL, at(0)), None);
        for minute in 1..10 {
            assert_eq!(pacer.look(budget(4400, 3600), POLL, at(60 * minute)), None, "minute {minute}");
        }
        let mut slowed = None;
        for minute in 10..14 {
            slowed = pacer.look(budget(4400 - (minute as u64 - 9) * 800, 3600), POLL, at(60 * minute));
        }
        let slowed = slowed.expect("it would not last");
        assert!(slowed.every >= POLL * 4, "{slowed:?}");
        let said = slowed.to_string();
        assert!(said.contains("1200 of 5000") && said.contains("every "), "{said}");
        // In the next window it begins with what it had, and eases.
        let mut last = None;
        for minute in 60..90 {
            last = pacer.look(budget(5000, 7200), POLL, at(60 * minute));
        }
        assert_eq!(last, None);
        assert_eq!(pacer.look(None, POLL, at(0)), None, "a server without limits");
    }

    #[test]
    fn one_dear_look_is_no_rate() {
        let mut pacer = Pacer::default();
        for (minute, used) in [(0, 0), (1, 0), (2, 150), (3, 150), (4, 150)] {
            let budget = Budget { limit: 5000, remaining: 5000 - used, reset: at(3600) };
            assert_eq!(pacer.look(Some(budget), POLL, at(60 * minute)), None, "minute {minute}");
        }
    }

    #[test]
    fn a_window_that_others_used_up_makes_the_next_one_no_slower() {
        let mut pacer = Pacer::default();
        let (mut next, mut last) = (0, None);
        let mut looks = Vec::new();
        for minute in 0..120 {
            let (window, spent) =
                (minute / 60, if (5..60).contains(&minute) { 5000 } else { 20 * (minute % 60) });
            let budget =
                Budget { limit: 5000, remaining: 5000 - spent, reset: at(3600 * (1 + window as i64)) };
            last = pacer.look(Some(budget), POLL, at(60 * minute as i64));
            if minute >= next {
                looks.push(minute);
                next = minute + last.as_ref().map_or(1, |slowed| slowed.every.as_secs() / 60);
            }
        }
        assert_eq!(last, None);
        let in_the_next = looks.iter().filter(|minute| **minute >= 60).count();
        assert!(in_the_next > 50, "of {looks:?}");
    }
}
