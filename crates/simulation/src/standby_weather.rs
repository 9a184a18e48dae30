//! VMs on standby of fleets, in a third of all scenarios.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::{Edit, FileChange, FleetSpec};

/// Gives VMs on standby to fleets of the scenario of a seed, and changes of them. It has a random source of its own, so that everything else in
/// the scenario stays as it is.
pub fn standby_weather(seed: u64, fleets: &mut [FleetSpec], length: Duration) -> Vec<Edit> {
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(40) ^ 0x57db);
    let mut of_hours = StdRng::seed_from_u64(seed.rotate_left(40) ^ 0x57d8);
    let mut edits = Vec::new();
    if !rng.random_bool(0.45) {
        return edits;
    }
    for (number, fleet) in fleets.iter_mut().enumerate().filter(|(_, fleet)| fleet.ssh.is_none()) {
        fleet.standby = rng.random_range(0..=3);
        if let Some(hours) = &mut fleet.hours {
            hours.standby = of_hours.random_range(0..=4);
        }
        if rng.random_bool(0.2) {
            let at = length.mul_f64(rng.random_range(0.1..0.8));
            edits.push(Edit { at, fleet: number, change: FileChange::Standby(rng.random_range(0..=2)) });
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use crate::generate;

    #[test]
    fn a_third_of_all_scenarios_have_fleets_with_standby() {
        let has = |seed| generate(seed, 1.0).fleets.iter().any(|fleet| fleet.standby > 0);
        let count = (0..1000).filter(|seed| has(*seed)).count();
        assert!((250..400).contains(&count), "{count}");
    }
}
