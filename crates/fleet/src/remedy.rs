//! What is done about each trouble: the whole taxonomy, in one place.
//!
//! | remedy | what happens |
//! |---|---|
//! | [`Remedy::Again`] | the same call again within its action, a few times at most |
//! | [`Remedy::Later`] | the next tick, which looks first; a start waits longer each time it fails |
//! | [`Remedy::AnotherWay`] | another size, zone, region or price; another name |
//! | [`Remedy::GiveUp`] | this runner is removed, and another made |
//! | [`Remedy::Stop`] | no start in this fleet but one try every two minutes, and a person is told |
//!
//! A circuit is open for what met the trouble and for nothing else: a place ([`crate::place`]), a fleet's starts
//! ([`crate::memory::Failures`]), a credential's budget and a subscription's operation (in the adapters).

use serde::{Deserialize, Serialize};

use crate::ports::{CallError, RunnerError, SshError, SshTrouble, Trouble};

/// What is done about trouble.
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
    /// Stop this fleet, and tell a person.
    Stop,
}

impl Trouble {
    /// What is done about it, once the adapter has repeated what may be repeated at once.
    pub fn remedy(self) -> Remedy {
        match self {
            Trouble::NotPermitted | Trouble::NotFound | Trouble::Invalid => Remedy::Stop,
            Trouble::NameTaken | Trouble::NoCapacity | Trouble::NoQuota(_) => Remedy::AnotherWay,
            Trouble::Throttled | Trouble::Unavailable | Trouble::OutcomeUnknown | Trouble::Unknown => {
                Remedy::Later
            }
        }
    }
}

impl SshTrouble {
    /// What is done about it. A machine that boots is asked again for a while before it is given up.
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
    /// Nobody knows this one: it is said loudly.
    pub is_unknown: bool,
}

impl Failure {
    /// One that the next tick may not meet.
    pub fn later(why: impl Into<String>) -> Self {
        Failure { why: why.into(), remedy: Remedy::Later, is_unknown: false }
    }

    /// Whether it is told at once as an error.
    pub fn is_loud(&self) -> bool {
        self.is_unknown || self.remedy == Remedy::Stop
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let is_unknown = error.kind == Trouble::Unknown;
        Failure { remedy: error.kind.remedy(), why: error.to_string(), is_unknown }
    }
}

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        let call = error.call().kind;
        Failure { why: error.to_string(), remedy: call.remedy(), is_unknown: call == Trouble::Unknown }
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        Failure { remedy: error.kind.remedy(), why: error.to_string(), is_unknown: false }
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
    fn what_only_a_person_can_mend_stops_the_fleet_and_is_loud() {
        for trouble in [Trouble::NotPermitted, Trouble::NotFound, Trouble::Invalid] {
            let failure =
                Failure::from(RunnerError::Registration(CallError::new(trouble, "no such runner group")));
            assert_eq!((failure.remedy, failure.is_loud()), (Remedy::Stop, true), "{trouble:?}");
        }
        assert_eq!(SshTrouble::NoKey.remedy(), Remedy::Stop);
    }
}
