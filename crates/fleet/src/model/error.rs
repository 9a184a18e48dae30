//! Errors of calls to GitHub, to Azure and over SSH: what a caller does about each, and a sentence for people.

use std::fmt;
use std::time::Duration;

use crate::model::{Advice, redact};

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
    /// A rate limit. [`CallError::retry_after`] says how long it lasts, where that is known.
    Throttled,
    /// No machine of this size is to be had there.
    NoCapacity,
    /// A quota of the subscription is used up.
    NoQuota(QuotaScope),
    /// Nothing was done; later is worth a try.
    Unavailable,
    /// It is not known whether it was done: the answer was lost.
    OutcomeUnknown,
    /// It was refused, and nobody here has met that refusal before.
    Unknown,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaScope {
    /// The sizes of one family in a region.
    Family,
    /// All sizes in a region.
    Region,
}

/// A call that failed. Its sentence says what was tried, what came back and what to do about it; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What the caller does about it.
    pub kind: CallErrorKind,
    /// What was tried, and on what: `GET /repos/o/r`. Empty where the caller names it.
    pub operation: String,
    /// What came back, or why nothing did.
    pub provider_says: String,
    /// What a person can do about it.
    pub advice: Option<Advice>,
    /// How long the other side asks to wait.
    pub retry_after: Option<Duration>,
}

impl CallError {
    /// An error of that kind, with what came back or why nothing did.
    pub fn new(kind: CallErrorKind, provider_says: impl Into<String>) -> Self {
        let provider_says = redact::secrets(&provider_says.into()).into_owned();
        CallError { kind, operation: String::new(), provider_says, advice: None, retry_after: None }
    }

    /// The same, with what was tried.
    pub fn during(self, operation: impl fmt::Display) -> Self {
        let operation = redact::secrets(&operation.to_string()).into_owned();
        CallError { operation, ..self }
    }

    /// The same, with what a person can do about it.
    pub fn advise(self, advice: Advice) -> Self {
        CallError { advice: Some(advice), ..self }
    }

    /// The same, with how long the other side asks to wait.
    pub fn after(self, wait: Option<Duration>) -> Self {
        CallError { retry_after: wait, ..self }
    }

    /// What was tried and what came back, without advice.
    pub fn facts(&self) -> String {
        let CallError { operation, provider_says, .. } = self;
        if operation.is_empty() { provider_says.clone() } else { format!("{operation}: {provider_says}") }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.facts())?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}

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

/// Trouble with a machine. Its sentence names the VM, says what was tried and what it printed last; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshError {
    /// What the caller does about it.
    pub kind: SshErrorKind,
    /// What was tried, and what came of it.
    pub says: String,
    /// What a person can do about it.
    pub advice: Option<String>,
}

impl SshError {
    /// An error of that kind, with what was tried and what came of it.
    pub fn new(kind: SshErrorKind, says: impl Into<String>) -> Self {
        SshError { kind, says: redact::secrets(&says.into()).into_owned(), advice: None }
    }

    /// The same, with what a person can do about it.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        SshError { advice: Some(advice.into()), ..self }
    }
}

impl fmt::Display for SshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SshError {}
