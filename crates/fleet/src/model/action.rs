//! The actions of a plan. Each one is idempotent and carries its reason.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    DrainReason, ForeignText, Offering, ResourceGroup, RunnerId, RunnerName, ScalingReason, Scope,
    StartReason,
};

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a runner.
    Provision {
        /// The runner that it replaces. Absent means that it replaces none.
        replaces: Option<RunnerName>,
        /// The VM on standby that becomes the runner. Absent means a new VM.
        standby: Option<StandbyVm>,
        /// The offerings to request its VM from, in order, until Azure has capacity. That of a VM on standby is the only
        /// one.
        offerings: Vec<Offering>,
        /// Why the runner is started.
        reason: StartReason,
    },
    /// Install the runner on a VM over SSH.
    Install(Install),
    /// Remove a runner.
    Destroy(Destroy),
    /// Make a VM for standby, which sets itself up and powers off.
    Prepare {
        /// The offerings to request it from, in order, until Azure has capacity.
        offerings: Vec<Offering>,
        /// How many VMs there should be on standby.
        standby: u32,
    },
    /// Deallocate a VM that has been set up for standby.
    Deallocate(StandbyVm),
    /// Remove the user data of a VM that was taken from standby: its runner is online.
    ClearUserData(StandbyVm),
}

/// A VM that was made for standby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandbyVm {
    /// The name of the VM, and of its runner.
    pub runner: RunnerName,
    /// Its resource group, and its name as Azure spells it.
    pub vm: (ResourceGroup, ForeignText),
    /// When it was requested.
    pub created_at: Timestamp,
}

/// The installation of a runner on a VM, over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The runner.
    pub runner: RunnerName,
    /// The resource group of its VM, and the name of the VM as Azure spells it.
    pub vm: (ResourceGroup, ForeignText),
    /// The VM's host key.
    pub host_key: ForeignText,
    /// When the VM was requested.
    pub created_at: Timestamp,
}

/// The removal of a runner, in this order: what proves that it runs no job, then its entry at GitHub, then its VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroy {
    /// The runner.
    pub runner: RunnerName,
    /// The scope that holds its entry.
    pub scope: Scope,
    /// Its entry.
    pub entry: EntryRef,
    /// The resource group of its VM, and the name of the VM as Azure spells it. Absent means that no list has
    /// its VM.
    pub vm: Option<(ResourceGroup, ForeignText)>,
    /// What proves that it runs no job.
    pub proof: Proof,
    /// Whether the removal ends once Azure has no such VM any more, since its fleet waits for the room.
    pub frees_room: bool,
    /// Why the runner is removed.
    pub why: DrainReason,
}

/// What is known of a runner's entry at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRef {
    /// The list has it.
    Listed(RunnerId),
    /// The list that was read lacks it, or is another scope's. It is looked for by this id, then by its name.
    Unlisted(Option<RunnerId>),
    /// It is out of the daemon's reach: at another GitHub.
    Unreachable,
}

/// What proves that a runner runs no job. GitHub's word is no proof: its lists call a runner idle in the middle of
/// a job, remove its entry in that state, and the runner then cancels its own job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A list shows that the VM has stopped, or there is none.
    Stopped,
    /// The same of a VM that was made for standby: a late request may start it again. Without its entry it then runs no
    /// job, so that goes first.
    StoppedStandby,
    /// Azure could not make the VM, and the runner was never online. It is enough that the VM does not run now.
    NotMade,
    /// The VM is asked to drain: it ends an idle runner and powers off, and refuses while a job runs. With a host
    /// key it is asked over SSH.
    Drain(Option<ForeignText>),
    /// The VM was asked, and has not answered for so long. Every look in that time called the runner idle, and no
    /// queue named it.
    Unanswered(Duration),
    /// None: the fleet's file says that running jobs end too.
    Waived,
}

impl Action {
    /// The name of the action, in the journal and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Provision { .. } => "provision",
            Action::Install(_) => "install",
            Action::Destroy(_) => "destroy",
            Action::Prepare { .. } => "prepare",
            Action::Deallocate(_) => "deallocate",
            Action::ClearUserData(_) => "clear_user_data",
        }
    }

    /// Why the action is taken.
    pub fn reason(&self) -> ActionReason<'_> {
        match self {
            Action::Provision { reason, .. } => ActionReason::Start(reason),
            Action::Install(_) => ActionReason::Install,
            Action::Destroy(destroy) => ActionReason::Drain(&destroy.why),
            Action::Prepare { standby, .. } => ActionReason::Prepare(*standby),
            Action::Deallocate(_) => ActionReason::Deallocate,
            Action::ClearUserData(_) => ActionReason::ClearUserData,
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
    /// So many VMs should be on standby.
    Prepare(u32),
    /// The VM has been set up, and has powered off.
    Deallocate,
    /// The runner is online, and has read its configuration.
    ClearUserData,
}

impl ActionReason<'_> {
    /// The scaling rule that caused the action, if one did.
    pub fn scaling(&self) -> Option<&ScalingReason> {
        match self {
            ActionReason::Start(StartReason::Scaling(reason))
            | ActionReason::Drain(DrainReason::Surplus(reason)) => Some(reason),
            ActionReason::Start(StartReason::Replacement { .. } | StartReason::Interrupted { .. })
            | ActionReason::Install
            | ActionReason::Prepare(_)
            | ActionReason::Deallocate
            | ActionReason::ClearUserData
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
            ActionReason::Prepare(standby) => write!(f, "fewer VMs on standby than {standby}"),
            ActionReason::Deallocate => f.write_str("it is set up for standby, and has powered off"),
            ActionReason::ClearUserData => f.write_str("it is online, and has read its JIT configuration"),
        }
    }
}
