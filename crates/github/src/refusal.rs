//! GitHub's refusals: what their bodies hold, and what their texts mean where the status does not tell.

use azlin_http::{ErrorText, HttpReply, error_text};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// The body of a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct GitHubRefusal {
    message: String,
    #[serde(default)]
    documentation_url: Option<String>,
    /// What is wrong with the request: texts, or objects with `field`, `code` and `message`.
    #[serde(default)]
    errors: Value,
    /// Why a repository is blocked: `reason` and `html_url`.
    #[serde(default)]
    block: Value,
}

/// What a refusal means where its status does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It passes by itself: a limit, abuse detection, too many failed sign-ins.
    Passes,
    /// GitHub answers as if nobody had signed in.
    NotSignedIn,
    /// The owner's IP allow list does not have our address.
    AddressNotAllowed,
    /// The request came without its `User-Agent` header.
    NoUserAgent,
    /// The repository is blocked.
    Blocked,
    /// The times that an app signed are not those of GitHub's clock.
    WrongClock,
}

/// What GitHub's texts and their pages say, in lower case. The first row that fits counts. Sources: GitHub Docs,
/// Rate limits for the REST API, Troubleshooting the REST API; google/go-github `CheckResponse`; public reports.
const TEXTS: [(&str, Meaning); 13] = [
    ("authenticated requests get a higher rate limit", Meaning::NotSignedIn),
    ("secondary-rate-limits", Meaning::Passes),
    ("#abuse-rate-limits", Meaning::Passes),
    ("rate limit", Meaning::Passes),
    ("abuse detection", Meaning::Passes),
    ("temporarily blocked", Meaning::Passes),
    ("login attempt", Meaning::Passes),
    ("ip allow list", Meaning::AddressNotAllowed),
    ("user-agent header", Meaning::NoUserAgent),
    ("repository access blocked", Meaning::Blocked),
    ("claim ('exp')", Meaning::WrongClock),
    ("claim ('iat')", Meaning::WrongClock),
    ("assertion expires", Meaning::WrongClock),
];

impl GitHubRefusal {
    /// Reads a body; `None` where it is not GitHub's.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        match error_text(body) {
            ErrorText::Documented(refusal) => Some(refusal),
            ErrorText::Other(_) => None,
        }
    }

    /// Everything that it says, in one text.
    pub(crate) fn says(&self) -> String {
        let errors = self.errors.as_array().map_or(&[][..], Vec::as_slice);
        let mut parts = vec![self.message.clone()];
        parts.extend(errors.iter().map(detail).filter(|detail| !detail.is_empty()));
        parts.extend(
            ["reason", "html_url"]
                .into_iter()
                .filter_map(|name| self.block[name].as_str().map(str::to_owned)),
        );
        parts.join("; ")
    }

    /// Whether it links to the documentation of a GitHub Enterprise Server.
    pub(crate) fn is_of_an_enterprise_server(&self) -> bool {
        self.documentation_url.as_deref().is_some_and(|url| url.contains("enterprise-server@"))
    }
}

/// One entry of `errors`.
fn detail(error: &Value) -> String {
    if let Some(text) = error.as_str() {
        return text.to_owned();
    }
    let parts = ["field", "code", "message"].into_iter().filter_map(|name| error[name].as_str());
    parts.collect::<Vec<_>>().join(": ")
}

/// What a refusal says: GitHub's own words, or the beginning of another page.
pub(crate) fn words(body: &[u8]) -> String {
    match error_text::<GitHubRefusal>(body) {
        ErrorText::Documented(refusal) => refusal.says(),
        ErrorText::Other(text) => text,
    }
}

/// What a refusal means, where its text tells more than its status. Some of GitHub's refusals are no JSON.
pub(crate) fn meaning(answer: &HttpReply) -> Option<Meaning> {
    match answer.status {
        StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => return Some(Meaning::Blocked),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {}
        _ => return None,
    }
    let text = match error_text::<GitHubRefusal>(&answer.body) {
        ErrorText::Documented(refusal) if !refusal.block.is_null() => return Some(Meaning::Blocked),
        ErrorText::Documented(refusal) => {
            format!("{} {}", refusal.message, refusal.documentation_url.unwrap_or_default())
        }
        ErrorText::Other(text) => text,
    };
    let text = text.to_ascii_lowercase();
    TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_whole() {
        for (body, expected) in [
            (r#"{"message": "Not Found"}"#, "Not Found"),
            (
                r#"{"message": "Validation Failed", "errors": ["Name is odd", "Group is"]}"#,
                "Validation Failed; Name is odd; Group is",
            ),
            (
                r#"{"message": "Validation Failed", "errors": [{"resource": "R", "field": "labels", "code": "custom", "message": "no"}, {"code": "missing"}, 7]}"#,
                "Validation Failed; labels: custom: no; missing",
            ),
            (r#"{"message": "Validation Failed", "errors": "all of it"}"#, "Validation Failed"),
            (
                r#"{"message": "Blocked", "block": {"reason": "tos", "html_url": "https://github.com/tos"}}"#,
                "Blocked; tos; https://github.com/tos",
            ),
            (r#"{"error": "Server Error"}"#, r#"{"error": "Server Error"}"#),
        ] {
            assert_eq!(words(body.as_bytes()), expected);
        }
    }
}
