//! When a plan changes without any news: the loop ticks then, and does not wait for its next poll.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{Action, EphemeralRunner, Phase, Rule, ScalingAction, elapsed};
use crate::plan::{InForce, Plan, cooldown_ends, starves_at, surplus_goes_at, timing, warm_until};
use crate::state::FleetState;

/// How soon a list is looked at for a VM that was asked for to be on standby, and for how long.
const LOOKS_AGAIN: Duration = Duration::from_secs(30);
const LOOKED_FOR: Duration = Duration::from_secs(5 * 60);
/// A rule that holds until a moment no longer holds just after it.
const JUST_AFTER: Duration = Duration::from_millis(1);

/// The moment after `now` at which the plan's own reason says that something is started or removed, if nothing changes
/// before: a job has waited for `max_queue_wait`, the cooldown is over, starts are tried again.
pub fn wakes_at(fleet: &Fleet, plan: &Plan, fleet_state: &FleetState, now: Timestamp) -> Option<Timestamp> {
    let decision = &plan.decision;
    let is_short = decision.target_runner_count > decision.current_runner_count;
    let starves = || starves_at(&fleet.scaling, plan.demand.oldest_pending()?);
    let timing = timing(fleet, fleet_state, now);
    let cooldown = || cooldown_ends(&fleet.scaling, timing);
    let decides = match (decision.action, decision.rule()) {
        (ScalingAction::ScaleUp, _) => Some(now),
        (ScalingAction::Maintain, Rule::Cooldown) if is_short => {
            [cooldown(), starves()].into_iter().flatten().min()
        }
        (ScalingAction::Maintain, Rule::Cooldown) => surplus_goes_at(&fleet.scaling, timing),
        (ScalingAction::Maintain, Rule::KeptWarm) => warm_until(fleet.warm, timing),
        (ScalingAction::Maintain, _) if is_short => starves(),
        (ScalingAction::Maintain | ScalingAction::ScaleDown, _) => None,
    };
    let tried = fleet_state.failures.wait_left(now).and_then(|left| now.checked_add(left).ok());
    let holds_starts = [tried, plan.no_room.as_ref().map(|none| none.until)].into_iter().flatten().max();
    let decides = decides.and_then(|at| if is_short { Some(at).max(holds_starts) } else { Some(at) });
    let changes = [decides, limits_change_at(fleet, fleet_state, now), deallocates_at(plan, now)];
    let at = changes.into_iter().flatten().min()?;
    (at > now).then(|| at.checked_add(JUST_AFTER).unwrap_or(at))
}

/// When a VM that is being set up for standby is looked at, so that it is deallocated without delay: every half a minute
/// until a list has shown it.
fn deallocates_at(plan: &Plan, now: Timestamp) -> Option<Timestamp> {
    let is_new = |runner: &EphemeralRunner| match runner.status {
        Phase::Preparing { since } => runner.vm.is_none() && elapsed(since, now) < LOOKED_FOR,
        _ => false,
    };
    let has_new = plan.runners.iter().any(is_new)
        || plan.actions.iter().any(|action| matches!(action, Action::Prepare { .. }));
    has_new.then(|| now.checked_add(LOOKS_AGAIN).ok())?
}

/// When the fleet's hours change what holds.
fn limits_change_at(fleet: &Fleet, fleet_state: &FleetState, now: Timestamp) -> Option<Timestamp> {
    if fleet.hours.is_empty() {
        return None;
    }
    let lead = fleet_state.boots.longest();
    InForce::of(fleet, lead, now).changes_at(lead, now)
}

#[cfg(test)]
mod tests;
