//! What is done about each kind of error: all of it in one place.
//!
//! | remedy | what happens |
//! |---|---|
//! | [`Remedy::Again`] | the same call again within its action, a few times at most |
//! | [`Remedy::Later`] | the next tick tries again, after it has polled; a start waits longer after each failure |
//! | [`Remedy::AnotherWay`] | another size, zone, region or price; another name |
//! | [`Remedy::GiveUp`] | this runner is removed, and another made |
//! | [`Remedy::Stop`] | one start in this fleet every two minutes and no more, and an error in the journal |
//!
//! An error holds back only what met it: a place ([`crate::place`]), a fleet's starts
//! ([`crate::start_backoff::Failures`]), a credential's budget and a subscription's operation (in the adapters).

use serde::{Deserialize, Serialize};

use crate::error::{CallError, RunnerError, SshError, SshTrouble, Trouble};

/// What is done about an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
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

impl Trouble {
    /// What is done about it, after the adapter has repeated what may be repeated at once.
    pub fn remedy(self) -> Remedy {
        match self {
            Trouble::NotPermitted | Trouble::NotFound | Trouble::Invalid => Remedy::Stop,
            Trouble::NameTaken | Trouble::NoCapacity | Trouble::NoQuota => Remedy::AnotherWay,
            Trouble::Throttled(_) | Trouble::Unavailable | Trouble::OutcomeUnknown | Trouble::Unknown => {
                Remedy::Later
            }
        }
    }
}

impl SshTrouble {
    /// What is done about it. A machine that boots is tried for a while before it is given up.
    pub fn remedy(self) -> Remedy {
        match self {
            SshTrouble::Unreachable | SshTrouble::Lost | SshTrouble::StepFailed => Remedy::Again,
            SshTrouble::KeyRefused | SshTrouble::WrongHostKey => Remedy::GiveUp,
            SshTrouble::NoKey => Remedy::Stop,
        }
    }
}

/// An action that came to nothing: why, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub why: String,
    /// What is done about it.
    pub remedy: Remedy,
    /// The adapter does not know this error: it is logged as an error.
    pub is_unknown: bool,
}

impl Failure {
    /// A failure that the next tick may not meet.
    pub fn later(why: impl Into<String>) -> Self {
        Failure { why: why.into(), remedy: Remedy::Later, is_unknown: false }
    }

    /// Whether it is logged as an error.
    pub fn is_loud(&self) -> bool {
        self.is_unknown || self.remedy == Remedy::Stop
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let is_unknown = error.trouble == Trouble::Unknown;
        Failure { remedy: error.trouble.remedy(), why: error.message, is_unknown }
    }
}

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        let call = error.call().trouble;
        Failure { why: error.to_string(), remedy: call.remedy(), is_unknown: call == Trouble::Unknown }
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        Failure { remedy: error.trouble.remedy(), why: error.message, is_unknown: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_trouble_is_later_and_loud() {
        let failure = Failure::from(CallError::new(Trouble::Unknown, "418"));
        assert_eq!((failure.remedy, failure.is_loud()), (Remedy::Later, true));
        assert!(!Failure::later("503").is_loud());
        let failure = |trouble| Failure::from(RunnerError::Registration(CallError::new(trouble, "418")));
        assert!(failure(Trouble::Unknown).is_unknown && !failure(Trouble::Unavailable).is_unknown);
    }

    #[test]
    fn what_only_a_person_can_fix_stops_the_fleet_and_is_loud() {
        for trouble in [Trouble::NotPermitted, Trouble::NotFound, Trouble::Invalid] {
            let failure =
                Failure::from(RunnerError::Registration(CallError::new(trouble, "no such runner group")));
            assert_eq!((failure.remedy, failure.is_loud()), (Remedy::Stop, true), "{trouble:?}");
        }
        assert_eq!(SshTrouble::NoKey.remedy(), Remedy::Stop);
    }
}
