//! What people and servers call things in a third of all scenarios: with escape sequences, line breaks and characters
//! that are not seen.

use std::time::Duration;

use azlin_simcloud::fault::{Fault, FaultKind, Side};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::ScenarioPart;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// When names are odd in the scenario of a seed, which has this length; often never. It has a random source of its own,
/// so that everything else in the scenario stays as it is.
pub fn names_weather(seed: u64, length: Duration) -> Vec<ScenarioPart> {
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(32) ^ 0x0dd);
    if !rng.random_bool(1.0 / 3.0) {
        return Vec::new();
    }
    let length = length.as_secs().max(1);
    let spells = rng.random_range(1..=3 * length.div_ceil(DAY));
    let spell = |rng: &mut StdRng| {
        let from = rng.random_range(0..length);
        let until = (from + rng.random_range(HOUR / 4..6 * HOUR)).min(length);
        ScenarioPart::Fault(Fault {
            what: FaultKind::OddText,
            side: Some(Side::Github),
            method: None,
            path: None,
            from: Duration::from_secs(from),
            until: Some(Duration::from_secs(until)),
            probability: 1.0,
            times: None,
        })
    };
    (0..spells).map(|_| spell(&mut rng)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_all_scenarios_have_odd_names_for_hours() {
        let day = Duration::from_secs(DAY);
        let all: Vec<Vec<ScenarioPart>> = (0..1000).map(|seed| names_weather(seed, day)).collect();
        let with = all.iter().filter(|parts| !parts.is_empty()).count();
        assert!((280..390).contains(&with), "{with}");
        assert!(all.iter().flatten().count() > with, "some have several");
    }
}
