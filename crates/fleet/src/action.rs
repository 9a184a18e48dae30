//! The actions of a plan, each idempotent and with its reason, and their outcomes.

use std::fmt;

use jiff::Timestamp;

use crate::bootstrap::Took;
use crate::names::Scope;
use crate::place::Place;
use crate::reason::{ScalingReason, StartReason};
use crate::remedy::Failure;
use crate::runner::{DrainReason, RunnerId};
use crate::runner_name::RunnerName;
use crate::vm::ResourceGroup;

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a runner.
    Provision {
        /// The runner that it replaces.
        replaces: Option<RunnerName>,
        /// Where its VM is requested, in this order, until Azure has capacity.
        places: Vec<Place>,
        /// Why.
        reason: StartReason,
    },
    /// Install the runner on a VM over SSH.
    Install(Install),
    /// Remove a runner.
    Destroy(Destroy),
}

/// The installation of a runner on a VM, over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The runner.
    pub runner: RunnerName,
    /// The group of its VM, and Azure's spelling of the VM's name.
    pub vm: (ResourceGroup, String),
    /// The VM's host key.
    pub host_key: String,
    /// When the VM was requested.
    pub created_at: Timestamp,
}

/// The removal of a runner: at GitHub first, which refuses while a job runs; then its VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroy {
    /// The runner.
    pub runner: RunnerName,
    /// Where its entry is.
    pub scope: Scope,
    /// What has to be true at GitHub before the VM is touched.
    pub first: Deregister,
    /// The group of its VM, and Azure's spelling of the VM's name; absent when there is no VM.
    pub vm: Option<(ResourceGroup, String)>,
    /// The VM's host key, if the runner's service is to be stopped before the VM is removed.
    pub stop: Option<String>,
    /// Why.
    pub why: DrainReason,
}

/// What has to be true at GitHub before a VM is touched. An entry whose id is not known is looked up by
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregister {
    /// Its entry has to be removed, which GitHub refuses while it runs a job.
    Entry(RunnerId),
    /// Its entry was not in the list: it has to be confirmed that it is gone, since a list can lag.
    ConfirmGone(RunnerId),
    /// It has no entry in the list, and was to make one itself: GitHub must know neither its name nor
    /// the number that it last had.
    Unregistered(Option<RunnerId>),
    /// Its entry is in another scope, whose list was not read: it has to be removed, or that list
    /// has to be read and not to hold it.
    Elsewhere(Option<RunnerId>),
    /// Its entry is in another scope, and nothing runs on its VM: it is removed if that can be done.
    IfPossible(Option<RunnerId>),
    /// Nothing has to be true: its entry is removed if GitHub does so, and its job dies with it if not.
    Regardless(Option<RunnerId>),
    /// It has no entry that could be removed, and runs no job.
    Nothing,
}

impl Action {
    /// The word for it, in the journal and in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Provision { .. } => "provision",
            Action::Install(_) => "install",
            Action::Destroy(_) => "destroy",
        }
    }

    /// Why it is done.
    pub fn reason(&self) -> ActionReason<'_> {
        match self {
            Action::Provision { reason, .. } => ActionReason::Start(reason),
            Action::Install(_) => ActionReason::Install,
            Action::Destroy(destroy) => ActionReason::Drain(&destroy.why),
        }
    }
}

/// Why an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionReason<'a> {
    /// Why a runner is started.
    Start(&'a StartReason),
    /// A VM is there, and is no runner yet.
    Install,
    /// Why a runner is removed.
    Drain(&'a DrainReason),
}

impl ActionReason<'_> {
    /// The scaling rule that led to it, if one did.
    pub fn scaling(&self) -> Option<&ScalingReason> {
        match self {
            ActionReason::Start(StartReason::Scaling(reason))
            | ActionReason::Drain(DrainReason::Surplus(reason)) => Some(reason),
            ActionReason::Start(StartReason::Replacement { .. })
            | ActionReason::Install
            | ActionReason::Drain(_) => None,
        }
    }
}

impl fmt::Display for ActionReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActionReason::Start(reason) => reason.fmt(f),
            ActionReason::Install => f.write_str("its VM is there and is no runner yet"),
            ActionReason::Drain(reason) => reason.fmt(f),
        }
    }
}

impl Outcome {
    /// The word for it, in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Started => "started",
            Outcome::Installed { .. } => "installed",
            Outcome::Ended(_) => "ended",
            Outcome::Broken { .. } => "broken",
            Outcome::Unclear(_) => "unclear",
            Outcome::Removed => "removed",
            Outcome::LeftAlone(_) => "left_alone",
            Outcome::NoRoom(_) => "no_room",
            Outcome::Failed(_) => "failed",
        }
    }
}

/// How an action went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Azure makes the VM.
    Started,
    /// The VM is a runner.
    Installed {
        /// GitHub's number of it.
        runner_id: RunnerId,
        /// How long it took.
        took: Took,
    },
    /// The VM was a runner, and is none any more.
    Ended(RunnerId),
    /// The VM is there, and cannot be made a runner.
    Broken {
        /// Why.
        why: String,
        /// GitHub's number of it, where it was registered all the same.
        runner_id: Option<RunnerId>,
    },
    /// Whether Azure makes the VM is not known; the next lists tell.
    Unclear(String),
    /// Removed at GitHub, and Azure removes the VM.
    Removed,
    /// Left alone, and why: it took a job, or it is not as the list had it.
    LeftAlone(String),
    /// Not done, since Azure has no room for it anywhere, and what it said.
    NoRoom(String),
    /// Not done.
    Failed(Failure),
}
