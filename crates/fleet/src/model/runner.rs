//! Runners: their entries at GitHub, and their phase in a fleet.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::{BrokenReason, DrainReason, ForeignText, Label, RunnerId, RunnerName, Scope, Vm};
use crate::seeded_bug;

/// Whether a runner is connected to GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerStatus {
    /// The runner is connected.
    Online,
    /// The runner is not connected. A busy runner may be offline for a moment.
    Offline,
}

/// A runner's entry at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// GitHub's id of the runner.
    pub runner_id: RunnerId,
    /// The runner's name, unique in its scope.
    pub runner_name: ForeignText,
    /// Whether the runner is connected.
    pub status: RunnerStatus,
    /// Whether the runner runs a job.
    pub busy: bool,
    /// The runner's labels, including the implicit ones.
    pub labels: Vec<ForeignText>,
}

/// What a runner is registered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerConfig {
    /// The repository, organisation or enterprise.
    pub scope: Scope,
    /// The name of the runner and of its VM.
    pub runner_name: RunnerName,
    /// The fleet's labels and the implicit ones.
    pub labels: Vec<Label>,
    /// The name of the runner group. Absent means the default group.
    pub runner_group: Option<String>,
    /// The name of its scale set, in that group. Absent means none.
    pub scale_set: Option<String>,
}

/// A registration token, for immediate use.
#[derive(Debug, Clone)]
pub struct RegistrationToken {
    /// The token.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The URL of the repository, organisation or enterprise, for `config.sh`.
    pub url: String,
}

/// A runner that is registered before its VM is made, and what the VM needs to run it. A JIT configuration
/// replaces a registration token, and does not expire.
#[derive(Debug, Clone)]
pub struct RunnerRegistration {
    /// GitHub's id of the runner.
    pub runner_id: RunnerId,
    /// The name of the runner and of its VM.
    pub runner_name: RunnerName,
    /// The argument of `run.sh --jitconfig`.
    pub encoded_jit_config: SecretString,
}

/// How GitHub answered a request to remove a runner's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregistration {
    /// The runner ran no job, and its entry is removed. It gets no job any more.
    Removed,
    /// GitHub has no such entry, or does not show it to this credential.
    NotFound,
    /// GitHub says that the runner runs a job. It may say the opposite of one that does.
    Busy,
}

/// One VM and the one GitHub runner on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EphemeralRunner {
    /// The name of the VM and of the GitHub runner.
    pub runner_name: RunnerName,
    /// The VM. Absent before a list shows it, and after it is gone.
    pub vm: Option<Arc<Vm>>,
    /// GitHub's id of the runner, from its entry or from the VM's tag.
    pub runner_id: Option<RunnerId>,
    /// Whether GitHub's list holds its entry.
    pub is_listed: bool,
    /// When its VM was requested.
    pub created_at: Timestamp,
    /// Jobs that the runner has finished, as far as polls have shown them.
    pub jobs_completed: u32,
    /// The runner's phase.
    pub status: Phase,
}

/// The phase of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The runner starts: it has not been online yet.
    Provisioning {
        /// When its VM was requested.
        since: Timestamp,
    },
    /// The runner is online and has no job.
    Registered {
        /// GitHub's id of the runner.
        id: RunnerId,
    },
    /// GitHub reports that the runner runs a job.
    Active {
        /// GitHub's id of the runner.
        id: RunnerId,
    },
    /// The runner takes no more jobs, and its removal is planned.
    Draining {
        /// Why the runner is removed.
        why: DrainReason,
    },
    /// Azure removes the VM, or has removed it and a list still shows it.
    Destroyed,
    /// The VM is set up for standby, or is being deallocated. It has no runner.
    Preparing {
        /// Since when.
        since: Timestamp,
    },
    /// The VM is set up and deallocated. It has no runner, and costs its disk alone.
    Standby,
}

impl EphemeralRunner {
    /// Whether the runner can still take a job.
    pub fn is_available(&self) -> bool {
        matches!(self.status, Phase::Provisioning { .. } | Phase::Registered { .. })
    }

    /// Whether the runner runs a job.
    pub fn is_busy(&self) -> bool {
        matches!(self.status, Phase::Active { .. })
    }

    /// Whether the runner counts towards `max_runners`. An entry that cannot be real does not, nor does a VM that is
    /// deallocated.
    pub fn takes_room(&self) -> bool {
        let takes_none = match self.status {
            Phase::Standby | Phase::Draining { why: DrainReason::Broken(BrokenReason::BusyWithoutVm) } => {
                true
            }
            Phase::Preparing { .. } => seeded_bug!(PreparingNotCounted, false, true),
            _ => self.was_on_standby(),
        };
        !takes_none
    }

    /// Whether it is on its way out and was never taken from standby: it does not run.
    fn was_on_standby(&self) -> bool {
        let is_leaving = matches!(self.status, Phase::Draining { .. } | Phase::Destroyed);
        is_leaving && self.vm.as_ref().is_some_and(|vm| vm.is_on_standby())
    }

    /// Whether the runner counts as online: registered or active.
    pub fn is_online(&self) -> bool {
        matches!(self.status, Phase::Registered { .. } | Phase::Active { .. })
    }
}

/// A [`Phase`] without its data, for status, history and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseKind {
    /// [`Phase::Provisioning`].
    Provisioning,
    /// [`Phase::Registered`].
    Registered,
    /// [`Phase::Active`].
    Active,
    /// [`Phase::Draining`].
    Draining,
    /// [`Phase::Destroyed`].
    Destroyed,
    /// [`Phase::Preparing`].
    Preparing,
    /// [`Phase::Standby`].
    Standby,
}

impl Phase {
    /// The kind of this phase.
    pub fn kind(&self) -> PhaseKind {
        match self {
            Phase::Provisioning { .. } => PhaseKind::Provisioning,
            Phase::Registered { .. } => PhaseKind::Registered,
            Phase::Active { .. } => PhaseKind::Active,
            Phase::Draining { .. } => PhaseKind::Draining,
            Phase::Destroyed => PhaseKind::Destroyed,
            Phase::Preparing { .. } => PhaseKind::Preparing,
            Phase::Standby => PhaseKind::Standby,
        }
    }
}

impl PhaseKind {
    /// All phases, in the order of a runner's life, and those of VMs that are no runner yet.
    pub const ALL: [PhaseKind; 7] = [
        PhaseKind::Provisioning,
        PhaseKind::Registered,
        PhaseKind::Active,
        PhaseKind::Draining,
        PhaseKind::Destroyed,
        PhaseKind::Preparing,
        PhaseKind::Standby,
    ];

    /// The name of the phase in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            PhaseKind::Provisioning => "provisioning",
            PhaseKind::Registered => "registered",
            PhaseKind::Active => "active",
            PhaseKind::Draining => "draining",
            PhaseKind::Destroyed => "destroyed",
            PhaseKind::Preparing => "preparing",
            PhaseKind::Standby => "standby",
        }
    }
}

impl PhaseKind {
    /// The phase as people read it.
    pub fn in_words(self) -> &'static str {
        match self {
            PhaseKind::Destroyed => "deleting",
            _ => self.as_str(),
        }
    }
}

impl fmt::Display for PhaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.in_words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_that_is_being_deleted_is_not_called_destroyed() {
        assert_eq!(PhaseKind::Destroyed.to_string(), "deleting");
        assert_eq!(PhaseKind::Active.to_string(), "active");
    }

    #[test]
    fn a_phase_is_named_as_json_names_it() {
        for kind in PhaseKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("it can be written"), kind.as_str());
        }
    }
}
