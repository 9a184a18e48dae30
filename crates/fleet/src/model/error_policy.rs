//! What is done about each kind of error: all of it in one place.
//!
//! | remedy | what happens |
//! |---|---|
//! | [`ErrorPolicy::Again`] | the same call again within its action, a few times at most |
//! | [`ErrorPolicy::Later`] | the next tick tries again, after it has polled; a start waits longer after each failure |
//! | [`ErrorPolicy::AnotherWay`] | another size, zone, region or price; another name |
//! | [`ErrorPolicy::GiveUp`] | this runner is removed, and another made |
//! | [`ErrorPolicy::Stop`] | one start in this fleet every two minutes and no more, and an error in the journal |
//!
//! An error holds back only what met it: a place ([`crate::state`]), a fleet's starts
//! ([`crate::state::StartBackoff`]), a credential's budget and a subscription's operation (in the adapters).

use serde::{Deserialize, Serialize};

use crate::model::{CallError, CallErrorKind, RunnerError, SshError, SshErrorKind};

/// What is done about an error.
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
    /// What is done about it, after the adapter has repeated what may be repeated at once.
    pub fn policy(self) -> ErrorPolicy {
        match self {
            CallErrorKind::NotPermitted | CallErrorKind::NotFound | CallErrorKind::Invalid => {
                ErrorPolicy::Stop
            }
            CallErrorKind::NameTaken | CallErrorKind::NoCapacity | CallErrorKind::NoQuota(_) => {
                ErrorPolicy::AnotherWay
            }
            CallErrorKind::Throttled
            | CallErrorKind::Unavailable
            | CallErrorKind::OutcomeUnknown
            | CallErrorKind::Unknown => ErrorPolicy::Later,
        }
    }
}

impl SshErrorKind {
    /// What is done about it. A machine that boots is tried for a while before it is given up.
    pub fn policy(self) -> ErrorPolicy {
        match self {
            SshErrorKind::Unreachable | SshErrorKind::Lost | SshErrorKind::StepFailed => ErrorPolicy::Again,
            SshErrorKind::KeyRefused | SshErrorKind::WrongHostKey => ErrorPolicy::GiveUp,
            SshErrorKind::NoKey => ErrorPolicy::Stop,
        }
    }
}

/// An action that came to nothing: why, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub why: String,
    /// What is done about it.
    pub policy: ErrorPolicy,
    /// The adapter does not know this error: it is logged as an error.
    pub is_unknown: bool,
}

impl Failure {
    /// A failure that the next tick may not meet.
    pub fn later(why: impl Into<String>) -> Self {
        Failure { why: why.into(), policy: ErrorPolicy::Later, is_unknown: false }
    }

    /// Whether it is logged as an error.
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
        for trouble in [CallErrorKind::NotPermitted, CallErrorKind::NotFound, CallErrorKind::Invalid] {
            let failure =
                Failure::from(RunnerError::Registration(CallError::new(trouble, "no such runner group")));
            assert_eq!((failure.policy, failure.is_loud()), (ErrorPolicy::Stop, true), "{trouble:?}");
        }
        assert_eq!(SshErrorKind::NoKey.policy(), ErrorPolicy::Stop);
    }
}
