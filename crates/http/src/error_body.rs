//! The content of an error's body, in a form that a message may show.

use azlin_fleet::model::redact;
use serde::de::DeserializeOwned;

/// The part of a body that is quoted where it is not what the API documents.
const QUOTED_BYTES: usize = 400;

/// The content of an error's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorText<T> {
    /// The API's own error.
    Documented(T),
    /// The beginning of any other body, most likely a proxy's page.
    Other(String),
}

/// Reads an error's body.
pub fn error_text<T: DeserializeOwned>(body: &[u8]) -> ErrorText<T> {
    match serde_json::from_slice(body) {
        Ok(read) => ErrorText::Documented(read),
        Err(_) => {
            let beginning = &body[..body.len().min(QUOTED_BYTES)];
            ErrorText::Other(String::from_utf8_lossy(beginning).into_owned())
        }
    }
}

/// A text of the other side in a form that a message may quote: one line, limited length, without the given
/// secrets and without anything that looks like a secret.
pub fn quote(text: &str, secrets: &[&str]) -> String {
    redact::line(text, secrets)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Documented {
        message: String,
    }

    #[test]
    fn a_documented_error_and_a_proxys_page() {
        let read = error_text(br#"{"message": "Not Found"}"#);
        assert_eq!(read, ErrorText::Documented(Documented { message: "Not Found".to_owned() }));
        let page = error_text::<Documented>(b"<html>\nBad Gateway</html>");
        assert_eq!(page, ErrorText::Other("<html>\nBad Gateway</html>".to_owned()));
        let long = error_text::<Documented>(&[b'x'; 2000]);
        assert_eq!(long, ErrorText::Other("x".repeat(QUOTED_BYTES)));
    }

    #[test]
    fn a_quotation_is_one_line_without_secrets() {
        assert_eq!(quote("a\nb hush ghp_0123", &["hush"]), "a b [redacted] [redacted]");
    }
}
