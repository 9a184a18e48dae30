//! The actions of a plan. Each one is idempotent and carries its reason.

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
        /// The runner that it replaces. Absent means that it replaces none.
        replaces: Option<RunnerName>,
        /// The offerings to request its VM from, in order, until Azure has capacity.
        offerings: Vec<Offering>,
        /// Why the runner is started.
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
    /// The resource group of its VM, and the name of the VM as Azure spells it.
    pub vm: (ResourceGroup, String),
    /// The VM's host key.
    pub host_key: String,
    /// When the VM was requested.
    pub created_at: Timestamp,
}

/// The removal of a runner: first its entry at GitHub, which GitHub refuses while a job runs, then its VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroy {
    /// The runner.
    pub runner: RunnerName,
    /// The scope that holds its entry.
    pub scope: Scope,
    /// What must be true at GitHub before the VM is touched.
    pub first: Deregister,
    /// The resource group of its VM, and the name of the VM as Azure spells it. Absent means that there is no
    /// VM.
    pub vm: Option<(ResourceGroup, String)>,
    /// The VM's host key. Present means that the runner's service is stopped before the VM is removed.
    pub stop: Option<String>,
    /// Why the runner is removed.
    pub why: DrainReason,
}

/// What must be true at GitHub before a VM is touched. An entry with an unknown id is looked up by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregister {
    /// The entry must be removed. GitHub refuses that while a job runs.
    Entry(RunnerId),
    /// The list had no entry. A second request must confirm that the entry is gone, because a list can lag.
    ConfirmGone(RunnerId),
    /// The list has no entry, and the runner makes its entry itself (SSH). GitHub must know neither its name
    /// nor its last known id.
    Unregistered(Option<RunnerId>),
    /// The entry is in another scope, whose list was not read. The entry must be removed, or that list must
    /// be read and must not hold it.
    Elsewhere(Option<RunnerId>),
    /// The entry is in another scope, and nothing runs on the VM. The entry is removed if GitHub allows it.
    IfPossible(Option<RunnerId>),
    /// No condition. The entry is removed if GitHub allows it; if not, the job is killed.
    Regardless(Option<RunnerId>),
    /// The runner has no entry to remove, and runs no job.
    Nothing,
}

impl Action {
    /// The name of the action, in the journal and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Provision { .. } => "provision",
            Action::Install(_) => "install",
            Action::Destroy(_) => "destroy",
        }
    }

    /// Why the action is taken.
    pub fn reason(&self) -> ActionReason<'_> {
        match self {
            Action::Provision { reason, .. } => ActionReason::Start(reason),
            Action::Install(_) => ActionReason::Install,
            Action::Destroy(destroy) => ActionReason::Drain(&destroy.why),
        }
    }
}

/// Why an action is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionReason<'a> {
    /// Why a runner is started.
    Start(&'a StartReason),
    /// The VM exists, and is not a runner yet.
    Install,
    /// Why a runner is removed.
    Drain(&'a DrainReason),
}

impl ActionReason<'_> {
    /// The scaling rule that caused the action, if one did.
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
