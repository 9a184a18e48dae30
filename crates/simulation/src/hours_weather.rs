//! Hours and warm runners of fleets, in a third of all scenarios.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::{DailyHours, FleetSpec, HoursPhase};

/// Gives hours, and runners that stay warm, to fleets of the scenario of a seed; often to none. It has a random source of
/// its own, so that everything else in the scenario stays as it is.
pub fn hours_weather(seed: u64, fleets: &mut [FleetSpec], length: Duration) {
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(48) ^ 0x40e5);
    if !rng.random_bool(1.0 / 3.0) {
        return;
    }
    for fleet in fleets {
        fleet.keep_for_min = [0, 0, 10, 30][rng.random_range(0..4)];
        if rng.random_bool(0.7) {
            let from = rng.random_range(0..20);
            let to = rng.random_range(from + 2..=23);
            let (min, more) = (rng.random_range(0..=3), rng.random_range(1..=6));
            let hours = DailyHours { from, to, min, max: min + more, standby: 0 };
            fleet.hours = Some(hours);
            fleet.phase = HoursPhase::at_start(&hours, length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn a_third_of_all_scenarios_have_fleets_with_hours_or_warm_runners() {
        let fleets: Vec<_> = (0..1000).map(|seed| generate(seed, 1.0).fleets).collect();
        let with = |is: fn(&FleetSpec) -> bool| fleets.iter().filter(|fleets| fleets.iter().any(is)).count();
        let hours = with(|fleet| fleet.hours.is_some());
        let warm = with(|fleet| fleet.keep_for_min > 0);
        assert!((230..420).contains(&hours) && (180..320).contains(&warm), "{hours} {warm}");
    }
}
