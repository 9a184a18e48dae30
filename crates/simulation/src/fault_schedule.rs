//! Since when the world has been calm. Liveness is checked in calm only, since a fault can delay anything
//! while it lasts.

use std::time::Duration;

use azlin_simcloud::fault::FaultKind;

use super::scenario::{Scenario, ScenarioPart};

/// The length of GitHub's rate limit window. What others used is missing until it ends.
const WINDOW: Duration = Duration::from_secs(3600);

/// What disturbs the daemon, by time from the start of the world.
#[derive(Debug, Clone, Default)]
pub struct FaultSchedule {
    /// Faults as (from, until), sorted by their start.
    faults: Vec<(Duration, Duration)>,
    /// When the daemon was last started, its files changed or its clock set.
    last: Duration,
}

impl FaultSchedule {
    /// The faults of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let mut faults: Vec<(Duration, Duration)> = Vec::new();
        for (_, part) in &scenario.parts {
            let ScenarioPart::Fault(fault) = part else { continue };
            let until = fault.until.unwrap_or(Duration::MAX);
            let until =
                if fault.what == FaultKind::BudgetGone { until.saturating_add(WINDOW) } else { until };
            faults.push((fault.from, until));
        }
        faults.sort();
        FaultSchedule { faults, last: Duration::ZERO }
    }

    /// The daemon was started, its files changed or its clock set.
    pub fn disturbed(&mut self, at: Duration) {
        self.last = self.last.max(at);
    }

    /// The start of the present calm; `now` while a fault lasts.
    pub fn calm_since(&self, now: Duration) -> Duration {
        let begun = self.faults.iter().take_while(|(from, _)| *from <= now);
        begun.map(|(_, until)| (*until).min(now)).fold(self.last, Duration::max)
    }
}
