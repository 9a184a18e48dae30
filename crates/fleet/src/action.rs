//! What a plan is made of: things to do, each idempotent and with its reason.

use jiff::Timestamp;

use crate::names::Scope;
use crate::place::Place;
use crate::runner::{DrainReason, RunnerId};
use crate::runner_name::RunnerName;
use crate::vm::ResourceGroup;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a runner.
    Provision {
        /// The runner that it is to take the place of.
        replaces: Option<RunnerName>,
        /// Where its VM is asked for, in this order, until Azure has room.
        places: Vec<Place>,
        /// Why.
        reason: String,
    },
    /// Make a VM that is there a runner, over SSH.
    Install(Install),
    /// Remove a runner.
    Destroy(Destroy),
}

/// A VM that is to become a runner over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Which.
    pub runner: RunnerName,
    /// Where it is, and Azure's spelling of its name.
    pub vm: (ResourceGroup, String),
    /// The host key that it is known by.
    pub host_key: String,
    /// When the VM was asked for.
    pub created_at: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// The removal of a runner: at GitHub first, which refuses while a job runs; then its VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroy {
    /// Which.
    pub runner: RunnerName,
    /// Where its entry is.
    pub scope: Scope,
    /// What has to be true at GitHub before the VM is touched.
    pub first: Deregister,
    /// Its VM's place and Azure's spelling of its name; absent when there is none.
    pub vm: Option<(ResourceGroup, String)>,
    /// The host key that it is known by, where its service is to be stopped before its VM goes.
    pub stop: Option<String>,
    /// Why, as a rule.
    pub why: DrainReason,
    /// Why, for people.
    pub reason: String,
}

/// What has to be true at GitHub before a VM is touched. An entry whose id is not known is looked for
/// by its name.
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
}
