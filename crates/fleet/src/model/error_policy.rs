//! What the daemon does about each kind of error, all in one place.
//!
//! | policy | what happens |
//! |---|---|
//! | [`ErrorPolicy::Again`] | the same call again within its action, a few times at most |
//! | [`ErrorPolicy::Later`] | the next tick tries again, after it has polled; a start waits longer after each failure |
//! | [`ErrorPolicy::AnotherWay`] | another size, zone, region or price; another name |
//! | [`ErrorPolicy::GiveUp`] | this runner is removed, and another made |
//! | [`ErrorPolicy::Stop`] | one start in this fleet every two minutes and no more, and an error in the journal |
//!
//! An error holds back only what it concerns: an offering ([`crate::state`]), a fleet's starts
//! ([`crate::state::StartBackoff`]), a credential's budget or a subscription's operation (in the adapters).

use serde::{Deserialize, Serialize};

use crate::model::{CallError, CallErrorKind, RunnerError, SshError, SshErrorKind};

/// What the daemon does about an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorPolicy {
    /// Retry now.
    Again,
    /// Retry later.
    #[default]
    Later,
    /// Try another way.
    AnotherWay,
    /// Give up on this runner.
    GiveUp,
    /// Stop this fleet's starts: a person must act.
    Stop,
}

impl CallErrorKind {
    /// The policy for this error, after the adapter has retried what it may retry at once.
    pub fn policy(self) -> ErrorPolicy {
        match self {
            CallErrorKind::NotPermitted
            | CallErrorKind::NotFound
            | CallErrorKind::Invalid
            | CallErrorKind::Blocked => ErrorPolicy::Stop,
            CallErrorKind::NameTaken
            | CallErrorKind::NoCapacity
            | CallErrorKind::NoQuota(_)
            | CallErrorKind::Unfit(_) => ErrorPolicy::AnotherWay,
            CallErrorKind::Throttled
            | CallErrorKind::Unavailable
            | CallErrorKind::OutcomeUnknown
            | CallErrorKind::Unknown => ErrorPolicy::Later,
        }
    }
}

impl SshErrorKind {
    /// The policy for this error. The daemon retries a machine that boots for a while before it gives up.
    pub fn policy(self) -> ErrorPolicy {
        match self {
            SshErrorKind::Unreachable | SshErrorKind::Lost | SshErrorKind::StepFailed => ErrorPolicy::Again,
            SshErrorKind::KeyRefused | SshErrorKind::WrongHostKey => ErrorPolicy::GiveUp,
            SshErrorKind::NoKey => ErrorPolicy::Stop,
        }
    }
}

/// A failed action: why it failed, and what the daemon does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why the action failed, for people.
    pub why: String,
    /// What the daemon does about the failure.
    pub policy: ErrorPolicy,
    /// Whether the adapter does not know this error. Such an error is logged at level error.
    pub is_unknown: bool,
}

impl Failure {
    /// A failure that the next tick may not meet.
    pub fn later(why: impl Into<String>) -> Self {
        Failure { why: why.into(), policy: ErrorPolicy::Later, is_unknown: false }
    }

    /// A failure that only a person can end.
    pub fn stop(why: impl Into<String>) -> Self {
        Failure { why: why.into(), policy: ErrorPolicy::Stop, is_unknown: false }
    }

    /// Whether the failure is logged at level error.
    pub fn is_loud(&self) -> bool {
        self.is_unknown || self.policy == ErrorPolicy::Stop
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let is_unknown = error.kind == CallErrorKind::Unknown;
        Failure { policy: error.kind.policy(), why: error.to_string(), is_unknown }
    }
}

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        let call = error.call().kind;
        Failure { why: error.to_string(), policy: call.policy(), is_unknown: call == CallErrorKind::Unknown }
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        Failure { policy: error.kind.policy(), why: error.to_string(), is_unknown: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_trouble_is_later_and_loud() {
        let failure = Failure::from(CallError::new(CallErrorKind::Unknown, "418"));
        assert_eq!((failure.policy, failure.is_loud()), (ErrorPolicy::Later, true));
        assert!(!Failure::later("503").is_loud());
        let failure = |trouble| Failure::from(RunnerError::Registration(CallError::new(trouble, "418")));
        assert!(
            failure(CallErrorKind::Unknown).is_unknown && !failure(CallErrorKind::Unavailable).is_unknown
        );
    }

    #[test]
    fn what_only_a_person_can_fix_stops_the_fleet_and_is_loud() {
        for trouble in [
            CallErrorKind::NotPermitted,
            CallErrorKind::NotFound,
            CallErrorKind::Invalid,
            CallErrorKind::Blocked,
        ] {
            let failure =
                Failure::from(RunnerError::Registration(CallError::new(trouble, "no such runner group")));
            assert_eq!((failure.policy, failure.is_loud()), (ErrorPolicy::Stop, true), "{trouble:?}");
        }
        assert_eq!(SshErrorKind::NoKey.policy(), ErrorPolicy::Stop);
    }
}
