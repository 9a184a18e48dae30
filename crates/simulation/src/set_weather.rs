//! Runner scale sets, in a third of all scenarios: fleets that GitHub tells of their jobs, beside others that follow queues,
//! and what goes wrong with sets.

use std::time::Duration;

use azlin_simcloud::ScaleSetFault;
use azlin_simcloud::fault::{Fault, FaultKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::{FleetSpec, ScenarioPart};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

const KINDS: [ScaleSetFault; 10] = [
    ScaleSetFault::Deleted,
    ScaleSetFault::SessionEnded,
    ScaleSetFault::QueueTokenDies,
    ScaleSetFault::ZeroStatistics,
    ScaleSetFault::EndTwice,
    ScaleSetFault::EndMissing,
    ScaleSetFault::IdsRestart,
    ScaleSetFault::NoQueueUrl,
    ScaleSetFault::EmptyMessage,
    ScaleSetFault::PlainError,
];

/// Gives scale sets to fleets of the scenario of a seed; often to none. Returns what goes wrong with them, and whether
/// GitHub offers jobs, which have to be acquired. It has a random source of its own, so that everything else in the
/// scenario stays as it is.
pub fn set_weather(seed: u64, fleets: &mut [FleetSpec], length: Duration) -> (Vec<ScenarioPart>, bool) {
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(32) ^ 0x5ca1e);
    if !rng.random_bool(1.0 / 3.0) {
        return (Vec::new(), false);
    }
    for fleet in fleets.iter_mut() {
        // A runner of a set takes one job.
        if rng.random_bool(0.8) && fleet.ssh.is_none_or(|jobs| jobs == 1) {
            fleet.has_scale_set = true;
            fleet.jobs_per_runner = 1;
        }
    }
    let is_offered = rng.random_bool(0.25);
    let mut parts = Vec::new();
    if fleets.iter().any(|fleet| fleet.has_scale_set) && rng.random_bool(0.7) {
        let days = length.as_secs().div_ceil(DAY);
        for _ in 0..rng.random_range(1..=6 * days) {
            parts.push(ScenarioPart::Fault(fault(&mut rng, length)));
        }
    }
    (parts, is_offered)
}

fn fault(rng: &mut StdRng, length: Duration) -> Fault {
    let last = length.as_secs().saturating_sub(20 * MINUTE).max(1);
    let from = rng.random_range(0..last);
    let until = (from + rng.random_range(5 * MINUTE..60 * MINUTE)).min(length.as_secs());
    Fault {
        what: FaultKind::ScaleSet(KINDS[rng.random_range(0..KINDS.len())]),
        side: None,
        method: None,
        path: None,
        from: Duration::from_secs(from),
        until: Some(Duration::from_secs(until)),
        probability: rng.random_range(0.1..1.0),
        times: Some(rng.random_range(1..=10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn a_third_of_all_scenarios_have_scale_sets_alone_and_beside_queues_and_all_goes_wrong() {
        let all: Vec<_> = (0..1000).map(|seed| generate(seed, 1.0)).collect();
        let has = |fleets: &[FleetSpec], is: bool| fleets.iter().any(|fleet| fleet.has_scale_set == is);
        let with = all.iter().filter(|scenario| has(&scenario.fleets, true)).count();
        let mixed =
            all.iter().filter(|scenario| has(&scenario.fleets, true) && has(&scenario.fleets, false)).count();
        let offered = all.iter().filter(|scenario| scenario.is_offered).count();
        assert!((240..350).contains(&with) && mixed > 60 && mixed < with, "{with} {mixed}");
        assert!((50..120).contains(&offered), "{offered}");
        let text = format!("{:?}", all.iter().map(|scenario| &scenario.parts).collect::<Vec<_>>());
        for kind in KINDS {
            assert!(text.matches(&format!("ScaleSet({kind:?})")).count() > 20, "{kind:?}");
        }
    }
}
