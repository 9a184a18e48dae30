//! Since when the world has been calm. Liveness is checked in calm only, since a fault can delay anything
//! while it lasts.

use std::time::Duration;

use azlin_simcloud::fault::FaultKind;

use super::azure_weather::felt_after;
use super::scenario::{Scenario, ScenarioPart};

/// The length of GitHub's rate limit window. What others used is missing until it ends.
const WINDOW: Duration = Duration::from_secs(3600);

/// How long a fault is felt after its end.
fn aftermath(what: &FaultKind) -> Duration {
    match what {
        FaultKind::BudgetGone => WINDOW,
        // GitHub takes the job back after ten minutes at most.
        FaultKind::OfflineAssignment => Duration::from_secs(600),
        // The daemon waits so long for the answer of a VM.
        FaultKind::GuestDeaf => Duration::from_secs(90 * 60),
        FaultKind::EntryStays(span) => span.to,
        // A removal that kept failing is tried again after its backoff.
        FaultKind::Locked | FaultKind::SubscriptionDisabled => Duration::from_secs(30 * 60),
        FaultKind::Refused(refusal, _) => felt_after(refusal),
        // A refusal that a person must change stops starts for two minutes.
        FaultKind::TokensRevoked => Duration::from_secs(5 * 60),
        _ => Duration::ZERO,
    }
}

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
            // What Azure says of VMs that work disturbs nothing, and neither does what things are called.
            if matches!(fault.what, FaultKind::FailsRunning(_) | FaultKind::OddText) {
                continue;
            }
            let until = fault.until.unwrap_or(Duration::MAX);
            faults.push((fault.from, until.saturating_add(aftermath(&fault.what))));
        }
        faults.sort();
        FaultSchedule { faults, last: Duration::ZERO }
    }

    /// The daemon was started, its files changed or its clock set.
    pub fn disturbed(&mut self, at: Duration) {
        self.last = self.last.max(at);
    }

    /// Whether faults fill this time, but for lulls of no more than this length.
    pub fn is_stormy(&self, from: Duration, to: Duration, lull: Duration) -> bool {
        let reached =
            self.faults.iter().fold(
                from,
                |reached, (begin, end)| {
                    if *begin <= reached + lull { reached.max(*end) } else { reached }
                },
            );
        reached + lull >= to
    }

    /// Whether no fault was felt in this time, and nothing else disturbed the daemon.
    pub fn is_quiet(&self, from: Duration, to: Duration) -> bool {
        let is_felt = |(begin, end): &(Duration, Duration)| *begin <= to && *end >= from;
        self.last <= from && !self.faults.iter().any(is_felt)
    }

    /// The start of the present calm; `now` while a fault lasts.
    pub fn calm_since(&self, now: Duration) -> Duration {
        let begun = self.faults.iter().take_while(|(from, _)| *from <= now);
        begun.map(|(_, until)| (*until).min(now)).fold(self.last, Duration::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_fill_a_time_but_for_short_lulls() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let faults = vec![(minutes(10), minutes(40)), (minutes(20), minutes(30)), (minutes(45), minutes(90))];
        let schedule = FaultSchedule { faults, last: Duration::ZERO };
        for (from, to, expected) in [(10, 90, true), (5, 99, true), (0, 90, false), (10, 101, false)] {
            let is = schedule.is_stormy(minutes(from), minutes(to), minutes(9));
            assert_eq!(is, expected, "{from} to {to}");
        }
        assert!(!schedule.is_stormy(minutes(10), minutes(90), minutes(4)));
    }
}
