//! Runners, as GitHub lists them and as a fleet sees them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::{Label, RunnerName, Scope, Vm};

pub use crate::runner_id::RunnerId;

/// Whether a runner is connected to GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerStatus {
    /// Connected.
    Online,
    /// Not connected. A busy runner may be offline for a moment.
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
    /// Its labels, including the implicit ones.
    pub labels: Vec<String>,
}

/// What a runner is registered as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerConfig {
    /// Where: a repository, an organisation or an enterprise.
    pub scope: Scope,
    /// The name, which its VM has too.
    pub runner_name: RunnerName,
    /// The fleet's labels and the implicit ones.
    pub labels: Vec<Label>,
    /// The runner group, by name; the default one where absent.
    pub runner_group: Option<String>,
}

/// A registration token, for use at once.
#[derive(Debug, Clone)]
pub struct RegistrationToken {
    /// The token.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The page of the repository, organisation or enterprise, as `config.sh` expects it.
    pub url: String,
}

/// A runner that is registered before its VM exists, and what the VM needs to become that runner. A JIT
/// configuration replaces the registration token, and does not expire by itself.
#[derive(Debug, Clone)]
pub struct RunnerRegistration {
    /// GitHub's number.
    pub runner_id: RunnerId,
    /// The name, which its VM has too.
    pub runner_name: RunnerName,
    /// What `run.sh --jitconfig` takes.
    pub encoded_jit_config: SecretString,
}

/// How GitHub answered a request to remove a runner's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregistration {
    /// It was there, ran no job, and is removed: it never gets a job again.
    Removed,
    /// GitHub has no such entry, or does not show it to us.
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
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Jobs that polls saw it finish. It may have finished more.
    pub jobs_completed: u32,
    /// The phase of its life.
    pub status: Phase,
}

/// The phase of a runner's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It was asked for, and has not been seen online yet.
    Provisioning {
        /// When it was asked for.
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
    /// It must take no more jobs, and will be removed.
    Draining {
        /// Why.
        why: DrainReason,
    },
    /// Azure removes it, or has removed it and a list still shows it.
    Destroyed,
}

/// Why a runner is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainReason {
    /// GitHub has removed its entry, because it has finished its job.
    Finished,
    /// It has finished as many jobs as it may take, and is still registered.
    Served(String),
    /// Its VM stopped or failed, or its entry has no VM.
    Broken(String),
    /// Azure had no capacity for its VM, and reported that after it had accepted the request.
    NoCapacity(String),
    /// It was not online in time.
    BootTimeout(String),
    /// It has been offline for too long.
    Offline(String),
    /// The fleet needs fewer.
    Surplus(String),
    /// A newer one takes its place.
    Rotated(String),
    /// It is registered with another GitHub than the configured one, so whether it runs a job cannot be
    /// known. It is left alone.
    OutOfSight(String),
    /// The fleet's file says that running jobs end too.
    Killed(String),
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

    /// Whether it is registered or active.
    pub fn is_online(&self) -> bool {
        matches!(self.status, Phase::Registered { .. } | Phase::Active { .. })
    }
}

impl Phase {
    /// The word for it, in status and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Phase::Provisioning { .. } => "provisioning",
            Phase::Registered { .. } => "registered",
            Phase::Active { .. } => "active",
            Phase::Draining { .. } => "draining",
            Phase::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for DrainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrainReason::Finished => f.write_str("it had its job and GitHub has removed its entry"),
            DrainReason::Served(why)
            | DrainReason::Broken(why)
            | DrainReason::NoCapacity(why)
            | DrainReason::BootTimeout(why)
            | DrainReason::Offline(why)
            | DrainReason::Surplus(why)
            | DrainReason::Rotated(why)
            | DrainReason::OutOfSight(why)
            | DrainReason::Killed(why) => f.write_str(why),
        }
    }
}
