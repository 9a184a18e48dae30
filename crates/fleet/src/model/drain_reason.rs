//! Why a runner is removed, as a value. `Display` makes the sentence last.

use std::fmt;
use std::time::Duration;

use crate::model::{
    CallError, ErrorPolicy, ForeignText, Outdated, RunnerName, ScalingReason, Scope, counted, in_words,
};

/// Why a runner is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainReason {
    /// Its entry is gone from GitHub, so it had its job.
    Finished,
    /// It has had as many jobs as it may have, and is still registered.
    Served {
        /// Jobs that it has finished.
        jobs: u32,
        /// `max_job_count`.
        limit: u32,
    },
    /// It never became a runner, or stopped being one.
    Broken(BrokenReason),
    /// Azure accepted the request for its VM, and reported later that it has no capacity, or never makes such a VM
    /// there.
    NoCapacity(CallError),
    /// It was not online in time.
    BootTimeout {
        /// The runner's age.
        age: Duration,
        /// `boot_timeout`.
        limit: Duration,
    },
    /// It has been offline for too long.
    Offline {
        /// How long it has been offline.
        lasted: Duration,
        /// `offline_timeout`.
        limit: Duration,
    },
    /// The fleet needs fewer runners.
    Surplus(ScalingReason),
    /// The runner is replaced.
    Rotated(RotationReason),
    /// It is on standby, and is not needed there.
    Standby(StandbySurplus),
    /// Its VM was asked to drain, and has not stopped yet. The text says why it was asked.
    Asked(String),
    /// The runner belongs to another GitHub than the configured one, so it is not known whether it runs a
    /// job. The daemon leaves it alone.
    OutOfSight(OtherGitHub),
    /// The fleet's file says that running jobs end too.
    Killed,
}

/// What is wrong with a runner that never works, or stopped working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokenReason {
    /// GitHub has its entry, and Azure has no VM for it.
    NoVm,
    /// The same, and GitHub says that it is busy, which cannot be true.
    BusyWithoutVm,
    /// Its VM was made for another GitHub, and has stopped.
    OtherGitHub,
    /// Azure failed to make its VM. The error is present if Azure reports why.
    VmFailed(Option<CallError>),
    /// Its installation failed. The text says how.
    InstallFailed(String),
    /// Its VM stopped before the runner was registered.
    StoppedEarly,
    /// Its VM is stopped.
    Stopped,
    /// It did not register at GitHub in time.
    NotRegistered {
        /// `boot_timeout`.
        limit: Duration,
    },
    /// Its VM was to be set up for standby, and has not powered off in time.
    NotPrepared {
        /// `boot_timeout`.
        limit: Duration,
    },
    /// Its VM was taken from standby for it, and does not run.
    NotStarted,
}

/// Why a VM on standby is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandbySurplus {
    /// There are more than there should be.
    TooMany {
        /// `standby`.
        standby: u32,
    },
    /// It is outdated, and another one has taken its place.
    Outdated(Outdated),
}

/// Why a runner is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationReason {
    /// Its replacement is online.
    Replaced {
        /// The replacement.
        by: RunnerName,
    },
    /// The runner is outdated, and `max_runners` leaves no room for a second one beside it.
    FirstToMakeRoom(Outdated),
    /// The fleet has moved to another repository, organisation or enterprise.
    ScopeChanged {
        /// The scope where the runner is registered.
        from: Scope,
        /// The scope of the fleet.
        to: Scope,
    },
    /// It belongs to a scale set that is gone, or to none.
    OtherScaleSet,
}

/// A VM whose runner is registered at another GitHub than the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherGitHub {
    /// The VM.
    pub vm: ForeignText,
    /// The GitHub of its runner, as the host of its API.
    pub github: ForeignText,
    /// The configured GitHub, as the host of its API.
    pub configured: String,
}

impl DrainReason {
    /// What the daemon does about the failed start.
    pub fn start_policy(&self) -> ErrorPolicy {
        match self {
            DrainReason::Broken(BrokenReason::VmFailed(Some(error)))
                if error.kind.policy() == ErrorPolicy::Stop =>
            {
                ErrorPolicy::Stop
            }
            _ => ErrorPolicy::GiveUp,
        }
    }

    /// Whether it says that the runner never worked. A VM that is gone or stopped may have had a job before.
    pub fn never_worked(&self) -> bool {
        use BrokenReason::{InstallFailed, NotPrepared, NotRegistered, NotStarted, StoppedEarly, VmFailed};
        matches!(
            self,
            DrainReason::BootTimeout { .. }
                | DrainReason::Broken(
                    VmFailed(_)
                        | InstallFailed(_)
                        | StoppedEarly
                        | NotRegistered { .. }
                        | NotPrepared { .. }
                        | NotStarted
                )
        )
    }

    /// Whether the runner never became one, which counts as a failed start. An offering without capacity does
    /// not count: the capacity backoff remembers it.
    pub fn is_failed_start(&self) -> bool {
        match self {
            DrainReason::Broken(BrokenReason::BusyWithoutVm) => false,
            DrainReason::BootTimeout { .. } | DrainReason::Broken(_) => true,
            DrainReason::NoCapacity(_)
            | DrainReason::Finished
            | DrainReason::Served { .. }
            | DrainReason::Offline { .. }
            | DrainReason::Surplus(_)
            | DrainReason::Rotated(_)
            | DrainReason::Standby(_)
            | DrainReason::Asked(_)
            | DrainReason::OutOfSight(_)
            | DrainReason::Killed => false,
        }
    }
}

impl fmt::Display for DrainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrainReason::Finished => f.write_str("its job is finished"),
            DrainReason::Served { jobs, limit } => {
                write!(f, "it has had {}, and max_job_count is {limit}", counted(*jobs, "job"))
            }
            DrainReason::Broken(why) => why.fmt(f),
            DrainReason::NoCapacity(error) => write!(f, "Azure could not make its VM: {error}"),
            DrainReason::BootTimeout { age, limit } => write!(
                f,
                "not online {} after it was made, longer than boot_timeout ({})",
                in_words(*age),
                in_words(*limit)
            ),
            DrainReason::Offline { lasted, limit } => write!(
                f,
                "offline for {}, longer than offline_timeout ({})",
                in_words(*lasted),
                in_words(*limit)
            ),
            DrainReason::Surplus(reason) => reason.fmt(f),
            DrainReason::Rotated(why) => why.fmt(f),
            DrainReason::Standby(why) => why.fmt(f),
            DrainReason::Asked(why) => f.write_str(why),
            DrainReason::OutOfSight(vm) => vm.fmt(f),
            DrainReason::Killed => f.write_str("kill_running_jobs is set, and the fleet is not enabled"),
        }
    }
}

impl fmt::Display for BrokenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokenReason::NoVm => f.write_str("its entry at GitHub has no VM"),
            BrokenReason::BusyWithoutVm => {
                f.write_str("GitHub calls it busy and offline, and Azure has no VM for it")
            }
            BrokenReason::OtherGitHub => {
                f.write_str("it was made for another GitHub, and nothing runs on its VM any more")
            }
            BrokenReason::VmFailed(None) => f.write_str("Azure could not make its VM"),
            BrokenReason::VmFailed(Some(error)) => write!(f, "Azure could not make its VM: {error}"),
            BrokenReason::InstallFailed(why) => f.write_str(why),
            BrokenReason::StoppedEarly => f.write_str("its VM stopped before it was a runner"),
            BrokenReason::Stopped => f.write_str("its VM is stopped"),
            BrokenReason::NotRegistered { limit } => {
                let limit = in_words(*limit);
                write!(f, "it is no runner at GitHub though it is older than boot_timeout ({limit})")
            }
            BrokenReason::NotPrepared { limit } => {
                let limit = in_words(*limit);
                write!(f, "it is not set up for standby though it is older than boot_timeout ({limit})")
            }
            BrokenReason::NotStarted => f.write_str("its VM was taken from standby, and does not run"),
        }
    }
}

impl fmt::Display for StandbySurplus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StandbySurplus::TooMany { standby } => write!(f, "more VMs on standby than {standby}"),
            StandbySurplus::Outdated(why) => write!(f, "another VM is on standby in its place: {why}"),
        }
    }
}

impl fmt::Display for RotationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RotationReason::Replaced { by } => write!(f, "{by} has taken its place"),
            RotationReason::FirstToMakeRoom(why) => {
                write!(f, "{why}; max_runners leaves no room to start another first")
            }
            RotationReason::ScopeChanged { from, to } => {
                write!(f, "it was made for {from}, and the fleet is now on {to}")
            }
            RotationReason::OtherScaleSet => f.write_str(
                "it was made before the fleet's scale set, so GitHub gives it none of the set's jobs",
            ),
        }
    }
}

impl fmt::Display for OtherGitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was made for the GitHub at {}, and the daemon looks at {}: it is left alone; let it end there, or \
             delete it by hand",
            self.vm, self.github, self.configured
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_that_is_stopped_or_gone_may_have_worked() {
        let limit = Duration::from_secs(600);
        for (why, never_worked) in [
            (DrainReason::Broken(BrokenReason::NotRegistered { limit }), true),
            (DrainReason::Broken(BrokenReason::StoppedEarly), true),
            (DrainReason::Broken(BrokenReason::InstallFailed("no disk".to_owned())), true),
            (DrainReason::Broken(BrokenReason::VmFailed(None)), true),
            (DrainReason::Broken(BrokenReason::Stopped), false),
            (DrainReason::Broken(BrokenReason::NoVm), false),
            (DrainReason::Broken(BrokenReason::BusyWithoutVm), false),
            (DrainReason::Finished, false),
        ] {
            assert_eq!(why.never_worked(), never_worked, "{why}");
        }
    }
}
