//! When it was calm: what is promised within a time is promised in calm, since a fault can hold up anything
//! for as long as it lasts.

use std::time::Duration;

use azlin_simcloud::fault::FaultKind;

use super::scenario::{Scenario, ScenarioPart};

/// GitHub's window: until it ends, what others used is missing.
const WINDOW: Duration = Duration::from_secs(3600);

/// When something disturbed the world, from the start of it.
#[derive(Debug, Clone, Default)]
pub struct FaultSchedule {
    /// Faults: from when until when. Sorted by their beginning.
    faults: Vec<(Duration, Duration)>,
    /// When something was last done to the daemon: its birth, a changed file, a clock that was set.
    last: Duration,
}

impl FaultSchedule {
    /// Those that a scenario has in store by itself.
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

    /// Something was done to the daemon.
    pub fn disturbed(&mut self, at: Duration) {
        self.last = self.last.max(at);
    }

    /// Since when it has been calm at a time.
    pub fn calm_since(&self, now: Duration) -> Duration {
        let begun = self.faults.iter().take_while(|(from, _)| *from <= now);
        begun.map(|(_, until)| (*until).min(now)).fold(self.last, Duration::max)
    }
}
