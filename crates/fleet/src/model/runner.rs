//! Runners: what GitHub knows of them, and what they are to a fleet.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::{Label, RunnerName, Scope, Vm};

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
    /// Where: a repository, an organisation or an enterprise.
    pub scope: Scope,
    /// The name, which its VM bears too.
    pub runner_name: RunnerName,
    /// The fleet's labels and the implicit ones.
    pub labels: Vec<Label>,
    /// The runner group, by name; the default one where absent.
    pub runner_group: Option<String>,
}

/// A registration token, to be used at once and dropped.
#[derive(Debug, Clone)]
pub struct RegistrationToken {
    /// The token.
    pub token: SecretString,
    /// When GitHub stops taking it.
    pub expires_at: Timestamp,
    /// The page of the repository, organisation or enterprise, as `config.sh` wants it.
    pub url: String,
}

/// A runner that is registered ahead of its VM, and what the VM needs to become it. A JIT
/// configuration takes the place of a registration token, and has no end of its own.
#[derive(Debug, Clone)]
pub struct RunnerRegistration {
    /// GitHub's number.
    pub runner_id: RunnerId,
    /// The name, which its VM bears too.
    pub runner_name: RunnerName,
    /// What `run.sh --jitconfig` takes.
    pub encoded_jit_config: SecretString,
}

/// How GitHub answered a request to remove a runner's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deregistration {
    /// It was there, ran no job, and is gone: it never gets a job again.
    Removed,
    /// GitHub has no such entry, or does not show it to us.
    NotFound,
    /// It runs a job. The only atomic test of "idle" said no.
    Busy,
}

/// One VM and the one GitHub runner on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EphemeralRunner {
    /// The name of both.
    pub runner_name: RunnerName,
    /// The VM; absent while it is being asked for, and after it is gone.
    pub vm: Option<Arc<Vm>>,
    /// The runner's id at GitHub, from its entry or from the VM's tag.
    pub runner_id: Option<RunnerId>,
    /// Whether GitHub's list holds its entry.
    pub is_listed: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Jobs that it is known to have finished: those that polls saw, so at least so many.
    pub jobs_completed: u32,
    /// Where it stands.
    pub status: Phase,
}

/// Where a runner stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// On its way: not seen online yet.
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
    /// It takes no job any more and is to be removed.
    Draining {
        /// Why.
        why: DrainReason,
    },
    /// It is being removed by Azure, or was removed and a list still shows it.
    Destroyed,
}

/// Why a runner is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainReason {
    /// Its entry is gone from GitHub: it had its job.
    Finished,
    /// It has had as many jobs as it may have, and is still registered.
    Served(String),
    /// Its VM stopped, failed, or is gone though its entry is there.
    Broken(String),
    /// Azure had no room for its VM, and told so after it had taken the request.
    NoCapacity(String),
    /// It was not online in time.
    BootTimeout(String),
    /// It has been offline for too long.
    Offline(String),
    /// The fleet needs fewer.
    Surplus(String),
    /// A newer one takes its place.
    Rotated(String),
    /// It belongs to another GitHub than the one that is looked at, so nobody can tell whether it
    /// runs a job. It is left alone.
    OutOfSight(String),
    /// The fleet's file says to end running jobs too.
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

    /// Whether it has been online and still is to us: registered or active.
    pub fn is_online(&self) -> bool {
        matches!(self.status, Phase::Registered { .. } | Phase::Active { .. })
    }
}

impl Phase {
    /// The phase in a word, as status and metrics have it.
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
