//! Calm in an eighth of all scenarios: nothing fails, changes or crashes, GitHub delivers every event, and each fleet has
//! a few jobs now and then. What a fleet does in calm it must do at once and in time, and storms leave too few such hours.

use std::time::Duration;

use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Span};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::{
    BEGAN, DailyHours, FleetSpec, HoursPhase, OWNER, Scenario, ScenarioPart, WebhookConditions,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Makes the scenario a calm one if its seed says so. It has a random source of its own, so that all other scenarios stay
/// as they are.
pub fn calm_weather(scenario: &mut Scenario) {
    let mut rng = StdRng::seed_from_u64(scenario.seed.rotate_left(8) ^ 0xca17);
    if !rng.random_bool(0.125) {
        return;
    }
    scenario.rate_limit = 5000;
    scenario.provisioning = 10;
    let length = scenario.length;
    for fleet in &mut scenario.fleets {
        // Runners that are there already would hide how soon one is asked for.
        (fleet.min, fleet.standby) = (0, 0);
        if rng.random_bool(0.8) {
            fleet.jobs_per_runner = 1;
        }
        if rng.random_bool(0.4) {
            // A scenario starts at half past one in the afternoon, by the clock of these hours.
            let (min, from) = (rng.random_range(1..=fleet.max), rng.random_range(15..=20));
            let hours = DailyHours { from, to: 23, min, max: fleet.max + 1, standby: 0 };
            (fleet.hours, fleet.phase) = (Some(hours), HoursPhase::at_start(&hours, length));
        }
    }
    let webhooks =
        WebhookConditions { lost: 0.0, late: Duration::from_secs(1), doubled: 0.0, again: Duration::ZERO };
    let jobs = scenario.fleets.iter().map(|fleet| lone_jobs(&mut rng, fleet, length));
    let parts = std::iter::once(ScenarioPart::Webhooks(webhooks)).chain(jobs);
    scenario.parts = parts.enumerate().collect();
}

/// A few short jobs at a time, so far from each other that often no VM is left of the ones before.
fn lone_jobs(rng: &mut StdRng, fleet: &FleetSpec, length: Duration) -> ScenarioPart {
    let seconds = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
    // Before its first hours begin a fleet has no jobs, whose runners would be there already.
    let hours = fleet.hours.map(|hours| hours.spans(BEGAN, length));
    let first = hours.and_then(|spans| spans.first().map(|(from, _)| *from)).unwrap_or_default();
    let labels = std::iter::once("self-hosted").chain(fleet.labels.iter().copied());
    ScenarioPart::Jobs(Arrival {
        at: (first + Duration::from_secs(rng.random_range(HOUR..2 * HOUR))).min(length),
        every: Some(seconds(10 * MINUTE, HOUR)),
        until: Some(length),
        repo: format!("{OWNER}/{}", fleet.repo),
        jobs: JobCount::Between(1, 6),
        labels: labels.map(str::to_owned).collect(),
        group: None,
        duration: seconds(20, 8 * MINUTE),
        script: None,
        held: None,
        held_by: HeldBy::Environment,
        then: 0,
        hosted: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    #[test]
    fn an_eighth_of_all_scenarios_is_calm_and_has_jobs_events_and_hours() {
        let is_storm =
            |part: &ScenarioPart| !matches!(part, ScenarioPart::Jobs(_) | ScenarioPart::Webhooks(_));
        let scenarios = (0..1000).map(|seed| generate(seed, 1.0));
        let calm: Vec<_> = scenarios
            .filter(|all| all.parts.len() <= 4 && !all.parts.iter().any(|(_, part)| is_storm(part)))
            .collect();
        assert!((100..150).contains(&calm.len()), "{}", calm.len());
        let with_hours =
            calm.iter().filter(|all| all.fleets.iter().any(|fleet| fleet.hours.is_some())).count();
        assert!(with_hours > calm.len() / 2, "{with_hours} of {}", calm.len());
    }
}
