//! Lasting errors of a fleet: what keeps it from its work, each with its own cause, its beginning and what is done
//! about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Fleet;
use crate::model::{PhaseKind, ScalingAction, counted, elapsed, in_words};
use crate::observe::Snapshot;
use crate::plan::Plan;
use crate::state::{Exhausted, FleetState};

/// The subject of a lasting error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetErrorKind {
    /// A list that could not be read.
    Seeing,
    /// Runners that the daemon leaves alone, so that only a person can remove them.
    LeftAlone,
    /// Runners that cannot be started, or never come online.
    Starting,
    /// Azure has no capacity or quota for the fleet's VMs anywhere.
    NoCapacity,
    /// Sizes, zones, regions or prices of the fleet's file that Azure never makes its VMs with.
    Closed,
    /// A job that waits for longer than its rule and a boot take.
    Waiting,
    /// Jobs of the fleet's repositories that no fleet serves.
    Unserved,
    /// Runners, or parts of VMs, that cannot be removed.
    Removing,
    /// A credential that expires.
    Credential,
}

impl FleetErrorKind {
    /// All subjects.
    pub const ALL: [FleetErrorKind; 9] = [
        FleetErrorKind::Seeing,
        FleetErrorKind::LeftAlone,
        FleetErrorKind::Starting,
        FleetErrorKind::NoCapacity,
        FleetErrorKind::Closed,
        FleetErrorKind::Waiting,
        FleetErrorKind::Unserved,
        FleetErrorKind::Removing,
        FleetErrorKind::Credential,
    ];

    /// The name of the subject, in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FleetErrorKind::Seeing => "seeing",
            FleetErrorKind::LeftAlone => "left_alone",
            FleetErrorKind::Starting => "starting",
            FleetErrorKind::NoCapacity => "no_capacity",
            FleetErrorKind::Closed => "closed",
            FleetErrorKind::Waiting => "waiting",
            FleetErrorKind::Unserved => "unserved",
            FleetErrorKind::Removing => "removing",
            FleetErrorKind::Credential => "credential",
        }
    }

    /// What is so again once the error has ended.
    pub fn recovered(self) -> &'static str {
        match self {
            FleetErrorKind::Seeing => "everything can be read again",
            FleetErrorKind::LeftAlone => "no runner is left alone any more",
            FleetErrorKind::Starting => "runners start again",
            FleetErrorKind::NoCapacity => "Azure makes VMs again, or no job waits for one",
            FleetErrorKind::Closed => "nothing of its file is closed any more",
            FleetErrorKind::Waiting => "no job waits for too long any more",
            FleetErrorKind::Unserved => "no job is without a fleet any more",
            FleetErrorKind::Removing => "no removal fails any more",
            FleetErrorKind::Credential => "the credential lasts again",
        }
    }

    /// Whether the failures of single actions are in the journal already when the error begins.
    pub fn begins_with_an_action(self) -> bool {
        matches!(self, FleetErrorKind::Starting | FleetErrorKind::Removing)
    }

    /// Whether a single run of the daemon has failed for it. Failed actions count by themselves, and what a job waits for or
    /// when a credential ends is no failure of the run.
    pub fn fails_a_run(self) -> bool {
        match self {
            FleetErrorKind::Seeing
            | FleetErrorKind::LeftAlone
            | FleetErrorKind::NoCapacity
            | FleetErrorKind::Closed => true,
            FleetErrorKind::Starting
            | FleetErrorKind::Waiting
            | FleetErrorKind::Unserved
            | FleetErrorKind::Removing
            | FleetErrorKind::Credential => false,
        }
    }

    /// Whether only a plan with both lists shows it, so that it does not end because they cannot be read.
    fn needs_lists(self) -> bool {
        match self {
            FleetErrorKind::LeftAlone
            | FleetErrorKind::NoCapacity
            | FleetErrorKind::Closed
            | FleetErrorKind::Waiting
            | FleetErrorKind::Unserved => true,
            FleetErrorKind::Seeing
            | FleetErrorKind::Starting
            | FleetErrorKind::Removing
            | FleetErrorKind::Credential => false,
        }
    }
}

/// A lasting error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastingError {
    /// The subject of the error.
    pub about: FleetErrorKind,
    /// The error, for people.
    pub what: String,
    /// When the error began.
    pub since: Timestamp,
}

/// The errors after a tick. An error that is in `before` keeps its beginning, and lasts while what it is about is not
/// known.
pub(super) fn lasting(
    fleet: &Fleet,
    plan: &Plan,
    seen: &Snapshot,
    fleet_state: &FleetState,
    before: &[LastingError],
    now: Timestamp,
) -> Vec<LastingError> {
    let of_before = |about| before.iter().find(|error| error.about == about);
    let since = |about| of_before(about).map_or(now, |error| error.since);
    let found = errors(fleet, plan, seen, fleet_state, now);
    let mut errors: Vec<LastingError> =
        found.into_iter().map(|(about, what)| LastingError { about, what, since: since(about) }).collect();
    let is_known = seen.has_whole_lists() && plan.demand.known_metrics().is_some();
    if !is_known {
        let has = |about| errors.iter().any(|error| error.about == about);
        let unknown = before.iter().filter(|error| error.about.needs_lists() && !has(error.about));
        let unknown: Vec<LastingError> = unknown.cloned().collect();
        errors.extend(unknown);
        errors.sort_by_key(|error| error.about);
    }
    errors
}

fn errors(
    fleet: &Fleet,
    plan: &Plan,
    seen: &Snapshot,
    fleet_state: &FleetState,
    now: Timestamp,
) -> Vec<(FleetErrorKind, String)> {
    let removing = [fleet_state.removals.trouble(), fleet_state.left_behind.trouble()];
    let removing: Vec<String> = removing.into_iter().flatten().collect();
    let exhausted = exhausted(fleet, plan, seen, fleet_state, now);
    let told = [
        (FleetErrorKind::Seeing, seen.trouble()),
        (FleetErrorKind::LeftAlone, plan.left_alone.as_ref().map(ToString::to_string)),
        (FleetErrorKind::Starting, starting(fleet, fleet_state, exhausted.as_ref(), now)),
        (FleetErrorKind::NoCapacity, exhausted.as_ref().map(|exhausted| no_capacity(exhausted, now))),
        (FleetErrorKind::Closed, plan.closed_places()),
        (FleetErrorKind::Waiting, waiting(fleet, plan, fleet_state, exhausted.as_ref(), now)),
        (FleetErrorKind::Unserved, unserved(fleet, plan, now)),
        (FleetErrorKind::Removing, (!removing.is_empty()).then(|| removing.join("; "))),
        (FleetErrorKind::Credential, seen.expiring.clone()),
    ];
    told.into_iter().filter_map(|(about, what)| Some((about, what?))).collect()
}

/// That there is no capacity, where the fleet has use for a VM.
fn exhausted(
    fleet: &Fleet,
    plan: &Plan,
    seen: &Snapshot,
    fleet_state: &FleetState,
    now: Timestamp,
) -> Option<Exhausted> {
    let is_coming = |phase| matches!(phase, PhaseKind::Provisioning);
    let has_use = plan.demand.metrics.pending_jobs > 0
        || plan.decision.action == ScalingAction::ScaleUp
        || plan.runners.iter().any(|runner| is_coming(runner.status.kind()));
    (has_use && seen.has_whole_lists()).then(|| fleet_state.capacity.exhausted(fleet, now))?
}

fn no_capacity(exhausted: &Exhausted, now: Timestamp) -> String {
    let left = elapsed(now, exhausted.until);
    let next = if left.is_zero() {
        "it is asked again now".to_owned()
    } else {
        format!("next try in {}", in_words(left))
    };
    format!(
        "Azure has no capacity or quota for another VM; tried {}; {next}: {}",
        exhausted.places, exhausted.why
    )
}

/// Starts that fail for another reason than capacity. After capacity ran out the reason of an older failure says nothing.
fn starting(
    fleet: &Fleet,
    fleet_state: &FleetState,
    exhausted: Option<&Exhausted>,
    now: Timestamp,
) -> Option<String> {
    let failures = &fleet_state.failures;
    let is_older = exhausted.is_some_and(|exhausted| failures.last < Some(exhausted.last));
    if failures.count == 0 || is_older && !failures.is_stopped() {
        return None;
    }
    let again = failures.wait_left(now);
    let next = again.map_or(String::new(), |left| format!("; next try in {}", in_words(left)));
    let stopped = if failures.is_stopped() { "needs your attention: " } else { "" };
    let count = counted(failures.count, "start");
    let cure = format!("; `azlin github-runner check --pool {}` looks for the cause", fleet.name);
    let console = failures.console.as_ref();
    let console = console.map_or(String::new(), |lines| format!("; its console ended with: {lines}"));
    Some(format!("{stopped}{count} failed in a row: {}{console}{next}{cure}", failures.why))
}

/// A job that has waited for longer than `max_queue_wait` and a boot, and what keeps its runner from it.
fn waiting(
    fleet: &Fleet,
    plan: &Plan,
    fleet_state: &FleetState,
    exhausted: Option<&Exhausted>,
    now: Timestamp,
) -> Option<String> {
    let job = plan.demand.oldest_pending()?;
    let waited = elapsed(job.since, now);
    let limit = fleet.scaling.max_queue_wait + fleet.lifecycle.boot_timeout;
    if !fleet.enabled || waited <= limit {
        return None;
    }
    let count = |phase| plan.runners.iter().filter(|runner| runner.status.kind() == phase).count();
    let idle = count(PhaseKind::Registered);
    let why = if exhausted.is_some() {
        "Azure has no capacity for its VM".to_owned()
    } else if fleet_state.failures.count > 0 {
        "starts fail".to_owned()
    } else if count(PhaseKind::Provisioning) > 0 {
        "its runner is starting".to_owned()
    } else if plan.lacks_room {
        format!("max_runners ({}) leaves no room for another runner", fleet.scaling.max_runners)
    } else if idle > 0 {
        format!(
            "{} idle, and GitHub gives it to none",
            if idle == 1 { "1 runner is".to_owned() } else { format!("{idle} runners are") }
        )
    } else {
        plan.decision.reason.to_string()
    };
    Some(format!(
        "{} has waited for {}, longer than max_queue_wait and boot_timeout together ({}): {why}; \
         `azlin github-runner explain --pool {}` says what to do",
        job.job,
        in_words(waited),
        in_words(limit),
        fleet.name
    ))
}

/// Jobs that ask for runners like the fleet's, and that neither this fleet nor another one serves.
fn unserved(fleet: &Fleet, plan: &Plan, now: Timestamp) -> Option<String> {
    let unserved = plan.demand.unserved.as_ref()?;
    let waited = elapsed(unserved.oldest.since, now);
    (waited > fleet.scaling.max_queue_wait).then(|| {
        let labels: Vec<String> = unserved.labels.iter().map(|label| format!("`{label}`")).collect();
        let (number, job) = (unserved.count, &unserved.oldest);
        format!(
            "no fleet serves {}: {} asks for {} and has waited for {}; `azlin github-runner explain --job {}` \
             names the labels that are nearest",
            counted(number, "queued job"),
            job.job,
            labels.join(", "),
            in_words(waited),
            job.job.id
        )
    })
}

#[cfg(test)]
mod tests;
