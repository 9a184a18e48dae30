//! Texts from outside, made fit for an error: one line, short, and without a secret.

/// The longest text of Azure's that is repeated.
const LONGEST: usize = 300;

/// What every JSON web token begins with: `{"` in base64.
const JWT: &str = "eyJ";

/// One line of at most 300 characters, with control characters as blanks, and with the given secrets
/// and every JSON web token replaced.
pub(crate) fn fit(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    let line = text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(without_tokens)
        .collect::<Vec<_>>()
        .join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn without_tokens(word: &str) -> String {
    let Some(start) = word.find(JWT) else {
        return word.to_owned();
    };
    let (before, from) = word.split_at(start);
    let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.+/=".contains(c))).unwrap_or(from.len());
    format!("{before}[redacted]{}", without_tokens(&from[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_texts() {
        for (text, expected) in [
            ("The VM size is not available.\r\nTrace ID: 1", "The VM size is not available. Trace ID: 1"),
            ("secret hunter2 is wrong", "secret [redacted] is wrong"),
            ("token 'eyJhbGci.eyJzdWIi.c2ln', and eyJ0", "token '[redacted]', and [redacted]"),
        ] {
            assert_eq!(fit(text, &["hunter2", ""]), expected, "{text:?}");
        }
        assert_eq!(fit(&"é ".repeat(500), &[]).chars().count(), LONGEST);
    }
}
