//! What is decided of a fleet's size, and why: the reason of the scaling rule, and what else holds it back
//! or a person should know.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{OtherGitHub, ResourceGroup, Rule, RunnerName, ScalingAction, ScalingReason, in_words};
use crate::observe::SlowedPolling;
use crate::plan::NoCapacity;
use crate::state::ClosedPlace;

/// How many runners there should be, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingDecision {
    /// What is to change.
    pub action: ScalingAction,
    /// The runners that should be available.
    pub target_runner_count: u32,
    /// The runners that are available.
    pub current_runner_count: u32,
    /// The numbers, the rule, and what would change it.
    pub reason: Reason,
}

/// Why a decision is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What decided.
    pub basis: Basis,
    /// What holds the decision back, and what a person should know of it.
    pub remarks: Vec<Remark>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// A scaling rule.
    Scaling(ScalingReason),
    /// Runners or VMs could not be read, and why.
    Unread(String),
}

/// What holds a decision back, or what a person should know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Starts have failed, so the next one waits.
    StartsFailed {
        /// How many failed in a row.
        count: u32,
        /// What the last one said.
        why: String,
        /// How long the next one still waits.
        left: Duration,
        /// Whether only a person can help.
        is_stopped: bool,
    },
    /// Azure has no capacity for another VM of the fleet anywhere.
    NoCapacity {
        /// What it refused.
        none: NoCapacity,
        /// How long until it is asked again.
        left: Duration,
    },
    /// Azure never makes the fleet's VMs with this.
    Closed(ClosedPlace),
    /// GitHub is polled less often than configured.
    Throttled(SlowedPolling),
    /// What could not be read of the queue.
    Unread(String),
    /// What else there is to know of the queue.
    Note(String),
    /// What is left alone, and a person must look at.
    LeftAlone(LeftAlone),
}

/// Runners that only a person can help or remove: the first of them, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    /// The first.
    pub first: NotRemovable,
    /// How many more.
    pub more: usize,
}

/// A runner that only a person can help or remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRemovable {
    /// It is registered at another GitHub.
    OtherGitHub(OtherGitHub),
    /// It is online, and its VM is not where the fleet's VMs are.
    VmNotFound {
        /// The runner.
        runner: RunnerName,
        /// Where the fleet's VMs are.
        group: ResourceGroup,
    },
    /// GitHub calls it busy and offline, refuses to remove it, and there is no VM.
    BusyWithoutVm {
        /// The runner.
        runner: RunnerName,
        /// For how long.
        lasted: Duration,
    },
    /// Azure stopped its VM since nobody pays for the subscription.
    Unpaid {
        /// The runner.
        runner: RunnerName,
        /// The subscription.
        subscription_id: String,
    },
}

/// A decision as status, plan and explain report it, its reason as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionStatus {
    /// What is to change.
    pub action: ScalingAction,
    /// The runners that should be available. Absent if runners or VMs could not be read.
    pub target_runner_count: Option<u32>,
    /// The runners that are available. Absent if runners or VMs could not be read.
    pub current_runner_count: Option<u32>,
    /// The rule that decided.
    pub rule: Rule,
    /// For people: the numbers, the rule, and what would change it.
    pub reason: String,
}

impl ScalingDecision {
    /// The rule that decided.
    pub fn rule(&self) -> Rule {
        match &self.reason.basis {
            Basis::Scaling(reason) => reason.cause.rule(),
            Basis::Unread(_) => Rule::PartlyKnown,
        }
    }
}

impl Reason {
    /// Whether this says nothing beside what that reason says.
    pub fn is_only(&self, reason: &ScalingReason) -> bool {
        self.remarks.is_empty() && matches!(&self.basis, Basis::Scaling(own) if own == reason)
    }

    /// Whether it says why starts have failed.
    pub fn has_failed_starts(&self) -> bool {
        self.remarks.iter().any(|remark| matches!(remark, Remark::StartsFailed { .. }))
    }
}

impl From<&ScalingDecision> for DecisionStatus {
    fn from(decision: &ScalingDecision) -> Self {
        let is_known = !matches!(decision.reason.basis, Basis::Unread(_));
        DecisionStatus {
            action: decision.action,
            target_runner_count: is_known.then_some(decision.target_runner_count),
            current_runner_count: is_known.then_some(decision.current_runner_count),
            rule: decision.rule(),
            reason: decision.reason.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.basis {
            Basis::Scaling(reason) => reason.fmt(f)?,
            Basis::Unread(why) => write!(f, "nothing is changed until all can be seen again: {why}")?,
        }
        self.remarks.iter().try_for_each(|remark| write!(f, "; {remark}"))
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::StartsFailed { count, why, left, is_stopped } => {
                if *is_stopped {
                    f.write_str("stopped until a person acts; ")?;
                }
                let left = in_words(*left);
                write!(f, "starting none for another {left}, since starts failed ({count} in a row): {why}")
            }
            Remark::NoCapacity { none, left } => write!(f, "{none}; next try in {}", in_words(*left)),
            Remark::Closed(closed) => closed.fmt(f),
            Remark::Throttled(slowed) => slowed.fmt(f),
            Remark::Unread(what) | Remark::Note(what) => f.write_str(what),
            Remark::LeftAlone(left_alone) => left_alone.fmt(f),
        }
    }
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.more > 0 { write!(f, " ({} more like it)", self.more) } else { Ok(()) }
    }
}

impl fmt::Display for NotRemovable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotRemovable::OtherGitHub(vm) => vm.fmt(f),
            NotRemovable::VmNotFound { runner, group } => write!(
                f,
                "{runner} is online and its VM is not in {group}: it is left alone; if its VM is elsewhere, delete it \
                 by hand once it runs no job"
            ),
            NotRemovable::BusyWithoutVm { runner, lasted } => write!(
                f,
                "GitHub has called {runner} busy and offline for {}, though it has no VM: its removal is tried again; \
                 cancel its run at GitHub if that shows as running",
                in_words(*lasted)
            ),
            NotRemovable::Unpaid { runner, subscription_id } => write!(
                f,
                "Azure stopped the VM of {runner}, since subscription {subscription_id} is not paid: nothing replaces it; \
                 settle what is owed, then start the VM or delete it"
            ),
        }
    }
}
