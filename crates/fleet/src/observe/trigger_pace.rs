//! How often fleets look after triggers, so that GitHub's rate limit lasts.
//!
//! While at least half of what an even use would have left is left, each event is followed at once. Below that, the
//! fleets whose jobs events report share what is left until the window ends, in equal parts. A tenth of the limit stays
//! for registering and removing runners, as with polls.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Budget, PoolName, elapsed};
use crate::seeded_bug;

/// The least time between two ticks of a fleet after triggers.
const GAP: Duration = Duration::from_millis(100);
/// GitHub's window.
const WINDOW: Duration = Duration::from_secs(3600);
/// What a look costs beside the runs that events name: the list of runners, and the registration of one.
const BESIDE: f64 = 2.0;
/// By how many looks it is known what one costs.
const LOOKS: usize = 50;
/// A fleet that looked within this time shares the budget.
const SHARES_FOR: Duration = Duration::from_secs(10 * 60);

/// The looks after triggers of all fleets of one credential.
#[derive(Debug, Default)]
pub struct TriggerPacer {
    /// What the reads of runs had cost when each of the last looks began.
    spent: VecDeque<u64>,
    /// When each fleet looked last.
    fleets: BTreeMap<PoolName, Timestamp>,
}

/// Whether a credential has used its budget so much faster than evenly that what can wait has to.
pub fn is_short(budget: &Budget, now: Timestamp) -> bool {
    let part = elapsed(now, budget.reset).as_secs_f64() / WINDOW.as_secs_f64();
    let all = budget.limit - reserve(budget);
    (spare(budget) as f64) < all as f64 * part.min(1.0) / 2.0
}

/// What stays for registering and removing runners.
fn reserve(budget: &Budget) -> u64 {
    budget.limit / 10
}

fn spare(budget: &Budget) -> u64 {
    budget.remaining.saturating_sub(reserve(budget))
}

/// How long it takes until there is budget for so many requests, if what is left is used evenly until the window ends.
pub fn even_wait(budget: &Budget, requests: f64, now: Timestamp) -> Duration {
    let (left, spare) = (elapsed(now, budget.reset), spare(budget));
    if spare == 0 { left } else { left.mul_f64((requests / spare as f64).min(1.0)) }
}

impl TriggerPacer {
    /// Takes in that a fleet looks after triggers. `spent`: what reads of runs that events named have cost so far.
    pub fn looks(&mut self, fleet: &PoolName, spent: u64, now: Timestamp) {
        self.spent.push_back(spent);
        if self.spent.len() > LOOKS {
            self.spent.pop_front();
        }
        self.fleets.insert(fleet.clone(), now);
        self.fleets.retain(|_, at| elapsed(*at, now) < SHARES_FOR);
    }

    /// The least time between two looks of a fleet after triggers. `budget` is what GitHub told last; a server without
    /// limits tells nothing.
    pub fn pause(&self, budget: Option<Budget>, now: Timestamp) -> Duration {
        let Some(budget) = budget.filter(|budget| budget.reset > now && is_short(budget, now)) else {
            return seeded_bug!(EventsWait, GAP, WINDOW);
        };
        even_wait(&budget, self.cost() * self.fleets.len().max(1) as f64, now).max(GAP)
    }

    /// What a look costs, in requests that count.
    fn cost(&self) -> f64 {
        let (Some(first), Some(last)) = (self.spent.front(), self.spent.back()) else { return BESIDE + 1.0 };
        let looks = self.spent.len().saturating_sub(1).max(1);
        BESIDE + (last.saturating_sub(*first) as f64 / looks as f64).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn budget(remaining: u64, left: i64) -> Option<Budget> {
        Some(Budget { limit: 5000, remaining, reset: at(3600) }).filter(|_| left <= 3600)
    }

    fn pool(number: u32) -> PoolName {
        format!("ci-{number}").parse().expect("a good name")
    }

    /// Fleets that have looked, one after the other, at this cost.
    fn pacer(fleets: u32, looks: u64, cost: u64) -> TriggerPacer {
        let mut pacer = TriggerPacer::default();
        for look in 0..looks {
            let fleet = pool(u32::try_from(look).expect("small") % fleets);
            pacer.looks(&fleet, look * cost, at(0));
        }
        pacer
    }

    #[test]
    fn the_budget_decides_how_soon_a_fleet_looks_again() {
        for (situation, remaining, now, fleets, cost, expected) in [
            ("a fresh window", 5000, 0, 1, 1, GAP),
            ("half is left, and all of the time", 2750, 0, 1, 1, GAP),
            ("less than half, and all of the time", 2000, 0, 1, 1, Duration::from_millis(7_200)),
            ("the same, late in the window", 2000, 1800, 1, 1, GAP),
            ("ten fleets share it", 2000, 0, 10, 1, Duration::from_secs(72)),
            ("looks that cost more", 2000, 0, 1, 8, Duration::from_secs(24)),
            ("the reserve is reached", 500, 600, 1, 1, Duration::from_secs(3000)),
        ] {
            let pause = pacer(fleets, 40, cost).pause(budget(remaining, now), at(now));
            let difference = pause.abs_diff(expected);
            assert!(difference < Duration::from_millis(2), "{situation}: {pause:?}");
        }
        assert_eq!(TriggerPacer::default().pause(None, at(0)), GAP, "a server without limits");
        assert_eq!(TriggerPacer::default().pause(budget(0, 0), at(3601)), GAP, "the window is over");
    }

    #[test]
    fn the_pause_never_uses_up_the_budget_before_its_window_ends() {
        let (mut pacer, mut left, mut now, mut looks) = (TriggerPacer::default(), 5000_u64, 0.0, 0_u64);
        while now < 3600.0 {
            let seconds = at(0) + Duration::from_secs_f64(now);
            pacer.looks(&pool(1), looks, seconds);
            // An event comes twice a second, and each look costs three requests.
            now += pacer
                .pause(Some(Budget { limit: 5000, remaining: left, reset: at(3600) }), seconds)
                .as_secs_f64()
                .max(0.5);
            looks += 1;
            left = left.checked_sub(3).expect("the budget lasts");
        }
        assert!((400..=700).contains(&left), "{left} are left");
    }

    #[test]
    fn a_fleet_that_is_quiet_takes_no_share() {
        let mut pacer = pacer(10, 10, 1);
        let shared = pacer.pause(budget(1000, 0), at(1));
        pacer.looks(&pool(1), 10, at(700));
        assert!(pacer.pause(budget(1000, 0), at(700)) < shared / 5);
    }
}
