//! Errors of calls to GitHub, to Azure and over SSH: what a caller does about each, and a message for people.

use std::time::Duration;

use crate::model::redact;

/// What a caller does differently about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The credential is wrong, or may not do this: a person must act.
    NotPermitted,
    /// What was asked for is not there, or is not shown to us: a person must act.
    NotFound,
    /// The request is wrong, and stays wrong when it is repeated.
    Invalid,
    /// The name is taken.
    NameTaken,
    /// A rate limit: not before this long.
    Throttled(Option<Duration>),
    /// No machine of this size is to be had there.
    NoCapacity,
    /// The subscription's quota for this family of sizes is used up.
    NoQuota,
    /// Nothing was done; later is worth a try.
    Unavailable,
    /// It is not known whether it was done: the answer was lost.
    OutcomeUnknown,
    /// It was refused, and nobody here has met that refusal before.
    Unknown,
}

/// A call that failed. The message says what was tried, on what, what came back and what to do
/// about it; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What to do about it.
    pub trouble: CallErrorKind,
    /// For people.
    pub message: String,
}

impl CallError {
    /// An error of that kind.
    pub fn new(trouble: CallErrorKind, message: impl Into<String>) -> Self {
        CallError { trouble, message: redact::secrets(&message.into()).into_owned() }
    }
}

/// Why a runner could not be prepared or removed at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// No registration token.
    #[error("no registration token: {0}")]
    RegistrationToken(#[source] CallError),
    /// No runner entry.
    #[error("runner not registered: {0}")]
    Registration(#[source] CallError),
    /// The entry could not be removed.
    #[error("runner not deregistered: {0}")]
    Deregistration(#[source] CallError),
}

impl RunnerError {
    /// The call that failed.
    pub fn call(&self) -> &CallError {
        match self {
            RunnerError::RegistrationToken(call)
            | RunnerError::Registration(call)
            | RunnerError::Deregistration(call) => call,
        }
    }
}

/// What a caller does differently about trouble with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshErrorKind {
    /// Nothing answers there yet: later is worth a try.
    Unreachable,
    /// It did not take our key. While it boots, that may be because it does not know it yet.
    KeyRefused,
    /// Another host key than the one that was planted: another machine is at this address.
    WrongHostKey,
    /// The connection ended, or a step did not end in time: it may have been done in part.
    Lost,
    /// A step ended with an error.
    StepFailed,
    /// Our own private key cannot be used: a person must act.
    NoKey,
}

/// Trouble with a machine. The message names the VM, says what was tried and what it printed last;
/// it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SshError {
    /// What to do about it.
    pub trouble: SshErrorKind,
    /// For people.
    pub message: String,
}

impl SshError {
    /// An error of that kind.
    pub fn new(trouble: SshErrorKind, message: impl Into<String>) -> Self {
        SshError { trouble, message: redact::secrets(&message.into()).into_owned() }
    }
}
