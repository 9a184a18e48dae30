//! How soon many fleets look for the first time, when each of these looks counts.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Budget, Carried};
use crate::observe::{even_wait, is_short};

/// So many fleets of a credential look for the first time at once; more take turns.
pub const FIRST_LOOKS_AT_ONCE: u32 = 64;

/// The time between two first looks with one credential, beyond those that begin at once.
pub fn first_look_pause(budget: Option<Budget>, now: Timestamp) -> Duration {
    let Some(budget) = budget.filter(|budget| budget.reset > now) else { return Duration::ZERO };
    let by_the_minute = Carried::first_look_pause();
    if !is_short(&budget, now) {
        return by_the_minute;
    }
    even_wait(&budget, Carried::FIRST_LOOK as f64, now).max(by_the_minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn the_first_looks_leave_half_of_the_budget_and_then_spread_over_what_is_left() {
        let told = |remaining| Some(Budget { limit: 5_000, remaining, reset: at(3_600) });
        for (situation, budget, millis) in [
            ("a server without limits", None, 0),
            ("a fresh window", told(5_000), 444),
            ("half is left", told(2_750), 444),
            ("less", told(2_300), 12_000),
            ("the reserve is reached", told(500), 3_600_000),
        ] {
            assert_eq!(first_look_pause(budget, at(0)).as_millis(), millis, "{situation}");
        }
    }
}
