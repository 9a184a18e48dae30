//! One tenant's flood in half of the scenarios whose fleets are on two repositories: hundreds of runs in one of them,
//! which GitHub's own machines run or which the fleets there have to.

use std::time::Duration;

use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Span};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::{FleetSpec, OWNER, ScenarioPart};

const MINUTE: u64 = 60;

/// The flood in the scenario of a seed with these fleets, which has this length; often none. It has a random source of its
/// own, so that everything else in the scenario stays as it is.
pub fn flood_weather(seed: u64, fleets: &[FleetSpec], length: Duration) -> Option<ScenarioPart> {
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(16) ^ 0xf100d);
    let is_of_two = fleets.iter().any(|fleet| fleet.repo != fleets[0].repo);
    if !is_of_two || rng.random_bool(0.5) {
        return None;
    }
    let source = &fleets[rng.random_range(0..fleets.len())];
    let minutes =
        |from, to| Span { from: Duration::from_secs(from * MINUTE), to: Duration::from_secs(to * MINUTE) };
    let at =
        Duration::from_secs(rng.random_range(0..length.as_secs().saturating_sub(2 * 60 * MINUTE).max(1)));
    let lasts = Duration::from_secs(rng.random_range(5 * MINUTE..60 * MINUTE));
    let is_for_us = rng.random_bool(0.3);
    // Our machines have to serve all of it.
    let pause = if is_for_us { rng.random_range(20_000..60_000) } else { rng.random_range(500..3_000) };
    let own = || std::iter::once("self-hosted").chain(source.labels.iter().copied());
    Some(ScenarioPart::Jobs(Arrival {
        at,
        every: Some(Span { from: Duration::ZERO, to: Duration::from_millis(2 * pause) }),
        until: Some((at + lasts).min(length)),
        repo: format!("{OWNER}/{}", source.repo),
        jobs: JobCount::Between(1, 3),
        labels: if is_for_us { own().map(str::to_owned).collect() } else { vec!["ubuntu-latest".to_owned()] },
        group: None,
        duration: if is_for_us { minutes(1, 3) } else { minutes(1, 60) },
        script: None,
        held: None,
        held_by: HeldBy::Environment,
        then: 0,
        hosted: !is_for_us,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn half_of_what_two_repositories_share_has_a_flood_in_one() {
        let day = Duration::from_secs(24 * 60 * MINUTE);
        let fleets: Vec<_> = (0..1000).map(|seed| generate(seed, 1.0).fleets).collect();
        let shared = |fleets: &&Vec<FleetSpec>| fleets.iter().any(|fleet| fleet.repo != fleets[0].repo);
        let count = fleets.iter().filter(shared).count();
        let floods: Vec<_> =
            (0..1000).filter_map(|seed| flood_weather(seed, &fleets[seed as usize], day)).collect();
        assert!((count * 4 / 10..count * 6 / 10).contains(&floods.len()), "{} of {count}", floods.len());
        let hosted = format!("{floods:?}").matches("hosted: true").count();
        assert!(hosted > floods.len() / 2 && hosted < floods.len(), "{hosted} of {}", floods.len());
    }
}
