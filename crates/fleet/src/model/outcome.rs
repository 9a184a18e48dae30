//! How actions ended. Each kind of action has its own outcome, and [`Completed`] joins both in one value.

use crate::model::{
    Action, ActionReason, Destroy, Failure, ForeignText, Install, RunnerId, StandbyVm, StartReason, Took,
};

/// How the start of a runner ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProvisionOutcome {
    /// Azure makes the VM. It becomes a runner by itself or at the next tick.
    Started,
    /// Azure made the VM, and its bootstrap over SSH has ended.
    Bootstrap(BootstrapOutcome),
    /// It is not known whether Azure makes the VM. The next lists show it.
    Unclear(String),
    /// Azure has no capacity in any offering. The text is Azure's answer.
    NoCapacity(String),
    /// The start was not begun. The text says why.
    LeftAlone(String),
    /// No VM was made.
    Failed(Failure),
}

/// How a change of a VM that was made for standby ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmChangeOutcome {
    /// It is as it should be.
    Done,
    /// It is not known whether Azure makes the change. The next lists show it.
    Unclear(String),
    /// It was not begun. The text says why.
    LeftAlone(String),
    /// It failed.
    Failed(Failure),
}

/// How the installation of a runner on an existing VM ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallOutcome {
    /// The bootstrap over SSH has ended.
    Bootstrap(BootstrapOutcome),
    /// The installation was not begun, or was given up. The text says why. A later tick continues it.
    LeftAlone(String),
    /// The installation failed.
    Failed(Failure),
}

/// How a bootstrap over SSH ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapOutcome {
    /// The VM is a runner.
    Installed {
        /// GitHub's id of the runner.
        runner_id: RunnerId,
        /// The key by which the VM is known when it is spoken to again.
        host_key: ForeignText,
        /// How long the bootstrap took.
        took: Took,
    },
    /// The VM was a runner, and is no runner any more.
    Ended(RunnerId),
    /// The VM exists, and cannot become a runner.
    Broken {
        /// Why the VM cannot become a runner.
        why: String,
        /// GitHub's id of the runner. Present if it was registered before it broke.
        runner_id: Option<RunnerId>,
    },
}

/// How the removal of a runner ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestroyOutcome {
    /// Its entry is removed, and Azure removes its VM.
    Removed,
    /// The same, and Azure has no such VM any more.
    Gone,
    /// The runner stays: its VM says that a job runs.
    Busy,
    /// The runner stays for now: its VM was asked to drain, and has not answered yet. The text says how.
    Asked(String),
    /// The runner stays for now. The text says why: it differs from the list.
    LeftAlone(String),
    /// The removal failed.
    Failed(Failure),
}

/// A completed action with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    /// The start of a runner.
    Provision {
        /// Why the runner was started.
        reason: StartReason,
        /// Whether its VM was on standby.
        is_from_standby: bool,
        /// How the start ended.
        outcome: ProvisionOutcome,
    },
    /// The installation of a runner.
    Install {
        /// The installation.
        install: Install,
        /// How the installation ended.
        outcome: InstallOutcome,
    },
    /// The removal of a runner.
    Destroy {
        /// The removal.
        destroy: Destroy,
        /// How the removal ended.
        outcome: DestroyOutcome,
    },
    /// A VM for standby.
    Prepare {
        /// How many VMs there should be on standby.
        standby: u32,
        /// How the request for it ended.
        outcome: ProvisionOutcome,
    },
    /// The deallocation of a VM.
    Deallocate {
        /// The VM.
        standby: StandbyVm,
        /// How the deallocation ended.
        outcome: VmChangeOutcome,
    },
    /// The removal of a VM's user data.
    ClearUserData {
        /// The VM.
        standby: StandbyVm,
        /// How the removal ended.
        outcome: VmChangeOutcome,
    },
}

impl Completed {
    /// An action that was not begun.
    pub fn left_alone(action: Action, why: impl Into<String>) -> Completed {
        let why = why.into();
        match action {
            Action::Provision { reason, standby, .. } => {
                let is_from_standby = standby.is_some();
                Completed::Provision { reason, is_from_standby, outcome: ProvisionOutcome::LeftAlone(why) }
            }
            Action::Prepare { standby, .. } => {
                Completed::Prepare { standby, outcome: ProvisionOutcome::LeftAlone(why) }
            }
            Action::Deallocate(standby) => {
                Completed::Deallocate { standby, outcome: VmChangeOutcome::LeftAlone(why) }
            }
            Action::ClearUserData(standby) => {
                Completed::ClearUserData { standby, outcome: VmChangeOutcome::LeftAlone(why) }
            }
            Action::Install(install) => {
                Completed::Install { install, outcome: InstallOutcome::LeftAlone(why) }
            }
            Action::Destroy(destroy) => {
                Completed::Destroy { destroy, outcome: DestroyOutcome::LeftAlone(why) }
            }
        }
    }

    /// An action that failed.
    pub fn failed(action: Action, failure: Failure) -> Completed {
        match action {
            Action::Provision { reason, standby, .. } => {
                let is_from_standby = standby.is_some();
                Completed::Provision { reason, is_from_standby, outcome: ProvisionOutcome::Failed(failure) }
            }
            Action::Prepare { standby, .. } => {
                Completed::Prepare { standby, outcome: ProvisionOutcome::Failed(failure) }
            }
            Action::Deallocate(standby) => {
                Completed::Deallocate { standby, outcome: VmChangeOutcome::Failed(failure) }
            }
            Action::ClearUserData(standby) => {
                Completed::ClearUserData { standby, outcome: VmChangeOutcome::Failed(failure) }
            }
            Action::Install(install) => {
                Completed::Install { install, outcome: InstallOutcome::Failed(failure) }
            }
            Action::Destroy(destroy) => {
                Completed::Destroy { destroy, outcome: DestroyOutcome::Failed(failure) }
            }
        }
    }

    /// The name of the action, as in [`Action::as_str`].
    pub fn action(&self) -> &'static str {
        match self {
            Completed::Provision { .. } => "provision",
            Completed::Install { .. } => "install",
            Completed::Destroy { .. } => "destroy",
            Completed::Prepare { .. } => "prepare",
            Completed::Deallocate { .. } => "deallocate",
            Completed::ClearUserData { .. } => "clear_user_data",
        }
    }

    /// Why the action was taken.
    pub fn reason(&self) -> ActionReason<'_> {
        match self {
            Completed::Provision { reason, .. } => ActionReason::Start(reason),
            Completed::Install { .. } => ActionReason::Install,
            Completed::Destroy { destroy, .. } => ActionReason::Drain(&destroy.why),
            Completed::Prepare { standby, .. } => ActionReason::Prepare(*standby),
            Completed::Deallocate { .. } => ActionReason::Deallocate,
            Completed::ClearUserData { .. } => ActionReason::ClearUserData,
        }
    }

    /// Whether there is room for another VM at once.
    pub fn frees_room(&self) -> bool {
        matches!(self, Completed::Destroy { outcome: DestroyOutcome::Gone, .. })
    }

    /// The name of the outcome, in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Completed::Provision { outcome, .. } => outcome.as_str(),
            Completed::Install { outcome, .. } => outcome.as_str(),
            Completed::Destroy { outcome, .. } => outcome.as_str(),
            Completed::Prepare { outcome, .. } => outcome.as_str(),
            Completed::Deallocate { outcome, .. } | Completed::ClearUserData { outcome, .. } => {
                outcome.as_str()
            }
        }
    }

    /// The bootstrap over SSH that was part of the action, if it ended.
    pub fn bootstrap(&self) -> Option<&BootstrapOutcome> {
        match self {
            Completed::Provision { outcome: ProvisionOutcome::Bootstrap(outcome), .. }
            | Completed::Install { outcome: InstallOutcome::Bootstrap(outcome), .. } => Some(outcome),
            Completed::Provision { .. }
            | Completed::Install { .. }
            | Completed::Destroy { .. }
            | Completed::Prepare { .. }
            | Completed::Deallocate { .. }
            | Completed::ClearUserData { .. } => None,
        }
    }

    /// What went wrong, if anything did.
    pub fn error(&self) -> Option<&str> {
        match self {
            Completed::Deallocate { outcome, .. } | Completed::ClearUserData { outcome, .. } => match outcome
            {
                VmChangeOutcome::Unclear(why) | VmChangeOutcome::Failed(Failure { why, .. }) => Some(why),
                VmChangeOutcome::Done | VmChangeOutcome::LeftAlone(_) => None,
            },
            Completed::Provision { outcome, .. } | Completed::Prepare { outcome, .. } => outcome.error(),
            Completed::Install { outcome, .. } => match outcome {
                InstallOutcome::Failed(Failure { why, .. }) => Some(why),
                InstallOutcome::Bootstrap(outcome) => outcome.error(),
                InstallOutcome::LeftAlone(_) => None,
            },
            Completed::Destroy { outcome, .. } => match outcome {
                DestroyOutcome::Failed(Failure { why, .. }) => Some(why),
                DestroyOutcome::Removed
                | DestroyOutcome::Gone
                | DestroyOutcome::Busy
                | DestroyOutcome::Asked(_)
                | DestroyOutcome::LeftAlone(_) => None,
            },
        }
    }
}

impl ProvisionOutcome {
    /// Whether the start made no VM, and makes none later.
    pub fn made_no_vm(&self) -> bool {
        match self {
            ProvisionOutcome::NoCapacity(_)
            | ProvisionOutcome::LeftAlone(_)
            | ProvisionOutcome::Failed(_) => true,
            ProvisionOutcome::Started | ProvisionOutcome::Bootstrap(_) | ProvisionOutcome::Unclear(_) => {
                false
            }
        }
    }

    /// What went wrong, if anything did.
    pub fn error(&self) -> Option<&str> {
        match self {
            ProvisionOutcome::Unclear(why)
            | ProvisionOutcome::NoCapacity(why)
            | ProvisionOutcome::Failed(Failure { why, .. }) => Some(why),
            ProvisionOutcome::Bootstrap(outcome) => outcome.error(),
            ProvisionOutcome::Started | ProvisionOutcome::LeftAlone(_) => None,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            ProvisionOutcome::Started => "started",
            ProvisionOutcome::Bootstrap(outcome) => outcome.as_str(),
            ProvisionOutcome::Unclear(_) => "unclear",
            ProvisionOutcome::NoCapacity(_) => "no_room",
            ProvisionOutcome::LeftAlone(_) => "left_alone",
            ProvisionOutcome::Failed(_) => "failed",
        }
    }
}

impl VmChangeOutcome {
    fn as_str(&self) -> &'static str {
        match self {
            VmChangeOutcome::Done => "done",
            VmChangeOutcome::Unclear(_) => "unclear",
            VmChangeOutcome::LeftAlone(_) => "left_alone",
            VmChangeOutcome::Failed(_) => "failed",
        }
    }
}

impl InstallOutcome {
    fn as_str(&self) -> &'static str {
        match self {
            InstallOutcome::Bootstrap(outcome) => outcome.as_str(),
            InstallOutcome::LeftAlone(_) => "left_alone",
            InstallOutcome::Failed(_) => "failed",
        }
    }
}

impl BootstrapOutcome {
    fn as_str(&self) -> &'static str {
        match self {
            BootstrapOutcome::Installed { .. } => "installed",
            BootstrapOutcome::Ended(_) => "ended",
            BootstrapOutcome::Broken { .. } => "broken",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            BootstrapOutcome::Broken { why, .. } => Some(why),
            BootstrapOutcome::Installed { .. } | BootstrapOutcome::Ended(_) => None,
        }
    }
}

impl DestroyOutcome {
    fn as_str(&self) -> &'static str {
        match self {
            DestroyOutcome::Removed | DestroyOutcome::Gone => "removed",
            DestroyOutcome::Busy => "busy",
            DestroyOutcome::Asked(_) => "asked",
            DestroyOutcome::LeftAlone(_) => "left_alone",
            DestroyOutcome::Failed(_) => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ScalingReason;

    const IDLE: StartReason = StartReason::Scaling(ScalingReason::IDLE);

    fn provision(outcome: ProvisionOutcome) -> Completed {
        Completed::Provision { reason: IDLE, is_from_standby: false, outcome }
    }

    #[test]
    fn metrics_and_complaints_of_a_start() {
        let text = || "why".to_owned();
        let took = Took::default();
        for (outcome, word, error) in [
            (ProvisionOutcome::Started, "started", None),
            (ProvisionOutcome::Unclear(text()), "unclear", Some("why")),
            (ProvisionOutcome::NoCapacity(text()), "no_room", Some("why")),
            (ProvisionOutcome::LeftAlone(text()), "left_alone", None),
            (ProvisionOutcome::Failed(Failure::later("why")), "failed", Some("why")),
            (
                ProvisionOutcome::Bootstrap(BootstrapOutcome::Installed {
                    runner_id: RunnerId(1),
                    host_key: text().into(),
                    took,
                }),
                "installed",
                None,
            ),
            (ProvisionOutcome::Bootstrap(BootstrapOutcome::Ended(RunnerId(1))), "ended", None),
            (
                ProvisionOutcome::Bootstrap(BootstrapOutcome::Broken { why: text(), runner_id: None }),
                "broken",
                Some("why"),
            ),
        ] {
            let is_bootstrap = matches!(outcome, ProvisionOutcome::Bootstrap(_));
            let completed = provision(outcome);
            assert_eq!((completed.as_str(), completed.error()), (word, error));
            assert_eq!(completed.bootstrap().is_some(), is_bootstrap, "{word}");
            assert_eq!((completed.action(), completed.reason()), ("provision", ActionReason::Start(&IDLE)));
        }
    }

    #[test]
    fn an_action_that_was_not_begun_keeps_its_kind_and_its_reason() {
        let action = Action::Provision { replaces: None, standby: None, offerings: Vec::new(), reason: IDLE };
        let left = Completed::left_alone(action.clone(), "the daemon is stopping");
        assert_eq!(left, provision(ProvisionOutcome::LeftAlone("the daemon is stopping".to_owned())));
        let failed = Completed::failed(action.clone(), Failure::later("no answer"));
        assert_eq!(failed, provision(ProvisionOutcome::Failed(Failure::later("no answer"))));
        assert_eq!(failed.action(), action.as_str());
    }
}
