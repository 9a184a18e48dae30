//! Why a fleet starts or removes runners: the numbers and the rule as values. `Display` makes the sentence
//! last.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{ForeignText, JobId, RunnerName, counted, in_words};

/// What a decision changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingAction {
    /// Add runners up to the target.
    ScaleUp,
    /// Remove available runners down to the target.
    ScaleDown,
    /// Change nothing.
    Maintain,
}

impl ScalingAction {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ScalingAction::ScaleUp => "scale_up",
            ScalingAction::ScaleDown => "scale_down",
            ScalingAction::Maintain => "maintain",
        }
    }
}

/// The rule that made the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The formula, past its threshold.
    Formula,
    /// A job has waited too long.
    NoJobStarves,
    /// Fewer runners are available than the minimum.
    Minimum,
    /// A person set the count.
    Manual,
    /// The fleet is not enabled.
    Disabled,
    /// The fleet has what it needs.
    Enough,
    /// The difference is within the threshold.
    Threshold,
    /// The last scaling action was too recent.
    Cooldown,
    /// The fleet needs more runners than the maximum allows, or has more.
    Maximum,
    /// The demand is not fully known, so no runner is removed.
    PartlyKnown,
    /// Idle runners stay for a while after the fleet's last job.
    KeptWarm,
}

impl Rule {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Formula => "formula",
            Rule::NoJobStarves => "no_job_starves",
            Rule::Minimum => "minimum",
            Rule::Manual => "manual",
            Rule::Disabled => "disabled",
            Rule::Enough => "enough",
            Rule::Threshold => "threshold",
            Rule::Cooldown => "cooldown",
            Rule::Maximum => "maximum",
            Rule::PartlyKnown => "partly_known",
            Rule::KeptWarm => "kept_warm",
        }
    }
}

/// The numbers behind a target, and its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingReason {
    /// Jobs that could start now.
    pub pending_jobs: u32,
    /// Whether `pending_jobs` is only a lower bound.
    pub partly_known: bool,
    /// Runners that the pending jobs need.
    pub needed: u32,
    /// Runners that can still take a job.
    pub available: u32,
    /// Runners that run a job.
    pub busy: u32,
    /// Runners that are leaving, whose VMs still exist.
    pub draining: u32,
    /// VMs that are set up for standby.
    pub preparing: u32,
    /// The most VMs that the fleet may have.
    pub max_runners: u32,
    /// Runners that should be available.
    pub target: u32,
    /// The cause of the decision.
    pub cause: ScalingCause,
}

/// What caused a target, and what would change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalingCause {
    /// Fewer runners are available than the target, by more than the threshold.
    Short {
        /// `scale_up_threshold`.
        threshold: u32,
    },
    /// More runners are available than the target, by more than the threshold.
    Over,
    /// A job has waited longer than it may.
    JobStarves {
        /// The job that has waited longest.
        oldest: WaitingJob,
        /// `max_queue_wait`.
        max_queue_wait: Duration,
    },
    /// Fewer runners are available than the minimum.
    Minimum {
        /// `min_runners`.
        min_runners: u32,
    },
    /// A person set the count.
    Manual {
        /// The count, busy runners included.
        count: u32,
    },
    /// The fleet is not enabled.
    Disabled,
    /// The target is met.
    Enough,
    /// Fewer runners than the target, within the threshold.
    ShortWithinThreshold {
        /// `scale_up_threshold`.
        threshold: u32,
        /// `max_queue_wait`: after it a runner is added regardless of the threshold.
        max_queue_wait: Duration,
        /// The job that has waited longest.
        oldest: Option<WaitingJob>,
    },
    /// More runners than the target, within the threshold.
    OverWithinThreshold {
        /// `scale_down_threshold`.
        threshold: u32,
    },
    /// The cooldown delays the change.
    Cooldown {
        /// `cooldown`.
        cooldown: Duration,
        /// The time left of the cooldown.
        left: Duration,
    },
    /// Idle runners stay for a while after the fleet's last job.
    KeptWarm {
        /// `keep_for`.
        keep_for: Duration,
        /// The time left of it.
        left: Duration,
    },
    /// More runners are available than the maximum allows.
    OverMaximum,
    /// The jobs need more runners than the maximum allows.
    AtMaximum,
    /// The same, and VMs whose removal fails take the room.
    CannotRemove {
        /// How many.
        vms: u32,
    },
    /// The demand is not fully known.
    PartlyKnown,
}

/// A pending job, and how long it has waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    /// GitHub's id of the job.
    pub id: JobId,
    /// The name of the job in the workflow.
    pub name: ForeignText,
    /// How long the job has waited.
    pub waited: Duration,
}

/// Why a runner is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartReason {
    /// The fleet needs more runners.
    Scaling(ScalingReason),
    /// It replaces an outdated runner.
    Replacement {
        /// The runner that is replaced.
        old: RunnerName,
        /// Why that runner is outdated.
        why: Outdated,
    },
    /// Its start was interrupted, and is resumed under its own name.
    Interrupted {
        /// The runner.
        runner: RunnerName,
    },
}

/// Why an idle runner is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outdated {
    /// It was made from another configuration of the fleet.
    OtherConfiguration,
    /// It is too old.
    TooOld {
        /// Its age.
        age: Duration,
        /// `rotation_interval`.
        limit: Duration,
    },
}

impl ScalingCause {
    /// The rule behind the cause.
    pub fn rule(&self) -> Rule {
        match self {
            ScalingCause::Short { .. } | ScalingCause::Over => Rule::Formula,
            ScalingCause::JobStarves { .. } => Rule::NoJobStarves,
            ScalingCause::Minimum { .. } => Rule::Minimum,
            ScalingCause::Manual { .. } => Rule::Manual,
            ScalingCause::Disabled => Rule::Disabled,
            ScalingCause::Enough => Rule::Enough,
            ScalingCause::ShortWithinThreshold { .. } | ScalingCause::OverWithinThreshold { .. } => {
                Rule::Threshold
            }
            ScalingCause::Cooldown { .. } => Rule::Cooldown,
            ScalingCause::OverMaximum | ScalingCause::AtMaximum | ScalingCause::CannotRemove { .. } => {
                Rule::Maximum
            }
            ScalingCause::PartlyKnown => Rule::PartlyKnown,
            ScalingCause::KeptWarm { .. } => Rule::KeptWarm,
        }
    }
}

impl ScalingReason {
    /// The reason for a fleet without jobs and runners.
    pub const IDLE: ScalingReason = ScalingReason {
        pending_jobs: 0,
        partly_known: false,
        needed: 0,
        available: 0,
        busy: 0,
        draining: 0,
        preparing: 0,
        max_runners: 0,
        target: 0,
        cause: ScalingCause::Enough,
    };
}

/// The point first, and the numbers behind it in brackets.
impl fmt::Display for ScalingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, most) = (self.target, self.max_runners);
        let (jobs, runners) = (self.jobs(), self.runners());
        let short = || format!("{} short", counted(target.saturating_sub(self.available), "runner"));
        let over =
            || format!("{} more than needed", counted(self.available.saturating_sub(target), "runner"));
        match &self.cause {
            ScalingCause::Short { .. } => {
                write!(f, "{jobs}, {}: scaling up to {target} ({runners})", short())
            }
            ScalingCause::Over => write!(f, "{jobs}, {}: scaling down to {target} ({runners})", over()),
            ScalingCause::JobStarves { oldest, max_queue_wait } => {
                let limit = in_words(*max_queue_wait);
                write!(
                    f,
                    "{oldest}, longer than max_queue_wait ({limit}): scaling up to {target} past threshold and cooldown \
                     ({jobs}; {runners})"
                )
            }
            ScalingCause::Minimum { min_runners } => {
                write!(
                    f,
                    "fewer than min_runners ({min_runners}): scaling up to {target} ({jobs}; {runners})"
                )
            }
            ScalingCause::Manual { count } => {
                write!(f, "pinned to {} by hand", counted(*count, "runner"))?;
                match target.cmp(&self.available) {
                    Ordering::Greater => write!(f, ": starting {}", target - self.available)?,
                    Ordering::Less => write!(f, ": removing {}", self.available - target)?,
                    Ordering::Equal => {}
                }
                write!(f, "; `scale --auto` unpins ({jobs}; {runners})")
            }
            ScalingCause::Disabled => {
                write!(f, "not enabled, so it is drained; `enabled = true` ends that ({jobs}; {runners})")
            }
            ScalingCause::Enough if self.pending_jobs == 0 => write!(f, "{jobs}; nothing to do ({runners})"),
            ScalingCause::Enough => write!(f, "{jobs}, and as many runners as they need ({runners})"),
            ScalingCause::ShortWithinThreshold { threshold, max_queue_wait, oldest } => {
                let limit = in_words(*max_queue_wait);
                write!(
                    f,
                    "{jobs}, {}: holding until a job has waited {limit} (scale_up_threshold is {threshold}); ",
                    short()
                )?;
                match oldest {
                    Some(oldest) => write!(f, "{oldest}")?,
                    None => f.write_str("no job waits")?,
                }
                write!(f, " ({runners})")
            }
            ScalingCause::OverWithinThreshold { threshold } => {
                write!(f, "{jobs}, {}: kept, since scale_down_threshold is {threshold} ({runners})", over())
            }
            ScalingCause::Cooldown { cooldown, left } => {
                let change = if target > self.available { short() } else { over() };
                let (cooldown, left) = (in_words(*cooldown), in_words(*left));
                write!(
                    f,
                    "{jobs}, {change}: holding for the cooldown of {cooldown}, which ends in {left} ({runners})"
                )
            }
            ScalingCause::KeptWarm { keep_for, left } => {
                let (keep_for, left) = (in_words(*keep_for), in_words(*left));
                write!(
                    f,
                    "{jobs}, {}: kept warm for another {left} (keep_for is {keep_for}; {runners})",
                    over()
                )
            }
            ScalingCause::OverMaximum => {
                write!(f, "more than max_runners ({most}): scaling down to {target} ({jobs}; {runners})")
            }
            ScalingCause::AtMaximum => {
                let needed = counted(self.needed, "runner");
                let wait = if self.busy > 0 {
                    ", or wait for busy runners"
                } else if self.draining > 0 {
                    ", or wait until those that leave are deleted"
                } else if self.preparing > 0 {
                    ", or wait until those that are prepared for standby are deallocated"
                } else {
                    ""
                };
                write!(
                    f,
                    "{jobs}, {needed} needed, and max_runners ({most}) allows no more: raise it{wait} ({runners})"
                )
            }
            ScalingCause::CannotRemove { vms } => {
                let (vms, take) = (counted(*vms, "VM"), if *vms == 1 { "takes" } else { "take" });
                write!(
                    f,
                    "{vms} that cannot be removed {take} the room of max_runners ({most}): see why its removal fails \
                     ({jobs}; {runners})"
                )
            }
            ScalingCause::PartlyKnown => {
                write!(f, "the queue is only partly known, so nothing is removed ({jobs}; {runners})")
            }
        }
    }
}

impl ScalingReason {
    /// The jobs that could start now.
    fn jobs(&self) -> String {
        match (self.pending_jobs, self.partly_known) {
            (0, false) => "no job queued".to_owned(),
            (jobs, false) => format!("{} queued", counted(jobs, "job")),
            (jobs, true) => format!("at least {} queued", counted(jobs, "job")),
        }
    }

    /// All runners of the maximum, by what they do.
    fn runners(&self) -> String {
        let each = [
            (self.available, "available"),
            (self.busy, "busy"),
            (self.draining, "leaving"),
            (self.preparing, "preparing for standby"),
        ];
        let told = each.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let all = each.iter().fold(0_u32, |all, (count, _)| all.saturating_add(*count));
        let total = format!("{all} of {}", counted(self.max_runners, "runner"));
        if told.is_empty() { total } else { format!("{total}: {told}") }
    }
}

impl fmt::Display for WaitingJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, waited) = (&self.name, in_words(self.waited));
        if self.id.is_of_assignment() {
            write!(f, "a job ({name}) has waited {waited}")
        } else {
            write!(f, "job {} ({name}) has waited {waited}", self.id)
        }
    }
}

impl fmt::Display for StartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartReason::Scaling(reason) => reason.fmt(f),
            StartReason::Replacement { old, why } => write!(f, "to take the place of {old}: {why}"),
            StartReason::Interrupted { .. } => {
                f.write_str("its start was interrupted, and is resumed under its own name")
            }
        }
    }
}

impl fmt::Display for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outdated::OtherConfiguration => {
                f.write_str("it was made from another configuration of the fleet")
            }
            Outdated::TooOld { age, limit } => {
                let (age, limit) = (in_words(*age), in_words(*limit));
                write!(f, "it is {age} old, more than rotation_interval ({limit})")
            }
        }
    }
}

#[cfg(test)]
mod tests;
