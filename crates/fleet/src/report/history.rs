//! The last hours of a fleet: one sample per minute, and the decisions that changed something. Both are
//! rings: old items are dropped.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{ByUse, PhaseKind, ScalingAction, Use};
use crate::report::{FleetStatus, Recent};

/// The number of minutes that are kept: eight hours.
pub const MINUTES: usize = 8 * 60;
/// The number of decisions that are kept.
pub const DECISIONS: usize = 25;

/// The last hours of a fleet. Its JSON is the file that keeps it over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// One sample for each minute with a poll, the oldest first.
    pub minutes: VecDeque<Minute>,
    /// The decisions, the oldest first.
    pub decisions: VecDeque<Decided>,
    /// How long jobs waited, and which starts failed.
    pub recent: Recent,
    /// When a decision last changed something, as of the last poll.
    last_scaling: Option<Timestamp>,
}

/// The part of a history that the page draws.
#[derive(Debug, Serialize)]
pub struct HistoryView<'a> {
    minutes: &'a VecDeque<Minute>,
    decisions: &'a VecDeque<Decided>,
}

/// A sample from the last poll of a minute. For pending jobs it is the maximum of that minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// The start of the minute, in seconds since 1970.
    pub at: i64,
    /// Jobs that could start now. Absent if nothing of the jobs was known.
    pub pending: Option<u32>,
    /// Jobs that are running. Absent if nothing of the jobs was known.
    pub running: Option<u32>,
    /// The number of VMs, by use. Absent if the VMs were not known.
    #[serde(flatten, deserialize_with = "if_known")]
    pub vms: Option<ByUse<u32>>,
}

/// The numbers of all uses; `None` where one is absent that is always written.
fn if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByUse<u32>>, D::Error> {
    let read = ByUse::<Option<u32>>::deserialize(deserializer)?;
    let is_whole = read.iter().all(|(of, count)| of == Use::Standby || count.is_some());
    Ok(is_whole.then(|| ByUse::from_fn(|of| read[of].unwrap_or_default())))
}

/// A decision that changed the number of runners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When the decision was made.
    pub at: Timestamp,
    /// What the decision changed.
    pub action: ScalingAction,
    /// The number of available runners before the decision.
    pub from: u32,
    /// The target of the decision.
    pub to: u32,
    /// The reason of the decision.
    pub reason: String,
}

impl History {
    /// The part that the page draws.
    pub fn view(&self) -> HistoryView<'_> {
        HistoryView { minutes: &self.minutes, decisions: &self.decisions }
    }

    /// What was read of a file, within the bounds that a history has.
    #[must_use]
    pub fn within_bounds(mut self, now: Timestamp) -> Self {
        self.minutes.retain(|minute| minute.at <= now.as_second());
        self.minutes.drain(..self.minutes.len().saturating_sub(MINUTES));
        self.decisions.drain(..self.decisions.len().saturating_sub(DECISIONS));
        self.recent.forget(now);
        self
    }

    /// Adds the result of a poll.
    pub fn saw(&mut self, fleet: &FleetStatus) {
        let minute = Minute::of(fleet);
        match self.minutes.back_mut() {
            // After the clock was set back, samples update the last minute.
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
            pending: fleet.jobs.map(|jobs| jobs.pending_jobs),
            running: fleet.jobs.map(|jobs| jobs.in_progress_jobs),
            vms: fleet.runners_known.then(|| {
                ByUse::from_fn(|of| match of {
                    Use::Starting => count(PhaseKind::Provisioning) + count(PhaseKind::Preparing),
                    Use::Busy => count(PhaseKind::Active),
                    Use::Idle => count(PhaseKind::Registered),
                    Use::Leaving => count(PhaseKind::Draining) + count(PhaseKind::Destroyed),
                    Use::Standby => count(PhaseKind::Standby),
                })
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
            from: decision.current_runner_count.unwrap_or_default(),
            to: decision.target_runner_count.unwrap_or_default(),
            reason: decision.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
