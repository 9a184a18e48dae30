//! The actions of a plan, each idempotent and with its reason.

use std::fmt;

use jiff::Timestamp;

use crate::model::{
    DrainReason, Offering, ResourceGroup, RunnerId, RunnerName, ScalingReason, Scope, StartReason,
};

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a runner.
    Provision {
        /// The runner that it replaces.
        replaces: Option<RunnerName>,
        /// Where its VM is requested, in this order, until Azure has capacity.
        offerings: Vec<Offering>,
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

/// The removal of a runner: first its entry at GitHub, which GitHub refuses while a job runs; then its VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroy {
    /// The runner.
    pub runner: RunnerName,
    /// The scope of its entry.
    pub scope: Scope,
    /// What must be true at GitHub before the VM is touched.
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
    /// Its entry must be removed. GitHub refuses that while a job runs.
    Entry(RunnerId),
    /// Its entry was not in the list. A second request must confirm that it is gone, because a list can lag.
    ConfirmGone(RunnerId),
    /// It has no entry in the list, and makes its entry itself (SSH). GitHub must know neither its name nor its last
    /// known id.
    Unregistered(Option<RunnerId>),
    /// Its entry is in another scope, whose list was not read. It must be removed, or that list must be read and
    /// lack it.
    Elsewhere(Option<RunnerId>),
    /// Its entry is in another scope, and nothing runs on its VM. It is removed if GitHub allows it.
    IfPossible(Option<RunnerId>),
    /// Nothing must be true. Its entry is removed if GitHub allows it; if not, its job is killed.
    Regardless(Option<RunnerId>),
    /// It has no entry to remove, and runs no job.
    Nothing,
}

impl Action {
    /// The word for it, in the journal and in metrics.
    pub fn as_str(&self) -> &'static str {
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
