//! What Azure's refusals mean to a fleet, and what a person reads of them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use azlin_fleet::model::redact;
use azlin_fleet::ports::{CallError, CallErrorKind};
use serde::Deserialize;

use crate::credential::{CredentialError, CredentialKind};
use crate::gates::Extent;

/// Why no client could be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// `resource_manager_url`: what was found, and why it is not used.
    ResourceManagerUrl(String, &'static str),
    /// The environment holds no whole credential.
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
pub(crate) enum Effect {
    Reads,
    Creates,
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
    Refused(Refusal),
    /// No whole answer.
    NoAnswer { was_sent: bool, why: String },
    /// Nothing is sent: Azure has asked to wait so long.
    HeldBack(Duration),
    /// No token to send it with.
    NoToken(CallError),
}

/// An answer that refuses. Its texts are fit for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// What it holds back where it is for too many requests.
    pub(crate) extent: Extent,
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Refused(Refusal { status, code, message, .. }) => {
                write!(f, "{status} {code}")?;
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
    /// What to do about it where its code or status says more than its kind does.
    fn advice(&self, kind: CredentialKind) -> Option<Cow<'static, str>> {
        let How::Refused(refusal) = &self.how else { return None };
        let advice = match (refusal.code.as_str(), refusal.status) {
            ("MissingSubscriptionRegistration", _) => {
                // "The subscription is not registered to use namespace 'Microsoft.Compute'."
                let quoted = refusal.message.split('\'').nth(1).unwrap_or_default();
                let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
                let namespace = Some(quoted).filter(|text| text.starts_with("Microsoft.") && is_name(text));
                let namespace = namespace.unwrap_or("NAMESPACE");
                return Some(format!("az provider register --namespace {namespace}").into());
            }
            ("RequestDisallowedByPolicy", _) => Some(
                "a policy of the subscription forbids it: change the policy, or the fleet's [vm] section",
            ),
            ("ScopeLocked", _) => Some("remove the lock on the resource group, or it stays as it is"),
            (_, 401) => Some(kind.advice()),
            _ => None,
        };
        advice.map(Cow::Borrowed)
    }
}

impl Refusal {
    /// Reads an error's body: `{"error": {"code", "message"}}`.
    pub(crate) fn new(status: u16, body: &[u8], retry_after: Option<Duration>, secrets: &[&str]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Inner,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let (code, message) = match serde_json::from_slice::<Body>(body) {
            Ok(Body { error }) => (error.code, error.message),
            Err(_) => (String::new(), String::from_utf8_lossy(&body[..body.len().min(600)]).into_owned()),
        };
        Refusal {
            status,
            code: redact::line(&code, secrets),
            message: redact::line(&message, secrets),
            retry_after,
            extent: Extent::Subscription,
        }
    }

    /// Whether the name is taken, by ours or another's.
    pub(crate) fn is_name_taken(&self) -> bool {
        self.status == 412
            || self.status == 409
                && (matches!(
                    self.code.as_str(),
                    "PreconditionFailed" | "ResourceAlreadyExists" | "AlreadyExists"
                ) || self.message.contains("already exists"))
    }

    /// Whether it tells for sure that nothing was made, whatever the status: no other try helps.
    pub(crate) fn is_about_capacity(&self) -> bool {
        matches!(by_code(self), Some(CallErrorKind::NoCapacity | CallErrorKind::NoQuota))
    }
}

/// What a failure means to the caller.
pub(crate) fn trouble(effect: Effect, error: &ArmError) -> CallErrorKind {
    let unknown =
        if effect == Effect::Reads { CallErrorKind::Unavailable } else { CallErrorKind::OutcomeUnknown };
    let found = match &error.how {
        How::Refused(refusal) => by_code(refusal).unwrap_or_else(|| by_status(refusal, unknown)),
        How::NoAnswer { was_sent: true, .. } => unknown,
        How::NoAnswer { was_sent: false, .. } => CallErrorKind::Unavailable,
        How::HeldBack(wait) => CallErrorKind::Throttled(Some(*wait)),
        How::NoToken(error) => error.trouble,
    };
    match found {
        // The last try says nothing of what became of an earlier one.
        CallErrorKind::Unavailable | CallErrorKind::Throttled(_) | CallErrorKind::NotPermitted
            if error.may_be_done =>
        {
            unknown
        }
        found => found,
    }
}

/// What the result of an operation says that failed after Azure had taken it.
pub(crate) fn told(code: &str, message: &str) -> CallError {
    let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
    let refusal = Refusal::new(200, body.as_bytes(), None, &[]);
    let trouble = by_code(&refusal).unwrap_or(CallErrorKind::Unavailable);
    let said = if refusal.message.is_empty() { String::new() } else { format!(" \"{}\"", refusal.message) };
    CallError::new(trouble, format!("{}{said}", refusal.code))
}

fn by_code(refusal: &Refusal) -> Option<CallErrorKind> {
    Some(match refusal.code.as_str() {
        "AllocationFailed"
        | "ZonalAllocationFailed"
        | "OverconstrainedAllocationRequest"
        | "OverconstrainedZonalAllocationRequest"
        | "SkuNotAvailable" => CallErrorKind::NoCapacity,
        "QuotaExceeded" => CallErrorKind::NoQuota,
        "OperationNotAllowed" if refusal.message.to_ascii_lowercase().contains("quota") => {
            CallErrorKind::NoQuota
        }
        "AuthorizationFailed" | "LinkedAuthorizationFailed" | "ExpiredAuthenticationToken" => {
            CallErrorKind::NotPermitted
        }
        // Nobody registers it but a person.
        "MissingSubscriptionRegistration" => CallErrorKind::Invalid,
        // VMs that go make room in it.
        "SubnetIsFull" => CallErrorKind::Unavailable,
        "AnotherOperationInProgress" | "RetryableError" | "Conflict" if !refusal.is_name_taken() => {
            CallErrorKind::Unavailable
        }
        _ => return None,
    })
}

fn by_status(refusal: &Refusal, unknown: CallErrorKind) -> CallErrorKind {
    match refusal.status {
        401 | 403 => CallErrorKind::NotPermitted,
        404 => CallErrorKind::NotFound,
        429 => CallErrorKind::Throttled(refusal.retry_after),
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

/// The error that leaves this crate: what was tried, what came back, what to do.
pub(crate) fn call_error(what: &str, effect: Effect, kind: CredentialKind, error: &ArmError) -> CallError {
    let trouble = trouble(effect, error);
    let advice = error.advice(kind).unwrap_or(Cow::Borrowed(match trouble {
        CallErrorKind::NotPermitted => {
            "give the daemon's identity the roles Virtual Machine Contributor and Network Contributor on the \
             resource group, join on the subnet, and reading virtual machines on the subscription"
        }
        CallErrorKind::NotFound => "check subscription_id, resource_group, image and subnet_id",
        CallErrorKind::Invalid => "Azure does not take the request as it is: check the fleet's [vm] section",
        CallErrorKind::NameTaken => "another VM has the name: take another",
        CallErrorKind::Throttled(_) => "it is tried again later",
        CallErrorKind::NoCapacity => "add another size to sizes, or another zone",
        CallErrorKind::NoQuota => "ask for a higher quota, or use sizes of another family",
        CallErrorKind::Unavailable => "it is tried again later",
        CallErrorKind::OutcomeUnknown => "it may have been carried out; the next tick sees",
        CallErrorKind::Unknown => {
            "azlin does not know this refusal: please report it; it is tried again later"
        }
    }));
    match &error.how {
        How::NoToken(error) => CallError::new(trouble, format!("{what}: {}", error.message)),
        How::NoAnswer { was_sent: false, .. } => CallError::new(
            trouble,
            format!(
                "{what}: {error}; check resource_manager_url, the network, the proxy and the system's certificates"
            ),
        ),
        _ => CallError::new(trouble, format!("{what}: {error}; {advice}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> ArmError {
        let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
        let refusal = Refusal::new(status, body.as_bytes(), Some(Duration::from_secs(17)), &[]);
        ArmError { how: How::Refused(refusal), may_be_done: false }
    }

    #[test]
    fn a_provider_that_is_not_registered() {
        for (said, namespace) in [
            (
                "The subscription is not registered to use namespace 'Microsoft.Compute'. See x",
                "Microsoft.Compute",
            ),
            ("in 'a; rm' words", "NAMESPACE"),
        ] {
            let error = refused(409, "MissingSubscriptionRegistration", said);
            let told = call_error("list sizes", Effect::Reads, CredentialKind::AzureCli, &error);
            let cure = format!("; az provider register --namespace {namespace}");
            assert!(told.message.ends_with(&cure), "{}", told.message);
        }
    }

    #[test]
    fn what_refusals_mean() {
        use Effect::{Creates, Deletes, Reads};
        let throttled = CallErrorKind::Throttled(Some(Duration::from_secs(17)));
        for (status, code, message, effect, expected) in [
            (409, "MissingSubscriptionRegistration", "", Reads, CallErrorKind::Invalid),
            (409, "AllocationFailed", "", Creates, CallErrorKind::NoCapacity),
            (409, "ZonalAllocationFailed", "", Creates, CallErrorKind::NoCapacity),
            (400, "OverconstrainedAllocationRequest", "", Creates, CallErrorKind::NoCapacity),
            (400, "OverconstrainedZonalAllocationRequest", "", Creates, CallErrorKind::NoCapacity),
            (409, "SkuNotAvailable", "", Creates, CallErrorKind::NoCapacity),
            (409, "QuotaExceeded", "", Creates, CallErrorKind::NoQuota),
            (
                409,
                "OperationNotAllowed",
                "exceeding approved Total Regional Cores quota",
                Creates,
                CallErrorKind::NoQuota,
            ),
            (409, "OperationNotAllowed", "marked for deletion", Creates, CallErrorKind::Unavailable),
            (409, "Conflict", "busy", Deletes, CallErrorKind::Unavailable),
            (409, "AnotherOperationInProgress", "", Deletes, CallErrorKind::Unavailable),
            (409, "RetryableError", "", Creates, CallErrorKind::Unavailable),
            (409, "Conflict", "The resource already exists", Creates, CallErrorKind::NameTaken),
            (412, "PreconditionFailed", "", Creates, CallErrorKind::NameTaken),
            (401, "InvalidAuthenticationToken", "", Reads, CallErrorKind::NotPermitted),
            (403, "AuthorizationFailed", "", Creates, CallErrorKind::NotPermitted),
            (404, "ResourceGroupNotFound", "", Reads, CallErrorKind::NotFound),
            (400, "InvalidParameter", "", Creates, CallErrorKind::Invalid),
            (400, "SubnetIsFull", "", Creates, CallErrorKind::Unavailable),
            (400, "NeverHeardOf", "", Creates, CallErrorKind::Unknown),
            (418, "", "", Deletes, CallErrorKind::Unknown),
            (429, "TooManyRequests", "", Reads, throttled),
            (503, "ServerBusy", "", Creates, CallErrorKind::Unavailable),
            (500, "InternalServerError", "", Creates, CallErrorKind::OutcomeUnknown),
            (504, "GatewayTimeout", "", Deletes, CallErrorKind::OutcomeUnknown),
            (500, "InternalServerError", "", Reads, CallErrorKind::Unavailable),
        ] {
            assert_eq!(
                trouble(effect, &refused(status, code, message)),
                expected,
                "{status} {code} {message}"
            );
        }
    }

    #[test]
    fn an_earlier_try_leaves_the_outcome_unknown_unless_the_last_one_settles_it() {
        for (status, code, expected) in [
            (429, "TooManyRequests", CallErrorKind::OutcomeUnknown),
            (503, "ServerBusy", CallErrorKind::OutcomeUnknown),
            (401, "ExpiredAuthenticationToken", CallErrorKind::OutcomeUnknown),
            (409, "AllocationFailed", CallErrorKind::NoCapacity),
            (400, "InvalidParameter", CallErrorKind::Invalid),
        ] {
            let error = ArmError { may_be_done: true, ..refused(status, code, "") };
            assert_eq!(trouble(Effect::Creates, &error), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_message_says_what_was_tried_and_what_to_do() {
        for (status, code, message, expected) in [
            (
                409,
                "SkuNotAvailable",
                "not in\nwesteurope",
                "PUT vm: 409 SkuNotAvailable \"not in westeurope\"; add another size to sizes, or another zone",
            ),
            (
                401,
                "InvalidAuthenticationTokenTenant",
                "",
                "PUT vm: 401 InvalidAuthenticationTokenTenant; run `az login` as the user that the daemon runs as",
            ),
            (
                403,
                "RequestDisallowedByPolicy",
                "",
                "PUT vm: 403 RequestDisallowedByPolicy; a policy of the subscription forbids it: change the policy, \
                 or the fleet's [vm] section",
            ),
            (
                409,
                "ScopeLocked",
                "",
                "PUT vm: 409 ScopeLocked; remove the lock on the resource group, or it stays as it is",
            ),
        ] {
            let refused = refused(status, code, message);
            let error = call_error("PUT vm", Effect::Creates, CredentialKind::AzureCli, &refused);
            assert_eq!(error.message, expected);
        }
    }

    #[test]
    fn a_proxys_page_is_no_error_of_azures_but_is_shown() {
        let refusal = Refusal::new(502, b"<html>\nBad Gateway</html>", None, &[]);
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("", "<html> Bad Gateway</html>"));
    }
}
