//! Whether the runners of a fleet's hours are there when the hours begin.

use std::time::Duration;

use azlin_simcloud::World;

use super::{CheckerState, Invariant, MINUTE};
use crate::scenario::{BEGAN, BORDER_BEFORE, FleetSpec, Scenario};

/// A boot may be a little longer than the longest of the last ones.
const A_LITTLE: Duration = MINUTE;
/// What was refused or failed before holds starts back for this time.
const AFTER_A_STORM: Duration = Duration::from_secs(45 * 60);

/// When the hours of each fleet begin, and how many runners have to be there then.
pub(super) fn begins(scenario: &Scenario) -> Vec<Vec<(Duration, u32)>> {
    let of = |fleet: &FleetSpec| {
        let hours = fleet.hours.filter(|hours| hours.min < hours.max && fleet.ssh.is_none());
        let spans = hours.map(|hours| (hours.min, hours.spans(BEGAN, scenario.length)));
        let begins =
            spans.into_iter().flat_map(|(min, spans)| spans.into_iter().map(move |(from, _)| (from, min)));
        begins.filter(|(from, _)| *from > BORDER_BEFORE + AFTER_A_STORM).collect()
    };
    scenario.fleets.iter().map(of).collect()
}

impl CheckerState {
    /// Checks, a little after the hours of a fleet have begun, that its minimum is there: in calm, without jobs.
    pub(super) fn check_readiness(&mut self, world: &World, at: Duration) {
        for number in 0..self.fleets.len() {
            let due = |(from, _): &&(Duration, u32)| at >= *from + A_LITTLE;
            let Some((from, least)) = self.hours[number].iter().find(due).copied() else { continue };
            self.hours[number].retain(|(begin, _)| *begin > from);
            let plan = &self.fleets[number];
            let quiet = from.saturating_sub(BORDER_BEFORE + AFTER_A_STORM);
            let is_calm = at < from + A_LITTLE * 2
                && self.fault_schedule.is_quiet(quiet, at)
                && self.spent_at <= quiet
                && self.clock_ahead.is_zero()
                && self.provisioning >= 10
                && self.worked[number] <= from.saturating_sub(BORDER_BEFORE)
                && plan.enabled
                && plan.is_present
                && plan.manual.is_none();
            let runners = world.state.github.runners.values();
            let is_mine = |name: &str| name.rsplit_once('-').is_some_and(|(head, _)| head == plan.name);
            let online = runners.filter(|runner| runner.online && is_mine(&runner.name)).count();
            if is_calm && online < least as usize {
                let what = format!("the hours of {} began with {online} runners of {least}", plan.name);
                return self.violate(at, Invariant::ReadyInTime, what);
            }
        }
    }
}
