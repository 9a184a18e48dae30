//! Errors of calls: what Azure's refusals mean, and what a person can do.

use std::fmt;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind, QuotaScope};
use azlin_http::{ErrorText, NoReply, error_text, quote};
use serde::Deserialize;

use crate::credential::{CredentialError, CredentialKind};
use crate::gates::Extent;

/// Why no client could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// `resource_manager_url`: what was found, and why it is not used.
    ResourceManagerUrl(String, &'static str),
    /// The environment holds no complete credential.
    Credential(CredentialError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::ResourceManagerUrl(found, why) => {
                write!(f, "[azure] resource_manager_url is {found:?}; {why}")
            }
            SettingsError::Credential(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SettingsError {}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ArmEffect {
    Reads,
    Creates,
    Updates,
    Deletes,
}

/// How a call to the resource manager failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArmError {
    pub(crate) how: How,
    /// An earlier try of the same call may have been carried out.
    pub(crate) may_be_done: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// An answer that refuses.
    Refused(ArmRefusal),
    /// No whole answer came.
    NoAnswer { was_sent: bool, why: String },
    /// Nothing was sent, since Azure asked to wait for this time.
    HeldBack(Duration),
    /// No token to send it with.
    NoToken(CallError),
}

impl From<NoReply> for How {
    fn from(no_reply: NoReply) -> Self {
        How::NoAnswer { was_sent: no_reply.was_sent(), why: no_reply.why().to_owned() }
    }
}

/// An answer that refuses. Its texts may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArmRefusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Whether its body has the form of Azure's errors. If not, it is most likely a proxy's.
    pub(crate) is_azures: bool,
    pub(crate) retry_after: Option<Duration>,
    /// The requests that a rate limit holds back.
    pub(crate) extent: Extent,
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Refused(ArmRefusal { status, code, message, is_azures, .. }) => {
                match is_azures {
                    true => write!(f, "{status} {code}")?,
                    false => write!(f, "{status}, which is no answer of Azure's")?,
                }
                if message.is_empty() { Ok(()) } else { write!(f, " \"{message}\"") }
            }
            How::NoAnswer { was_sent: true, why } => write!(f, "no whole answer came: {why}"),
            How::NoAnswer { was_sent: false, why } => write!(f, "no connection: {why}"),
            How::HeldBack(wait) => {
                write!(f, "Azure asked to wait; nothing is sent for {} s", wait.as_secs_f64().ceil())
            }
            How::NoToken(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ArmError {}

impl ArmError {
    /// An answer that arrived and cannot be used.
    pub(crate) fn unreadable(why: impl Into<String>) -> Self {
        ArmError { how: How::NoAnswer { was_sent: true, why: why.into() }, may_be_done: false }
    }

    /// Advice where the code or the status is more specific than the kind.
    fn advice(&self, credential: CredentialKind) -> Option<Advice> {
        let How::Refused(refusal) = &self.how else { return None };
        match (refusal.code.as_str(), refusal.status) {
            ("MissingSubscriptionRegistration", _) => Some(Advice::RegisterProvider(refusal.namespace())),
            ("RequestDisallowedByPolicy", _) => Some(Advice::ChangePolicy),
            ("ScopeLocked", _) => Some(Advice::RemoveLock),
            (_, 401) => Some(Advice::CheckCredential(credential.advice())),
            _ => None,
        }
    }
}

impl ArmRefusal {
    /// Reads an error's body: `{"error": {"code", "message"}}`.
    pub(crate) fn new(status: u16, body: &[u8], retry_after: Option<Duration>, secrets: &[&str]) -> Self {
        #[derive(Deserialize)]
        struct ArmErrorJson {
            error: CodeAndMessage,
        }
        #[derive(Deserialize)]
        struct CodeAndMessage {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let (is_azures, code, message) = match error_text(body) {
            ErrorText::Documented(ArmErrorJson { error }) => (true, error.code, error.message),
            ErrorText::Other(text) => (false, String::new(), text),
        };
        ArmRefusal {
            status,
            code: quote(&code, secrets),
            message: quote(&message, secrets),
            is_azures,
            retry_after,
            extent: Extent::Subscription,
        }
    }

    /// Whether Azure says that the resource does not exist. A 404 of anything else says nothing.
    pub(crate) fn is_absence(&self) -> bool {
        self.status == 404 && !self.code.is_empty()
    }

    /// Whether the name is taken, by our VM or another.
    pub(crate) fn is_name_taken(&self) -> bool {
        self.status == 412
            || self.status == 409
                && (matches!(
                    self.code.as_str(),
                    "PreconditionFailed" | "ResourceAlreadyExists" | "AlreadyExists"
                ) || self.message.contains("already exists"))
    }

    /// The service that the subscription has not registered: "The subscription is not registered to use
    /// namespace 'Microsoft.Compute'."
    fn namespace(&self) -> String {
        let quoted = self.message.split('\'').nth(1).unwrap_or_default();
        let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        let namespace = Some(quoted).filter(|text| text.starts_with("Microsoft.") && is_name(text));
        namespace.unwrap_or("NAMESPACE").to_owned()
    }

    /// What the quota counts that is used up: "exceeding approved Total Regional Cores quota", "exceeding
    /// approved LowPriorityCores quota", "exceeding approved standardDSv5Family Cores quota".
    fn quota(&self) -> QuotaScope {
        let said = self.message.to_ascii_lowercase();
        let regional = ["total regional", "lowpriority", "low priority", "regional spot"];
        if regional.iter().any(|words| said.contains(words)) {
            QuotaScope::Region
        } else {
            QuotaScope::Family
        }
    }

    /// Whether the answer proves that nothing was created, whatever the status. Another try does not help.
    pub(crate) fn is_about_capacity(&self) -> bool {
        matches!(by_code(self), Some(CallErrorKind::NoCapacity | CallErrorKind::NoQuota(_)))
    }
}

/// What a failure means to the caller.
pub(crate) fn kind_of(effect: ArmEffect, error: &ArmError) -> CallErrorKind {
    let unknown =
        if effect == ArmEffect::Reads { CallErrorKind::Unavailable } else { CallErrorKind::OutcomeUnknown };
    let found = match &error.how {
        How::Refused(refusal) => by_code(refusal).unwrap_or_else(|| by_status(refusal, unknown)),
        How::NoAnswer { was_sent: true, .. } => unknown,
        How::NoAnswer { was_sent: false, .. } => CallErrorKind::Unavailable,
        How::HeldBack(_) => CallErrorKind::Throttled,
        How::NoToken(error) => error.kind,
    };
    match found {
        // The last try says nothing about an earlier one.
        CallErrorKind::Unavailable | CallErrorKind::Throttled | CallErrorKind::NotPermitted
            if error.may_be_done =>
        {
            unknown
        }
        found => found,
    }
}

/// The error of an operation that failed after Azure had accepted it.
pub(crate) fn told(code: &str, message: &str) -> CallError {
    let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
    let refusal = ArmRefusal::new(200, body.as_bytes(), None, &[]);
    let kind = by_code(&refusal).unwrap_or(CallErrorKind::Unavailable);
    let said = if refusal.message.is_empty() { String::new() } else { format!(" \"{}\"", refusal.message) };
    CallError::new(kind, format!("{}{said}", refusal.code))
}

fn by_code(refusal: &ArmRefusal) -> Option<CallErrorKind> {
    Some(match refusal.code.as_str() {
        "AllocationFailed"
        | "ZonalAllocationFailed"
        | "OverconstrainedAllocationRequest"
        | "OverconstrainedZonalAllocationRequest"
        | "SkuNotAvailable" => CallErrorKind::NoCapacity,
        "QuotaExceeded" => CallErrorKind::NoQuota(refusal.quota()),
        "OperationNotAllowed" if refusal.message.to_ascii_lowercase().contains("quota") => {
            CallErrorKind::NoQuota(refusal.quota())
        }
        "AuthorizationFailed" | "LinkedAuthorizationFailed" | "ExpiredAuthenticationToken" => {
            CallErrorKind::NotPermitted
        }
        // Only a person can register it.
        "MissingSubscriptionRegistration" => CallErrorKind::Invalid,
        // Room returns when VMs are deleted.
        "SubnetIsFull" => CallErrorKind::Unavailable,
        "AnotherOperationInProgress" | "RetryableError" | "Conflict" if !refusal.is_name_taken() => {
            CallErrorKind::Unavailable
        }
        _ => return None,
    })
}

fn by_status(refusal: &ArmRefusal, unknown: CallErrorKind) -> CallErrorKind {
    match refusal.status {
        429 => CallErrorKind::Throttled,
        400..500 if !refusal.is_azures => unknown,
        401 | 403 => CallErrorKind::NotPermitted,
        404 if refusal.is_absence() => CallErrorKind::NotFound,
        404 => unknown,
        _ if refusal.is_name_taken() => CallErrorKind::NameTaken,
        409 | 503 => CallErrorKind::Unavailable,
        500.. => unknown,
        _ if is_our_mistake(&refusal.code) => CallErrorKind::Invalid,
        _ => CallErrorKind::Unknown,
    }
}

/// Codes of a request that stays wrong when it is repeated (Docs: Common Azure deployment errors).
fn is_our_mistake(code: &str) -> bool {
    code.starts_with("Invalid")
        || code.starts_with("LinkedInvalid")
        || matches!(
            code,
            "BadRequest"
                | "ImageNotFound"
                | "GalleryImageNotFound"
                | "PlatformImageNotFound"
                | "PropertyChangeNotAllowed"
                | "LocationNotAvailableForResourceType"
                | "NoRegisteredProviderFound"
                | "VMMarketplaceInvalidInput"
                | "ResourcePurchaseValidationFailed"
                | "OSProvisioningClientError"
        )
}

/// The error that leaves this crate.
pub(crate) fn call_error(
    what: &str,
    effect: ArmEffect,
    credential: CredentialKind,
    error: &ArmError,
) -> CallError {
    let kind = kind_of(effect, error);
    let (advice, retry_after) = match &error.how {
        How::NoToken(no_token) => {
            return CallError { kind, ..no_token.clone() }.during(what);
        }
        How::NoAnswer { was_sent: false, .. } => (Advice::CheckConnection("resource_manager_url"), None),
        How::NoAnswer { was_sent: true, .. } => (advice(kind), None),
        How::Refused(refusal) => {
            (error.advice(credential).unwrap_or_else(|| advice(kind)), refusal.retry_after)
        }
        How::HeldBack(wait) => (advice(kind), Some(*wait)),
    };
    CallError::new(kind, error.to_string()).during(what).advise(advice).after(retry_after)
}

/// What a person can do about a kind of error.
fn advice(kind: CallErrorKind) -> Advice {
    match kind {
        CallErrorKind::NotPermitted => Advice::GrantRoles,
        CallErrorKind::NotFound => Advice::CheckAzureNames,
        CallErrorKind::Invalid => Advice::CheckVmSection,
        CallErrorKind::NameTaken => Advice::RenameVm,
        CallErrorKind::NoCapacity => Advice::AddSizeOrZone,
        CallErrorKind::NoQuota(_) => Advice::RaiseQuota,
        CallErrorKind::Throttled | CallErrorKind::Unavailable => Advice::Wait,
        CallErrorKind::OutcomeUnknown => Advice::LookAgain,
        CallErrorKind::Unknown => Advice::Report,
    }
}

#[cfg(test)]
mod tests;
