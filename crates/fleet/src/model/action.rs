//! What a plan is made of: things to do, each idempotent and with its reason.

use jiff::Timestamp;

use crate::model::{DrainReason, ResourceGroup, RunnerId, RunnerName, Scope};
use crate::offering::Place;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a new runner.
    Provision {
        /// The runner that it replaces.
        replaces: Option<RunnerName>,
        /// The places where its VM is asked for, in this order, until Azure has capacity.
        offerings: Vec<Place>,
        /// Why.
        reason: String,
    },
    /// Install a runner over SSH on a VM that is there.
    Install(Install),
    /// Remove a runner.
    Destroy(Destroy),
}

/// The installation of a runner over SSH on a VM that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The runner.
    pub runner: RunnerName,
    /// Its VM: the resource group, and Azure's spelling of the name.
    pub vm: (ResourceGroup, String),
    /// The VM's host key.
    pub host_key: String,
    /// When the VM was asked for.
    pub created_at: Timestamp,
    /// Why, for people.
    pub reason: String,
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
    /// Its VM: the resource group, and Azure's spelling of the name; absent when there is none.
    pub vm: Option<(ResourceGroup, String)>,
    /// The VM's host key, where the runner's service is stopped over SSH before the VM is removed.
    pub stop: Option<String>,
    /// Why, as the rule that says so.
    pub why: DrainReason,
    /// Why, for people.
    pub reason: String,
}

/// What must be true at GitHub before a VM is touched. An entry whose id is not known is looked up by its name.
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
}
