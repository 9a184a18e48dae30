//! What an answer is to the call that it answers: the documented success, a refusal in GitHub's own form, or no
//! answer of GitHub's.
//!
//! A call declares the success that it understands ([`Expects`]). Nothing else is a success: a page of a proxy, a
//! login page, another status. And nothing is absent, busy or taken but by a refusal in GitHub's own form.

use azlin_http::HttpReply;
use reqwest::StatusCode;

use crate::refusal::GitHubRefusal;

/// The success that a call understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expects {
    /// This status with JSON. The reader of the call knows its form.
    Json(StatusCode),
    /// This status without a body.
    Empty(StatusCode),
}

impl Expects {
    /// The answer to almost everything that reads.
    pub(crate) const OK: Expects = Expects::Json(StatusCode::OK);
    /// The answer to what creates.
    pub(crate) const CREATED: Expects = Expects::Json(StatusCode::CREATED);
    /// The answer to a request that was accepted.
    pub(crate) const ACCEPTED: Expects = Expects::Json(StatusCode::ACCEPTED);
    /// The answer to a removal.
    pub(crate) const NO_CONTENT: Expects = Expects::Empty(StatusCode::NO_CONTENT);
}

/// An answer, as the call that it answers understands it.
#[derive(Debug)]
pub(crate) enum Heard<'a> {
    /// The documented success, with its body.
    Success(&'a [u8]),
    /// GitHub refuses: a status from 400 on with `{"message": …}`.
    Refusal(StatusCode, GitHubRefusal),
    /// No answer of GitHub's, or none that is documented for this call. It says nothing about what the call asked
    /// for.
    Foreign,
}

/// What the answer to a call with this expectation is.
pub(crate) fn heard(expects: Expects, answer: &HttpReply) -> Heard<'_> {
    let HttpReply { status, body, .. } = answer;
    let is_success = match expects {
        Expects::Json(documented) => *status == documented && begins_as_json(body),
        Expects::Empty(documented) => *status == documented && body.is_empty(),
    };
    if is_success {
        return Heard::Success(body);
    }
    let is_refusal = status.is_client_error() || status.is_server_error();
    match is_refusal.then(|| GitHubRefusal::read(body)).flatten() {
        Some(refusal) => Heard::Refusal(*status, refusal),
        None => Heard::Foreign,
    }
}

fn begins_as_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_success_is_the_documented_one_and_a_refusal_is_githubs() {
        let (json, page, refusal) = (r#" {"a": 1}"#, "<html>Sign in</html>", r#"{"message": "Not Found"}"#);
        for (expects, status, body, expected) in [
            (Expects::OK, 200, json, "success"),
            (Expects::OK, 200, "[]", "success"),
            (Expects::OK, 200, page, "foreign"),
            (Expects::OK, 200, "", "foreign"),
            (Expects::OK, 202, json, "foreign"),
            (Expects::OK, 204, "", "foreign"),
            (Expects::OK, 304, "", "foreign"),
            (Expects::CREATED, 200, json, "foreign"),
            (Expects::NO_CONTENT, 204, "", "success"),
            (Expects::NO_CONTENT, 200, "", "foreign"),
            (Expects::NO_CONTENT, 200, page, "foreign"),
            (Expects::NO_CONTENT, 200, refusal, "foreign"),
            (Expects::NO_CONTENT, 302, "", "foreign"),
            (Expects::NO_CONTENT, 404, refusal, "refusal"),
            (Expects::NO_CONTENT, 404, page, "foreign"),
            (Expects::NO_CONTENT, 404, "", "foreign"),
            (Expects::NO_CONTENT, 404, r#"{"error": "not found"}"#, "foreign"),
            (Expects::NO_CONTENT, 404, r#""message""#, "foreign"),
            (Expects::NO_CONTENT, 422, refusal, "refusal"),
            (Expects::OK, 502, page, "foreign"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = HttpReply { status, headers: HeaderMap::default(), body: body.as_bytes().to_vec() };
            let found = match heard(expects, &answer) {
                Heard::Success(_) => "success",
                Heard::Refusal(..) => "refusal",
                Heard::Foreign => "foreign",
            };
            assert_eq!(found, expected, "{expects:?}: {status} {body}");
        }
    }
}
