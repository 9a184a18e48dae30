//! The last hours of a fleet, for whoever looks: a sample each minute, and the decisions that changed something.
//! Both are rings: what is too old makes room.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ByUse, Use};
use crate::plan::ScalingAction;
use crate::report::FleetStatus;

/// Minutes that are kept: eight hours.
pub const MINUTES: usize = 8 * 60;
/// Decisions that are kept.
pub const DECISIONS: usize = 25;

/// The last hours of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// A sample for each minute that had a look, the oldest first.
    pub minutes: VecDeque<Minute>,
    /// What was decided, the oldest first.
    pub decisions: VecDeque<Decided>,
    /// When a decision last changed something, as the last look had it.
    #[serde(skip)]
    last_scaling: Option<Timestamp>,
}

/// What a minute's last look has seen; of pending jobs, the most in that minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// The minute's beginning, in seconds since 1970.
    pub at: i64,
    /// Jobs that could start.
    pub pending: u32,
    /// Jobs that run.
    pub running: u32,
    /// VMs, by their use.
    #[serde(flatten)]
    pub vms: ByUse<u32>,
}

/// A decision that changed the number of runners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: ScalingAction,
    /// From how many runners.
    pub from: u32,
    /// To how many.
    pub to: u32,
    /// Why.
    pub reason: String,
}

impl History {
    /// Takes in what a look has seen.
    pub fn saw(&mut self, fleet: &FleetStatus) {
        let minute = Minute::of(fleet);
        match self.minutes.back_mut() {
            // A clock that was set back goes on where it was.
            Some(last) if last.at >= minute.at => {
                *last = Minute { at: last.at, pending: last.pending.max(minute.pending), ..minute };
            }
            _ => self.minutes.push_back(minute),
        }
        if self.minutes.len() > MINUTES {
            self.minutes.pop_front();
        }
        let is_new = fleet.last_scaling.is_some() && fleet.last_scaling != self.last_scaling;
        if is_new && fleet.decision.action != ScalingAction::Maintain {
            self.decisions.push_back(Decided::of(fleet));
        }
        if self.decisions.len() > DECISIONS {
            self.decisions.pop_front();
        }
        self.last_scaling = fleet.last_scaling;
    }
}

impl Minute {
    fn of(fleet: &FleetStatus) -> Self {
        let count = |phase| u32::try_from(fleet.count(phase)).unwrap_or(u32::MAX);
        Minute {
            at: fleet.at.as_second().div_euclid(60) * 60,
            pending: fleet.jobs.pending_jobs,
            running: fleet.jobs.in_progress_jobs,
            vms: ByUse::from_fn(|of| match of {
                Use::Starting => count("provisioning"),
                Use::Busy => count("active"),
                Use::Idle => count("registered"),
                Use::Leaving => count("draining") + count("destroyed"),
            }),
        }
    }
}

impl Decided {
    fn of(fleet: &FleetStatus) -> Self {
        let decision = &fleet.decision;
        Decided {
            at: fleet.at,
            action: decision.action,
            from: decision.current_runner_count,
            to: decision.target_runner_count,
            reason: decision.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
