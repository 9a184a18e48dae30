//! Errors of calls to GitHub, to Azure and over SSH: what a caller does about each, and a sentence for
//! people.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::model::foreign::printable;
use crate::model::redact::KnownSecret;
use crate::model::{Advice, redact};

/// What a caller does differently about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The credential is wrong, or lacks a permission. A person must act.
    NotPermitted,
    /// The resource does not exist, or this credential cannot see it. A person must act.
    NotFound,
    /// The request is invalid, and repeating it does not help.
    Invalid,
    /// The name is taken.
    NameTaken,
    /// A rate limit. [`CallError::retry_after`] says how long it lasts, if that is known.
    Throttled,
    /// Azure has no machine of this size in that region or zone, or none at this price.
    NoCapacity,
    /// A quota of the subscription is used up, or a subnet is full.
    NoQuota(QuotaScope),
    /// Azure never makes such a VM there, however long the caller waits. The scope says what to avoid.
    Unfit(UnfitScope),
    /// A lock, a disabled subscription, unaccepted terms or the like forbids it. A person must act, and no role
    /// helps.
    Blocked,
    /// Nothing was done. A later call may succeed.
    Unavailable,
    /// The answer was lost, so the request may have been carried out.
    OutcomeUnknown,
    /// The call was refused with an error that azlin does not know.
    Unknown,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaScope {
    /// The sizes of one family, in a region.
    Family,
    /// All sizes, in a region.
    Region,
    /// IP addresses: those of the fleet's subnet, or public ones.
    Addresses,
}

/// What a VM must not ask for, because Azure never makes a VM of this fleet with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfitScope {
    /// This size, in this region.
    Size,
    /// A spot VM of this size, in this region.
    SpotSize,
    /// A spot VM, in any region.
    Spot,
    /// This zone.
    Zone,
    /// This region.
    Region,
    /// What this quota counts: the subscription has none of it.
    Quota(QuotaScope),
}

/// A failed call. Its sentence says what was tried, what came back and what to do about it. It holds no
/// secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What the caller does differently.
    pub kind: CallErrorKind,
    /// What was tried, and on what: `GET /repos/o/r`. Empty if the caller adds it.
    pub operation: String,
    /// What came back, or why nothing came back.
    pub provider_says: String,
    /// What a person can do about it.
    pub advice: Option<Advice>,
    /// How long the server asks the caller to wait.
    pub retry_after: Option<Duration>,
}

impl CallError {
    /// An error of this kind, with what came back, or why nothing came back.
    pub fn new(kind: CallErrorKind, provider_says: impl Into<String>) -> Self {
        let provider_says = shown(&provider_says.into());
        CallError { kind, operation: String::new(), provider_says, advice: None, retry_after: None }
    }

    /// The same error, with what was tried.
    pub fn during(self, operation: impl fmt::Display) -> Self {
        let operation = shown(&operation.to_string());
        CallError { operation, ..self }
    }

    /// The same error, with what a person can do about it.
    pub fn advise(self, advice: Advice) -> Self {
        CallError { advice: Some(advice), ..self }
    }

    /// The same error, with how long the server asks the caller to wait.
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

/// A sentence that may quote what came from outside, in a form that may be shown: without secrets, on one line.
fn shown(sentence: &str) -> String {
    printable(&redact::secrets(sentence)).into_owned()
}

/// Why a runner could not be prepared or removed at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// GitHub gave no registration token.
    #[error("no registration token: {0}")]
    RegistrationToken(#[source] CallError),
    /// The runner's entry could not be made.
    #[error("runner not registered: {0}")]
    Registration(#[source] CallError),
    /// The runner's entry could not be removed.
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

/// What a caller does differently about an SSH error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshErrorKind {
    /// The machine does not answer yet. A later try may succeed.
    Unreachable,
    /// The machine refused our key. A machine that boots may not have the key yet.
    KeyRefused,
    /// The host key differs from the planted one: another machine has this address.
    WrongHostKey,
    /// The connection ended, or a step exceeded its time limit. The step may have been done in part.
    Lost,
    /// A step ended with an error.
    StepFailed,
    /// Our own private key cannot be used. A person must act.
    NoKey,
}

/// An SSH error. Its sentence names the VM, says what was tried and what the machine printed last. It holds
/// no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshError {
    /// What the caller does differently.
    pub kind: SshErrorKind,
    /// What was tried, and what happened.
    pub says: String,
    /// What a person can do about it.
    pub advice: Option<String>,
}

impl SshError {
    /// An error of this kind, with what was tried and what happened.
    pub fn new(kind: SshErrorKind, says: impl Into<String>) -> Self {
        SshError { kind, says: shown(&says.into()), advice: None }
    }

    /// The same error without this secret, in whatever form the machine gave it back.
    pub fn without(self, secret: Option<&SecretString>) -> Self {
        let known = secret.and_then(|secret| KnownSecret::of([secret.expose_secret()]));
        match known {
            Some(known) => SshError { says: known.blot(&self.says).into_owned(), ..self },
            None => self,
        }
    }

    /// The same error, with what a person can do about it.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        SshError { advice: Some(shown(&advice.into())), ..self }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_nothing_that_a_terminal_acts_on_and_no_secret_in_any_form() {
        let token = SecretString::from("AABF3JGZDX3P5PMEXLND6TS6FCWO6");
        let told = "configure: aabf3jgzdx3p5pmexlnd6ts6fcwo6; A A B F 3 J G Z D X 3 P 5 P M E X L N D 6 T S 6 F C W O 6\r\n\u{1b}[2J";
        let error = SshError::new(SshErrorKind::StepFailed, told).without(Some(&token));
        assert_eq!(error.to_string(), "configure: [redacted]; [redacted]\u{fffd}\u{fffd}\u{fffd}[2J");
        let call = CallError::new(CallErrorKind::Unknown, "no\n\u{202e}on").during("GET /\u{7}");
        assert_eq!(call.to_string(), "GET /\u{fffd}: no\u{fffd}\u{fffd}on");
    }
}
