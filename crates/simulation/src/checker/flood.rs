//! Whether a flood of runs in one repository leaves the others their looks.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_simcloud::Occurrence;

use super::reaction::CALLS;
use super::{CheckerState, Invariant, MINUTE};
use crate::scenario::{OWNER, Scenario, ScenarioPart};

/// So many times as rare as configured polls may get for what others do. docs/reliability.md writes it down, and the core
/// computes it.
const FLOOD_FACTOR: u32 = 5;

/// The flood of a scenario, and who was looked at.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// The name of the flooded repository, and from when; `None` where there is no flood, or where the budget is too small
    /// for the polls of calm days.
    repo: Option<(String, Duration)>,
    poll: Duration,
    /// When each repository's queue was last read, by the path of that.
    looked: BTreeMap<String, Duration>,
}

impl Flood {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let has_budget = scenario.rate_limit >= 5000 && scenario.poll >= MINUTE;
        let flood = |part: &ScenarioPart| match part {
            ScenarioPart::Jobs(arrival) if arrival.hosted => Some((arrival.repo.clone(), arrival.at)),
            _ => None,
        };
        let repo = scenario.parts.iter().find_map(|(_, part)| flood(part)).filter(|_| has_budget);
        Flood { repo, poll: scenario.poll, looked: BTreeMap::new() }
    }
}

impl CheckerState {
    /// Notes which repository's queue was read.
    pub(super) fn note_look(&mut self, at: Duration, what: &Occurrence<'_>) {
        if self.flood.repo.is_some()
            && let Occurrence::Call { method: "GET", path, refused: None, .. } = what
            && path.ends_with("/actions/runs")
        {
            self.flood.looked.insert(path.to_ascii_lowercase(), at);
        }
    }

    /// Checks that the queue of each repository without a flood was read lately.
    pub(super) fn check_flood(&mut self, at: Duration) {
        let Some((flooded, from)) = self.flood.repo.as_ref().filter(|_| !self.is_down) else { return };
        let calm = self.fault_schedule.calm_since(at).max(*from);
        let late = self.fleets.iter().zip(&self.edited).find_map(|(fleet, edited)| {
            let repo = format!("{OWNER}/{}", fleet.repo);
            if !fleet.is_present || !fleet.enabled || fleet.is_of_account || repo == *flooded {
                return None;
            }
            let looked =
                self.flood.looked.get(&format!("/repos/{repo}/actions/runs")).copied().unwrap_or_default();
            let since = calm.max(*edited).max(looked);
            let is_late = at > since + self.flood.poll * FLOOD_FACTOR + self.answer * CALLS + MINUTE;
            is_late.then(|| {
                format!(
                    "the queue of {repo} was not read for {} s, with a flood in {flooded}",
                    (at - since).as_secs()
                )
            })
        });
        if let Some(what) = late {
            self.violate(at, Invariant::FloodBounded, what);
        }
    }
}
