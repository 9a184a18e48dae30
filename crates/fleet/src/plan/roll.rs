//! A roll under way: a changed configuration, or age, replaces a fleet's runners one after another.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::rotation::Rotation;
use crate::model::{
    Action, DrainReason, EphemeralRunner, Outdated, RotationReason, RunnerName, StartReason, counted,
};

/// How far a roll is, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    /// The fleet's runners that need no replacement.
    pub done: u32,
    /// The fleet's runners, without those that only replace another one so far.
    pub of: u32,
    /// Why the others are replaced.
    pub cause: RollCause,
    /// What comes next.
    pub next: RollStep,
}

/// Why runners are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollCause {
    /// The fleet's configuration has changed since they were made.
    Configuration,
    /// They are older than `rotation_interval`.
    Age,
}

/// What comes next in a roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollStep {
    /// A replacement is starting.
    Replaces {
        /// The runner that is replaced.
        old: RunnerName,
        /// Its replacement.
        new: RunnerName,
    },
    /// This tick starts a replacement of the runner.
    Starts(RunnerName),
    /// This tick removes the runner first, since `max_runners` leaves no room for both.
    MakesRoom(RunnerName),
    /// All that are left run jobs, and go after them.
    AfterJobs(u32),
    /// The fleet does something else first: it scales, or starts fail.
    Waits,
}

/// A roll as status and plan report it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollStatus {
    /// The fleet's runners that need no replacement.
    pub done: u32,
    /// The fleet's runners, without those that only replace another one so far.
    pub of: u32,
    /// Why the others are replaced.
    pub cause: RollCause,
    /// What comes next, for people.
    pub next: String,
}

impl Roll {
    /// The roll of a fleet's runners, if one is under way. `actions` are those of this tick.
    pub(super) fn of(
        runners: &[EphemeralRunner],
        rotation: &Rotation<'_>,
        actions: &[Action],
    ) -> Option<Roll> {
        let coming = rotation.coming();
        let leaving: Vec<&RunnerName> = rotation.completed().map(|(old, _)| &old.runner_name).collect();
        let counts = |runner: &&EphemeralRunner| {
            let name = &runner.runner_name;
            (runner.is_available() || runner.is_busy()) && !coming.contains(name) && !leaving.contains(&name)
        };
        let staying: Vec<&EphemeralRunner> = runners.iter().filter(counts).collect();
        let outdated: Vec<(&EphemeralRunner, Outdated)> =
            staying.iter().filter_map(|runner| Some((*runner, rotation.outdated(runner)?))).collect();
        if outdated.is_empty() {
            return None;
        }
        let is_changed = outdated.iter().any(|(_, why)| matches!(why, Outdated::OtherConfiguration));
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let step = || {
            let under_way = rotation.under_way();
            if let Some((old, new)) = under_way {
                return RollStep::Replaces { old: old.clone(), new: new.clone() };
            }
            if let Some(step) = actions.iter().find_map(step_of) {
                return step;
            }
            match outdated.iter().all(|(runner, _)| runner.is_busy()) {
                true => RollStep::AfterJobs(number(outdated.len())),
                false => RollStep::Waits,
            }
        };
        Some(Roll {
            done: number(staying.len() - outdated.len()),
            of: number(staying.len()),
            cause: if is_changed { RollCause::Configuration } else { RollCause::Age },
            next: step(),
        })
    }
}

fn step_of(action: &Action) -> Option<RollStep> {
    match action {
        Action::Provision { reason: StartReason::Replacement { old, .. }, .. } => {
            Some(RollStep::Starts(old.clone()))
        }
        Action::Destroy(destroy) => match &destroy.why {
            DrainReason::Rotated(RotationReason::FirstToMakeRoom(_)) => {
                Some(RollStep::MakesRoom(destroy.runner.clone()))
            }
            _ => None,
        },
        Action::Provision { .. }
        | Action::Install(_)
        | Action::Prepare { .. }
        | Action::Deallocate(_)
        | Action::ClearUserData(_) => None,
    }
}

impl From<&Roll> for RollStatus {
    fn from(roll: &Roll) -> Self {
        RollStatus { done: roll.done, of: roll.of, cause: roll.cause, next: roll.next.to_string() }
    }
}

impl RollStatus {
    /// How far the roll is, in a few words: `2 of 5 up to date`.
    pub fn progress(&self) -> String {
        format!("{} of {} up to date", self.done, self.of)
    }
}

impl fmt::Display for RollStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.cause {
            RollCause::Configuration => "the configuration has changed",
            RollCause::Age => "older than rotation_interval",
        };
        write!(f, "{} ({why}); next: {}", self.progress(), self.next)
    }
}

impl fmt::Display for RollStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RollStep::Replaces { old, new } => write!(f, "{new} starts, and {old} goes once it is online"),
            RollStep::Starts(old) => write!(f, "a runner starts that replaces {old}"),
            RollStep::MakesRoom(old) => {
                write!(f, "{old} goes first, since max_runners leaves no room for both")
            }
            RollStep::AfterJobs(1) => f.write_str("1 busy runner goes after its job"),
            RollStep::AfterJobs(more) => write!(f, "{} go after their jobs", counted(*more, "busy runner")),
            RollStep::Waits => f.write_str("waits until the fleet has its target and starts succeed"),
        }
    }
}

#[cfg(test)]
mod tests;
