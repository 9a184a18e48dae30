//! What the service's refusals mean. They are told by a part of `typeName`; a body may also be plain text, or empty.

use azlin_fleet::model::{Advice, CallError, CallErrorKind};
use azlin_http::{HttpReply, NoReply, RequestEffect, quote};
use reqwest::StatusCode;

use super::wire::{RefusalJson, without_mark};

/// What the service refuses with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exception {
    SetExists,
    SetNotFound,
    SessionConflict,
    SessionOver,
    AgentExists,
    JobStillRunning,
}

const BY_NAME: [(&str, Exception); 7] = [
    ("RunnerScaleSetExistsException", Exception::SetExists),
    ("RunnerScaleSetNotFoundException", Exception::SetNotFound),
    ("RunnerScaleSetSessionConflictException", Exception::SessionConflict),
    ("RunnerScaleSetSessionExpiredException", Exception::SessionOver),
    ("RunnerAdminException", Exception::SessionOver),
    ("AgentExistsException", Exception::AgentExists),
    ("JobStillRunningException", Exception::JobStillRunning),
];

/// The exception that a refusal names.
pub(super) fn exception(reply: &HttpReply) -> Option<Exception> {
    let refusal: RefusalJson = serde_json::from_slice(without_mark(&reply.body)).unwrap_or_default();
    BY_NAME.iter().find(|(name, _)| refusal.type_name.contains(name)).map(|(_, exception)| *exception)
}

/// The error for an answer that is no success. `call` says what was tried.
pub(super) fn failed(call: &str, reply: &HttpReply, effect: RequestEffect, secret: &str) -> CallError {
    let status = reply.status;
    let refusal: RefusalJson = serde_json::from_slice(without_mark(&reply.body)).unwrap_or_default();
    let text = if !refusal.message.is_empty() {
        refusal.message.to_string()
    } else if status.is_success() {
        // What an answer of success holds may be a secret.
        String::new()
    } else {
        String::from_utf8_lossy(&reply.body[..reply.body.len().min(200)]).into_owned()
    };
    let said = quote(&text, &[secret]);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    let (kind, advice) = match (exception(reply), status) {
        (Some(Exception::SetExists | Exception::AgentExists | Exception::SessionConflict), _) => {
            (CallErrorKind::NameTaken, Advice::Wait)
        }
        (Some(Exception::SetNotFound), _) => (CallErrorKind::NotFound, Advice::LookAgain),
        (_, StatusCode::TOO_MANY_REQUESTS) => (CallErrorKind::Throttled, Advice::Wait),
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => (CallErrorKind::NotPermitted, Advice::Wait),
        (_, StatusCode::NOT_FOUND) => (CallErrorKind::NotFound, Advice::LookAgain),
        (_, StatusCode::CONFLICT) => (CallErrorKind::NameTaken, Advice::Wait),
        (_, status) if status.is_server_error() => (in_doubt(effect), Advice::WaitForGitHub),
        (_, status) if status.is_client_error() => (CallErrorKind::Invalid, Advice::CheckRequest),
        _ => (in_doubt(effect), Advice::CheckProxy),
    };
    let wait = azlin_http::retry_after(&reply.headers);
    CallError::new(kind, format!("{status}{said}")).during(call).advise(advice).after(wait)
}

/// The error for a call without an answer.
pub(super) fn unanswered(call: &str, lost: &NoReply, effect: RequestEffect, secret: &str) -> CallError {
    let why = quote(lost.why(), &[secret]);
    let kind = if lost.was_sent() { in_doubt(effect) } else { CallErrorKind::Unavailable };
    CallError::new(kind, format!("no whole answer came: {why}")).during(call).advise(Advice::Wait)
}

/// The error for an answer that cannot be read.
pub(super) fn unreadable(call: &str, effect: RequestEffect, why: &str) -> CallError {
    CallError::new(in_doubt(effect), format!("the answer is not what GitHub sends: {why}"))
        .during(call)
        .advise(Advice::CheckProxy)
}

fn in_doubt(effect: RequestEffect) -> CallErrorKind {
    match effect {
        RequestEffect::Reads => CallErrorKind::Unavailable,
        RequestEffect::WritesOnce | RequestEffect::Creates => CallErrorKind::OutcomeUnknown,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn refusals_in_each_form() {
        let named = |name: &str| {
            format!(r#"{{"typeName":"GitHub.Actions.Runtime.WebApi.{name}, GitHub","message":"no"}}"#)
        };
        for (status, body, exception_is, kind) in [
            (
                400,
                named("RunnerScaleSetExistsException"),
                Some(Exception::SetExists),
                CallErrorKind::NameTaken,
            ),
            (
                404,
                named("RunnerScaleSetNotFoundException"),
                Some(Exception::SetNotFound),
                CallErrorKind::NotFound,
            ),
            (
                409,
                named("RunnerScaleSetSessionConflictException"),
                Some(Exception::SessionConflict),
                CallErrorKind::NameTaken,
            ),
            (409, named("TaskAgentExistsException"), Some(Exception::AgentExists), CallErrorKind::NameTaken),
            (
                400,
                named("TaskAgentJobStillRunningException"),
                Some(Exception::JobStillRunning),
                CallErrorKind::Invalid,
            ),
            (404, "404 page not found".to_owned(), None, CallErrorKind::NotFound),
            (401, named("InvalidTokenException"), None, CallErrorKind::NotPermitted),
            (429, String::new(), None, CallErrorKind::Throttled),
            (502, "<html>".to_owned(), None, CallErrorKind::OutcomeUnknown),
            (200, "not JSON".to_owned(), None, CallErrorKind::OutcomeUnknown),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let reply = HttpReply { status, headers: HeaderMap::new(), body: body.clone().into_bytes() };
            assert_eq!(exception(&reply), exception_is, "{status} {body}");
            let error = failed("POST x", &reply, RequestEffect::Creates, "s3cr3t");
            assert_eq!(error.kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_is_quoted_without_the_token() {
        let body = b"\xef\xbb\xbf{\"message\": \"no: eyJabc.def.ghi\\n\\u001b[2J\"}".to_vec();
        let reply = HttpReply { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body };
        let error = failed("POST x", &reply, RequestEffect::Reads, "eyJabc.def.ghi").to_string();
        assert!(error.starts_with("POST x: 400 Bad Request \"no: [redacted]"), "{error}");
        assert!(!error.contains('\u{1b}') && !error.contains('\n'), "{error:?}");
    }
}
