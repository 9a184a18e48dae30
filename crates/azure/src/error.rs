//! Errors of calls: what Azure's refusals mean, and what a person can do.

mod body;
mod meaning;

use std::fmt;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind, UnfitScope};
use azlin_http::{NoReply, quote};

use crate::credential::{CredentialError, CredentialKind};
use crate::gates::Extent;
use body::{BodyError, ErrorBody};
use meaning::CodeMeaning;

/// The part of a body that is quoted where it is no error of Azure's.
const QUOTED_BYTES: usize = 400;

/// How long Azure keeps a NIC for a VM that it could not make ("reserved for another Virtual Machine for 180 seconds").
const NIC_RESERVED: Duration = Duration::from_secs(180);

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
    /// No whole answer came, or it was larger than it may be and was cut.
    NoAnswer { was_sent: bool, is_cut: bool, why: String },
    /// Nothing was sent, since Azure asked to wait for this time.
    HeldBack(Duration),
    /// No token to send it with.
    NoToken(CallError),
}

impl From<NoReply> for How {
    fn from(no_reply: NoReply) -> Self {
        let is_cut = matches!(no_reply, NoReply::Cut(_));
        How::NoAnswer { was_sent: no_reply.was_sent(), is_cut, why: no_reply.why().to_owned() }
    }
}

/// An answer that refuses. Its texts may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArmRefusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// What code and text mean, if azlin knows them.
    meaning: Option<Box<CodeMeaning>>,
    /// Whether its body has the form of Azure's errors. If not, it is most likely a proxy's.
    pub(crate) is_azures: bool,
    /// Whether that form is the resource manager's own, with the frame `error`.
    is_framed: bool,
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
            How::NoAnswer { was_sent: true, why, .. } => write!(f, "no whole answer came: {why}"),
            How::NoAnswer { was_sent: false, why, .. } => write!(f, "no connection: {why}"),
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
        ArmError { how: How::NoAnswer { was_sent: true, is_cut: false, why: why.into() }, may_be_done: false }
    }

    /// A list that is larger, or takes longer, than it may.
    pub(crate) fn cut(why: impl Into<String>) -> Self {
        ArmError { how: How::NoAnswer { was_sent: true, is_cut: true, why: why.into() }, may_be_done: false }
    }

    /// Advice where the code or the status is more specific than the kind.
    fn advice(&self, credential: CredentialKind) -> Option<Advice> {
        let How::Refused(refusal) = &self.how else { return None };
        let of_code = refusal.meaning.as_ref().and_then(|meaning| meaning.advice.clone());
        of_code.or_else(|| (refusal.status == 401).then(|| Advice::CheckCredential(credential.advice())))
    }
}

impl ArmRefusal {
    /// Reads an error's body.
    pub(crate) fn new(status: u16, body: &[u8], retry_after: Option<Duration>, secrets: &[&str]) -> Self {
        let (error, is_azures, is_framed) = match ErrorBody::read(body) {
            ErrorBody::Framed(error) => (error, true, true),
            ErrorBody::Bare(error) => (error, true, false),
            ErrorBody::Text(message) => (BodyError { message, ..BodyError::default() }, false, false),
            ErrorBody::Other => {
                let beginning = String::from_utf8_lossy(&body[..body.len().min(QUOTED_BYTES)]);
                (BodyError { message: beginning.into_owned(), ..BodyError::default() }, false, false)
            }
        };
        let meaning = meaning::of(&error).map(|meaning| Box::new(meaning.quoted(secrets)));
        let is_of_resource = resource_waits(&error);
        ArmRefusal {
            status,
            code: quote(&error.code, secrets),
            message: quote(&error.message, secrets),
            meaning,
            is_azures,
            is_framed,
            retry_after: is_of_resource.unwrap_or_default().or(retry_after),
            extent: if is_of_resource.is_some() { Extent::Resource } else { Extent::Subscription },
        }
    }

    /// Whether Azure says that the resource does not exist. A 404 of anything else says nothing, and neither does one
    /// without Azure's frame: a gateway on the way may have written it.
    pub(crate) fn is_absence(&self) -> bool {
        self.status == 404 && self.is_framed && !self.code.is_empty()
    }

    /// Whether the name is taken, by our VM or another.
    pub(crate) fn is_name_taken(&self) -> bool {
        let is_code = |code: &str| self.code.eq_ignore_ascii_case(code);
        self.status == 412
            || self.status == 409
                && (["PreconditionFailed", "ResourceAlreadyExists", "AlreadyExists"].into_iter().any(is_code)
                    || self.message.contains("already exists"))
    }

    /// Whether requests of that count are held back: Azure asks to wait, or the resource is not ready.
    pub(crate) fn holds_back(&self) -> bool {
        self.status == 429 || self.extent == Extent::Resource && self.retry_after.is_some()
    }

    /// Whether the answer proves that nothing was created, whatever the status. Another try does not help.
    pub(crate) fn is_settled(&self) -> bool {
        let kind = self.by_code();
        matches!(
            kind,
            Some(
                CallErrorKind::NoCapacity
                    | CallErrorKind::NoQuota(_)
                    | CallErrorKind::Unfit(_)
                    | CallErrorKind::Blocked
            )
        )
    }

    /// What the code means. A rate limit is one, whatever code it comes with, unless only the resource is busy.
    fn by_code(&self) -> Option<CallErrorKind> {
        let kind = self.meaning.as_ref().map(|meaning| meaning.kind);
        kind.filter(|kind| self.status != 429 || *kind == CallErrorKind::Unavailable)
    }
}

/// How long a resource waits that is busy, or held by another: what Azure says, or `None` in the inside.
fn resource_waits(error: &BodyError) -> Option<Option<Duration>> {
    let is_code = |code: &&str| error.code.eq_ignore_ascii_case(code);
    if ["NicReservedForAnotherVm", "NicInUse"].iter().any(is_code) {
        return Some(Some(NIC_RESERVED));
    }
    ["RetryableErrorDueToAnotherOperation"].iter().any(is_code).then_some(None)
}

/// What a failure means to the caller.
pub(crate) fn kind_of(effect: ArmEffect, error: &ArmError) -> CallErrorKind {
    let unknown =
        if effect == ArmEffect::Reads { CallErrorKind::Unavailable } else { CallErrorKind::OutcomeUnknown };
    let found = match &error.how {
        How::Refused(refusal) => refusal.by_code().unwrap_or_else(|| by_status(refusal, unknown)),
        How::NoAnswer { was_sent: true, .. } => unknown,
        How::NoAnswer { was_sent: false, .. } => CallErrorKind::Unavailable,
        How::HeldBack(_) => CallErrorKind::Throttled,
        How::NoToken(error) => error.kind,
    };
    match found {
        // The last try says nothing about an earlier one.
        CallErrorKind::Unavailable
        | CallErrorKind::Throttled
        | CallErrorKind::NotPermitted
        | CallErrorKind::Blocked
            if error.may_be_done =>
        {
            unknown
        }
        found => found,
    }
}

/// The error of an operation that failed after Azure had accepted it.
pub(crate) fn told(code: &str, message: &str) -> CallError {
    let error = BodyError { code: code.to_owned(), message: message.to_owned(), target: String::new() };
    told_by(&error)
}

/// The same, from the body of the operation: `{"status": "Failed", "error": {"code", "message"}}`.
pub(crate) fn told_in(body: &[u8]) -> Option<CallError> {
    match ErrorBody::read(body) {
        ErrorBody::Framed(error) => Some(told_by(&error)),
        ErrorBody::Bare(_) | ErrorBody::Text(_) | ErrorBody::Other => None,
    }
}

fn told_by(error: &BodyError) -> CallError {
    let meaning = meaning::of(error).map(|meaning| meaning.quoted(&[]));
    let kind = meaning.as_ref().map_or(CallErrorKind::Unavailable, |meaning| meaning.kind);
    let message = quote(&error.message, &[]);
    let said = if message.is_empty() { String::new() } else { format!(" \"{message}\"") };
    let told = CallError::new(kind, format!("{}{said}", quote(&error.code, &[])));
    match meaning.and_then(|meaning| meaning.advice) {
        Some(advice) => told.advise(advice),
        None => told,
    }
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
    let code = code.to_ascii_lowercase();
    code.starts_with("invalid")
        || code.starts_with("linkedinvalid")
        || matches!(
            code.as_str(),
            "badrequest"
                | "imagenotfound"
                | "platformimagenotfound"
                | "propertychangenotallowed"
                | "osprovisioningclienterror"
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
        CallErrorKind::NoQuota(_) | CallErrorKind::Unfit(UnfitScope::Quota(_)) => Advice::RaiseQuota,
        CallErrorKind::Unfit(_) => Advice::AddSizeOrZone,
        CallErrorKind::Blocked => Advice::CheckSubscription,
        CallErrorKind::Throttled | CallErrorKind::Unavailable => Advice::Wait,
        CallErrorKind::OutcomeUnknown => Advice::LookAgain,
        CallErrorKind::Unknown => Advice::Report,
    }
}

#[cfg(test)]
mod tests;
