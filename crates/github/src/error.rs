//! Errors of calls: what was tried, what came back, and what a person can do.

use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind};
use azlin_http::{ErrorText, HttpReply, NoReply, RequestEffect, error_text, quote};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::http::GitHubCall;

/// The message in the body of an error.
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

/// The error for an answer that refuses the request.
pub(crate) fn refused(call: &GitHubCall, answer: &HttpReply, token: &str) -> CallError {
    let status = answer.status;
    let (kind, advice) = match status {
        StatusCode::UNAUTHORIZED => (CallErrorKind::NotPermitted, Advice::ReplaceToken),
        StatusCode::FORBIDDEN => (CallErrorKind::NotPermitted, Advice::GrantToken(call.needs)),
        StatusCode::NOT_FOUND => (CallErrorKind::NotFound, Advice::CheckNameAndToken(call.needs)),
        StatusCode::CONFLICT => (CallErrorKind::NameTaken, Advice::RenameRunner),
        _ if status.is_redirection() => (CallErrorKind::Invalid, Advice::CheckApiUrl),
        _ if status.is_server_error() => {
            (not_known(call.effect, CallErrorKind::Unavailable), Advice::WaitForGitHub)
        }
        StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
            (CallErrorKind::Invalid, Advice::CheckRequest)
        }
        _ => (CallErrorKind::Unknown, Advice::Report),
    };
    let said = quote(&github_message(&answer.body), &[token]);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    CallError::new(kind, format!("{status}{said}")).during(call).advise(advice)
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

/// The error for a call that a rate limit holds back.
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
