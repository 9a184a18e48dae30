//! Kinds of failed starts, to count them.

use serde::{Deserialize, Serialize};

use crate::model::{BrokenReason, DrainReason, ErrorPolicy, Failure};

/// Why a start failed, as far as what a person does about it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedStart {
    /// Azure had no capacity or quota in any place of the fleet.
    NoCapacity,
    /// GitHub or Azure refused it, and a person must act.
    Refused,
    /// A request failed, and a later one may succeed.
    Failed,
    /// Azure took the request, and could not make the VM.
    VmFailed,
    /// The VM was made, and its runner was not online in time.
    NeverOnline,
    /// The installation over SSH failed.
    NotInstalled,
}

impl FailedStart {
    /// What happened, for people: "2 never came online".
    pub fn in_words(self) -> &'static str {
        match self {
            FailedStart::NoCapacity => "without capacity or quota at Azure",
            FailedStart::Refused => "refused by GitHub or Azure",
            FailedStart::Failed => "failed at a request",
            FailedStart::VmFailed => "with a VM that Azure could not make",
            FailedStart::NeverOnline => "never came online",
            FailedStart::NotInstalled => "could not be installed over SSH",
        }
    }
}

impl From<&Failure> for FailedStart {
    fn from(failure: &Failure) -> Self {
        if failure.policy == ErrorPolicy::Stop { FailedStart::Refused } else { FailedStart::Failed }
    }
}

impl From<&DrainReason> for FailedStart {
    fn from(why: &DrainReason) -> Self {
        match why {
            DrainReason::NoCapacity(_) => FailedStart::NoCapacity,
            DrainReason::Broken(BrokenReason::VmFailed(_)) => FailedStart::VmFailed,
            DrainReason::Broken(BrokenReason::InstallFailed(_)) => FailedStart::NotInstalled,
            _ => FailedStart::NeverOnline,
        }
    }
}
