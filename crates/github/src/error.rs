//! What a person reads when a call failed: what was tried, what came back, and what to do.

use std::time::Duration;

use azlin_fleet::model::redact;
use azlin_fleet::ports::{CallError, CallErrorKind};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::http::{Answer, Call};
use crate::retry::Effect;

/// GitHub's own words in an error's body.
pub(crate) fn github_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        message: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(body) => body.message,
        // A proxy's page, most likely.
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned(),
    }
}

/// The error for an answer that is not what the caller hoped for.
pub(crate) fn refused(call: &Call, answer: &Answer, token: &str) -> CallError {
    let status = answer.status;
    let (trouble, advice) = match status {
        StatusCode::UNAUTHORIZED => (
            CallErrorKind::NotPermitted,
            "the token is wrong, has expired or was revoked: set GITHUB_TOKEN to one that is valid"
                .to_owned(),
        ),
        StatusCode::FORBIDDEN => (
            CallErrorKind::NotPermitted,
            format!(
                "the token may not do this: it needs {}, and single sign-on where the owner has it",
                call.needs
            ),
        ),
        StatusCode::NOT_FOUND => (
            CallErrorKind::NotFound,
            format!(
                "it does not exist, or the token may not see it: check the name, and that the token has {}",
                call.needs
            ),
        ),
        StatusCode::CONFLICT => (CallErrorKind::NameTaken, "the name is in use: take another".to_owned()),
        _ if status.is_redirection() => (
            CallErrorKind::Invalid,
            "GitHub points to another host, where the token is not sent: check api_url".to_owned(),
        ),
        _ if status.is_server_error() => (
            not_known(call.effect, CallErrorKind::Unavailable),
            "GitHub has trouble (https://www.githubstatus.com): it is tried again later".to_owned(),
        ),
        StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
            (CallErrorKind::Invalid, "GitHub does not take the request as it is".to_owned())
        }
        _ => (
            CallErrorKind::Unknown,
            "azlin does not know this refusal: please report it; it is tried again later".to_owned(),
        ),
    };
    let said = redact::line(&github_message(&answer.body), &[token]);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    CallError::new(trouble, format!("{call}: {status}{said}; {advice}"))
}

/// The error for a call without an answer.
pub(crate) fn unanswered(call: &Call, why: &str, was_sent: bool, token: &str) -> CallError {
    let why = redact::line(why, &[token]);
    if was_sent {
        let trouble = not_known(call.effect, CallErrorKind::Unavailable);
        CallError::new(trouble, format!("{call}: no whole answer came: {why}; it is tried again later"))
    } else {
        CallError::new(
            CallErrorKind::Unavailable,
            format!(
                "{call}: no connection: {why}; check api_url, the network, the proxy and the system's certificates"
            ),
        )
    }
}

/// The error for a call that a rate limit holds back.
pub(crate) fn throttled(call: &Call, wait: Duration) -> CallError {
    let seconds = wait.as_secs_f64().ceil();
    CallError::new(
        CallErrorKind::Throttled(Some(wait)),
        format!("{call}: GitHub's rate limit is used up; nothing is sent for {seconds} s"),
    )
}

/// The error for an answer that cannot be read.
pub(crate) fn unreadable(call: &Call, error: &serde_json::Error, token: &str) -> CallError {
    let why = redact::line(&error.to_string(), &[token]);
    CallError::new(
        not_known(call.effect, CallErrorKind::Unavailable),
        format!(
            "{call}: the answer is not what GitHub documents: {why}; check api_url, and whether a proxy answers"
        ),
    )
}

/// An earlier try of the same call may have been carried out, whatever the last one met.
pub(crate) fn after_a_lost_try(error: CallError) -> CallError {
    match error.trouble {
        CallErrorKind::Unavailable | CallErrorKind::Throttled(_) => CallError {
            trouble: CallErrorKind::OutcomeUnknown,
            message: format!("{}; an earlier try may have been carried out", error.message),
        },
        _ => error,
    }
}

fn not_known(effect: Effect, otherwise: CallErrorKind) -> CallErrorKind {
    match effect {
        Effect::Reads => otherwise,
        Effect::Removes | Effect::Makes => CallErrorKind::OutcomeUnknown,
    }
}

/// The cause at the bottom of an error of reqwest: "connection refused" and not "error sending
/// request", and without the URL, which the message names already.
pub(crate) fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
