//! Errors of calls: what was tried, what came back, and what a person can do.

use std::borrow::Cow;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind};
use azlin_http::{HttpReply, NoReply, RequestEffect, quote};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::answer::{Heard, heard};
use crate::http::GitHubCall;
use crate::refusal::{Meaning, meaning, words};

/// The error for an answer that is not the documented success.
pub(crate) fn failed(call: &GitHubCall, answer: &HttpReply, token: &str) -> CallError {
    let status = answer.status;
    // What an answer of success holds may be a secret.
    let words = if status.is_success() { String::new() } else { words(&answer.body) };
    let said = quote(&words, &[token]);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    let (kind, advice, is_foreign) = match (by_text(answer), heard(call.expects, answer)) {
        (Some((kind, advice)), _) => (kind, advice, false),
        _ if status.is_server_error() => {
            (not_known(call.effect, CallErrorKind::Unavailable), Advice::WaitForGitHub, false)
        }
        (None, Heard::Refusal(_, refusal)) => {
            let (kind, advice) = by_status(call, status, &answer.headers);
            let is_old = call.is_jit_config() && refusal.is_of_an_enterprise_server();
            let advice = match kind {
                CallErrorKind::NotFound if is_old => Advice::UseSshBootstrap(call.needs),
                _ => advice,
            };
            (kind, advice, false)
        }
        _ => (not_known(call.effect, CallErrorKind::Unavailable), Advice::CheckProxy, true),
    };
    let what = if is_foreign { ", which is not what GitHub documents" } else { "" };
    CallError::new(kind, format!("{status}{what}{said}")).during(call).advise(advice)
}

/// What a refusal's text and headers say beyond its status.
fn by_text(answer: &HttpReply) -> Option<(CallErrorKind, Advice)> {
    let advice = match meaning(answer) {
        Some(Meaning::NotSignedIn) => Advice::ReplaceToken(None),
        Some(Meaning::AddressNotAllowed) => Advice::AllowAddress,
        Some(Meaning::NoUserAgent) => Advice::KeepUserAgent,
        Some(Meaning::Blocked) => Advice::AskToUnblock,
        Some(Meaning::WrongClock) => Advice::CheckClock,
        Some(Meaning::Passes) | None if answer.status == StatusCode::FORBIDDEN => {
            Advice::AuthorizeSignOn(sign_on(&answer.headers)?)
        }
        Some(Meaning::Passes) | None => return None,
    };
    Some((CallErrorKind::NotPermitted, advice))
}

/// Whether the token lacks the owner's single sign-on, and the address where it gets it: `required; url=…`
/// (GitHub Docs: Authenticating with single sign-on).
fn sign_on(headers: &HeaderMap) -> Option<Option<String>> {
    let header = headers.get(SIGN_ON)?.to_str().ok()?;
    let mut parts = header.split(';').map(str::trim);
    let is_required = parts.next()?.eq_ignore_ascii_case("required");
    is_required.then(|| parts.find_map(|part| part.strip_prefix("url=")).map(|url| quote(url, &[])))
}

/// The header about single sign-on.
const SIGN_ON: &str = "x-github-sso";

/// The error for a list that GitHub has shortened: `partial-results; organizations=1,2`. Single sign-on hides the
/// rest.
pub(crate) fn shortened(call: &GitHubCall, headers: &HeaderMap) -> Option<CallError> {
    let header = headers.get(SIGN_ON)?.to_str().ok()?;
    let left_out = header.trim().strip_prefix("partial-results")?.trim_start_matches([';', ' ']);
    let why = format!("GitHub left out a part of the list ({})", quote(left_out, &[]));
    let error = CallError::new(CallErrorKind::NotPermitted, why).during(call);
    Some(error.advise(Advice::AuthorizeSignOn(None)))
}

/// The permission that the call needs, as GitHub states it (Docs: Troubleshooting the REST API, insufficient
/// permissions).
pub(crate) fn accepted(headers: &HeaderMap) -> Option<String> {
    ["x-accepted-github-permissions", "x-accepted-oauth-scopes"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .find(|text| !text.is_empty())
        .map(|text| quote(text, &[]))
}

fn by_status(call: &GitHubCall, status: StatusCode, headers: &HeaderMap) -> (CallErrorKind, Advice) {
    let needs = || match accepted(headers) {
        Some(accepted) => Cow::Owned(format!("{} (GitHub: {accepted})", call.needs)),
        None => Cow::Borrowed(call.needs),
    };
    match status {
        StatusCode::UNAUTHORIZED => (CallErrorKind::NotPermitted, Advice::ReplaceToken(None)),
        StatusCode::FORBIDDEN => (CallErrorKind::NotPermitted, Advice::GrantToken(needs())),
        StatusCode::NOT_FOUND => (CallErrorKind::NotFound, Advice::CheckNameAndToken(needs())),
        StatusCode::CONFLICT => (CallErrorKind::NameTaken, Advice::RenameRunner),
        StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
            (CallErrorKind::Invalid, Advice::CheckRequest)
        }
        _ => (CallErrorKind::Unknown, Advice::Report),
    }
}

/// The error for a call without an answer.
pub(crate) fn unanswered(call: &GitHubCall, no_reply: &NoReply, token: &str) -> CallError {
    let why = quote(no_reply.why(), &[token]);
    let error = if no_reply.was_sent() {
        let kind = not_known(call.effect, CallErrorKind::Unavailable);
        CallError::new(kind, format!("no whole answer came: {why}")).advise(Advice::Wait)
    } else {
        CallError::new(CallErrorKind::Unavailable, format!("no connection: {why}"))
            .advise(Advice::CheckConnection("api_url"))
    };
    error.during(call)
}

/// The error for an answer that asks to wait.
pub(crate) fn asked_to_wait(call: &GitHubCall, answer: &HttpReply, wait: Duration, token: &str) -> CallError {
    let said = quote(&words(&answer.body), &[token]);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    let error = throttled(call, wait);
    CallError { provider_says: format!("GitHub asks to wait: {}{said}", answer.status), ..error }
}

/// The error for a call that is not sent, since a rate limit holds it back.
pub(crate) fn throttled(call: &GitHubCall, wait: Duration) -> CallError {
    CallError::new(CallErrorKind::Throttled, "GitHub's rate limit is used up")
        .during(call)
        .advise(Advice::WaitFor(wait))
        .after(Some(wait))
}

/// The error for an answer that cannot be read.
pub(crate) fn unreadable(call: &GitHubCall, error: &serde_json::Error, token: &str) -> CallError {
    let why = quote(&error.to_string(), &[token]);
    let kind = not_known(call.effect, CallErrorKind::Unavailable);
    CallError::new(kind, format!("the answer is not what GitHub documents: {why}"))
        .during(call)
        .advise(Advice::CheckProxy)
}

/// The error for an answer that says what GitHub does not.
pub(crate) fn foreign(call: &GitHubCall, why: &str) -> CallError {
    CallError::new(not_known(call.effect, CallErrorKind::Unavailable), why)
        .during(call)
        .advise(Advice::CheckProxy)
}

/// The same error after an earlier try of the call that GitHub may have carried out.
pub(crate) fn after_a_lost_try(error: CallError) -> CallError {
    match error.kind {
        CallErrorKind::Unavailable | CallErrorKind::Throttled => CallError {
            kind: CallErrorKind::OutcomeUnknown,
            provider_says: format!("{}; an earlier try may have been carried out", error.provider_says),
            ..error
        },
        _ => error,
    }
}

fn not_known(effect: RequestEffect, otherwise: CallErrorKind) -> CallErrorKind {
    match effect {
        RequestEffect::Reads => otherwise,
        RequestEffect::WritesOnce | RequestEffect::Creates => CallErrorKind::OutcomeUnknown,
    }
}
