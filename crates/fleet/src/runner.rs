//! Runners: their entries at GitHub, and their phase in a fleet.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use crate::drain_reason::DrainReason;
use crate::names::{Label, Scope};
use crate::runner_name::RunnerName;
use crate::vm::Vm;

/// GitHub's number of a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunnerId(pub u64);

impl fmt::Display for RunnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a runner is connected to GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerStatus {
    /// Connected.
    Online,
    /// Not connected. A busy runner can be so for a moment.
    Offline,
}

/// A runner's entry at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// GitHub's number.
    pub runner_id: RunnerId,
    /// The name, unique in its scope.
    pub runner_name: String,
    /// Whether it is connected.
    pub status: RunnerStatus,
    /// Whether it runs a job.
    pub busy: bool,
    /// Its labels, the implicit ones too.
    pub labels: Vec<String>,
}

/// What a runner is registered as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerConfig {
    /// The repository, organisation or enterprise.
    pub scope: Scope,
    /// Its name, which is also that of its VM.
    pub runner_name: RunnerName,
    /// The fleet's labels and the implicit ones.
    pub labels: Vec<Label>,
    /// The runner group, by name; the default one where absent.
    pub runner_group: Option<String>,
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
    /// GitHub's number.
    pub runner_id: RunnerId,
    /// Its name, which is also that of its VM.
    pub runner_name: RunnerName,
    /// The argument of `run.sh --jitconfig`.
    pub encoded_jit_config: SecretString,
}

/// How GitHub answered a request to remove a runner's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregistration {
    /// It ran no job and was removed: it will not get a job again.
    Removed,
    /// GitHub has no such entry, or does not show it to this credential.
    NotFound,
    /// It runs a job. This is the only atomic test of "idle".
    Busy,
}

/// One VM and the one GitHub runner on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EphemeralRunner {
    /// The name of both.
    pub runner_name: RunnerName,
    /// The VM; absent until a list shows it, and after it is gone.
    pub vm: Option<Arc<Vm>>,
    /// The runner's id at GitHub, from its entry or from the VM's tag.
    pub runner_id: Option<RunnerId>,
    /// Whether GitHub's list holds its entry.
    pub is_listed: bool,
    /// When its VM was requested.
    pub created_at: Timestamp,
    /// Jobs that it has finished, as far as polls have shown them.
    pub jobs_completed: u32,
    /// Its phase.
    pub status: Phase,
}

/// The phase of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It is starting: it has not been online yet.
    Provisioning {
        /// When its VM was requested.
        since: Timestamp,
    },
    /// Online and without a job.
    Registered {
        /// GitHub's number.
        id: RunnerId,
    },
    /// GitHub says that it runs a job.
    Active {
        /// GitHub's number.
        id: RunnerId,
    },
    /// It takes no more jobs and will be removed.
    Draining {
        /// Why.
        why: DrainReason,
    },
    /// Azure is removing it, or has removed it and a list still shows it.
    Destroyed,
}

impl EphemeralRunner {
    /// Whether it can still take a job.
    pub fn is_available(&self) -> bool {
        matches!(self.status, Phase::Provisioning { .. } | Phase::Registered { .. })
    }

    /// Whether it runs a job.
    pub fn is_busy(&self) -> bool {
        matches!(self.status, Phase::Active { .. })
    }

    /// Whether it counts as online: registered or active.
    pub fn is_online(&self) -> bool {
        matches!(self.status, Phase::Registered { .. } | Phase::Active { .. })
    }
}

/// A [`Phase`] without its data, as status, history and metrics have it.
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
}

impl Phase {
    /// Which phase it is.
    pub fn kind(&self) -> PhaseKind {
        match self {
            Phase::Provisioning { .. } => PhaseKind::Provisioning,
            Phase::Registered { .. } => PhaseKind::Registered,
            Phase::Active { .. } => PhaseKind::Active,
            Phase::Draining { .. } => PhaseKind::Draining,
            Phase::Destroyed => PhaseKind::Destroyed,
        }
    }
}

impl PhaseKind {
    /// All phases, in the order of a runner's life.
    pub const ALL: [PhaseKind; 5] = [
        PhaseKind::Provisioning,
        PhaseKind::Registered,
        PhaseKind::Active,
        PhaseKind::Draining,
        PhaseKind::Destroyed,
    ];

    /// Its name in JSON, in metrics and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            PhaseKind::Provisioning => "provisioning",
            PhaseKind::Registered => "registered",
            PhaseKind::Active => "active",
            PhaseKind::Draining => "draining",
            PhaseKind::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for PhaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_named_as_json_names_it() {
        for kind in PhaseKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("it can be written"), kind.as_str());
        }
    }
}
