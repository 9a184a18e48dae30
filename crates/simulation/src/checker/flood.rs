//! Whether a flood of runs in one repository leaves the others their looks.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_simcloud::github::SimRun;
use azlin_simcloud::{Occurrence, World};

use super::reaction::CALLS;
use super::{CheckerState, Invariant, MINUTE};
use crate::scenario::{OWNER, Scenario, ScenarioPart};

/// So many times as rare as configured polls may get for what others do. docs/reliability.md writes it down, and the core
/// computes it.
const FLOOD_FACTOR: u32 = 5;
/// With more runs for fleets of ours their own looks use up the budget, since every request counts here.
const FEW_RUNS: usize = 10;
/// The length of a window of GitHub's limit.
const WINDOW: Duration = Duration::from_secs(3600);

/// The flood of a scenario, and who was looked at.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// The name of the flooded repository, and from when; `None` where there is no flood, or where the budget is too small
    /// for the polls of calm days.
    repo: Option<(String, Duration)>,
    poll: Duration,
    /// Until when what more runs for fleets of ours cost is felt.
    crowded_until: Duration,
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
        Flood { repo, poll: scenario.poll, ..Flood::default() }
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
    pub(super) fn check_flood(&mut self, world: &World, at: Duration) {
        if self.flood.repo.is_some() && runs_of_ours(world) > FEW_RUNS {
            self.flood.crowded_until = at + WINDOW;
        }
        let Some((flooded, from)) = self.flood.repo.as_ref().filter(|_| !self.is_down) else { return };
        let calm = self.fault_schedule.calm_since(at).max(*from).max(self.flood.crowded_until);
        let late = self.fleets.iter().zip(&self.edited).find_map(|(fleet, edited)| {
            let repo = format!("{OWNER}/{}", fleet.repo);
            let reads_none = fleet.is_of_account || fleet.has_scale_set;
            if !fleet.is_present || !fleet.enabled || reads_none || repo == *flooded {
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

/// The active runs that machines of GitHub's own do not run.
fn runs_of_ours(world: &World) -> usize {
    let github = &world.state.github;
    let is_ours = |run: &SimRun| {
        let mut jobs = run.jobs.iter().filter_map(|job| github.jobs.get(job));
        jobs.any(|job| job.labels.iter().all(|label| label != "ubuntu-latest"))
    };
    let active = github.active.values().flatten().filter_map(|run| github.runs.get(run));
    active.filter(|run| is_ours(run)).count()
}
