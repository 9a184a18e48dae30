//! What a person reads when a call failed: what was tried, what came back, and what to do.

use std::time::Duration;

use azlin_fleet::ports::{CallError, Trouble};
use azlin_http::{ErrorText, HttpReply, NoReply, RequestEffect, error_text, quote};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::http::Call;

/// GitHub's own words in an error's body.
pub(crate) fn github_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorJson {
        message: String,
    }
    match error_text::<ErrorJson>(body) {
        ErrorText::Documented(error) => error.message,
        ErrorText::Other(text) => text,
    }
}

/// The error for an answer that is not what the caller hoped for.
pub(crate) fn refused(call: &Call, answer: &HttpReply, token: &str) -> CallError {
    let status = answer.status;
    let (trouble, advice) = match status {
        StatusCode::UNAUTHORIZED => (
            Trouble::NotPermitted,
            "the token is wrong, has expired or was revoked: set GITHUB_TOKEN to one that is valid"
                .to_owned(),
        ),
        StatusCode::FORBIDDEN => (
            Trouble::NotPermitted,
            format!(
                "the token may not do this: it needs {}, and single sign-on where the owner has it",
                call.needs
            ),
        ),
        StatusCode::NOT_FOUND => (
            Trouble::NotFound,
            format!(
                "it does not exist, or the token may not see it: check the name, and that the token has {}",
                call.needs
            ),
        ),
        StatusCode::CONFLICT => (Trouble::NameTaken, "the name is in use: take another".to_owned()),
        _ if status.is_redirection() => (
            Trouble::Invalid,
            "GitHub points to another host, where the token is not sent: check api_url".to_owned(),
        ),
        _ if status.is_server_error() => (
            not_known(call.effect, Trouble::Unavailable),
            "GitHub has trouble (https://www.githubstatus.com): it is tried again later".to_owned(),
        ),
        StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
            (Trouble::Invalid, "GitHub does not take the request as it is".to_owned())
        }
        _ => (
            Trouble::Unknown,
            "azlin does not know this refusal: please report it; it is tried again later".to_owned(),
        ),
    };
    let said = quote(&github_message(&answer.body), &[token]);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    CallError::new(trouble, format!("{call}: {status}{said}; {advice}"))
}

/// The error for a call without an answer.
pub(crate) fn unanswered(call: &Call, no_reply: &NoReply, token: &str) -> CallError {
    let why = quote(no_reply.why(), &[token]);
    if no_reply.was_sent() {
        let trouble = not_known(call.effect, Trouble::Unavailable);
        CallError::new(trouble, format!("{call}: no whole answer came: {why}; it is tried again later"))
    } else {
        CallError::new(
            Trouble::Unavailable,
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
        Trouble::Throttled(Some(wait)),
        format!("{call}: GitHub's rate limit is used up; nothing is sent for {seconds} s"),
    )
}

/// The error for an answer that cannot be read.
pub(crate) fn unreadable(call: &Call, error: &serde_json::Error, token: &str) -> CallError {
    let why = quote(&error.to_string(), &[token]);
    CallError::new(
        not_known(call.effect, Trouble::Unavailable),
        format!(
            "{call}: the answer is not what GitHub documents: {why}; check api_url, and whether a proxy answers"
        ),
    )
}

/// An earlier try of the same call may have been carried out, whatever the last one met.
pub(crate) fn after_a_lost_try(error: CallError) -> CallError {
    match error.trouble {
        Trouble::Unavailable | Trouble::Throttled(_) => CallError {
            trouble: Trouble::OutcomeUnknown,
            message: format!("{}; an earlier try may have been carried out", error.message),
        },
        _ => error,
    }
}

fn not_known(effect: RequestEffect, otherwise: Trouble) -> Trouble {
    match effect {
        RequestEffect::Reads => otherwise,
        RequestEffect::WritesOnce | RequestEffect::Creates => Trouble::OutcomeUnknown,
    }
}
