//! The token: checked before it is used, in a type that never prints it.

use std::fmt;
use std::sync::Arc;

use azlin_fleet::ports::preflight::TokenKind;
use secrecy::{ExposeSecret, SecretString};

/// What GitHub's tokens begin with.
const KINDS: [(&str, TokenKind); 5] = [
    ("ghp_", TokenKind::Classic),
    ("github_pat_", TokenKind::FineGrained),
    ("gho_", TokenKind::OAuth),
    ("ghs_", TokenKind::Installation),
    ("ghu_", TokenKind::AppUser),
];

/// A token that can be sent: without blanks, control characters and quotes, and not a placeholder.
#[derive(Clone)]
pub struct Token {
    secret: Arc<SecretString>,
    /// Where it came from, for people: a file or a variable.
    origin: Option<Arc<str>>,
}

impl Token {
    /// Checks a token from the environment or a file. Blanks around it are dropped.
    ///
    /// # Errors
    /// When it cannot be sent. The error says what is wrong and what to do, and never shows the token.
    pub fn new(text: &SecretString) -> Result<Self, TokenError> {
        let token = text.expose_secret().trim();
        check(token)?;
        Ok(Token { secret: Arc::new(SecretString::from(token)), origin: None })
    }

    /// The same token, with where it came from: a file or a variable, for people.
    #[must_use]
    pub fn from_origin(self, origin: &str) -> Self {
        Token { origin: Some(origin.into()), ..self }
    }

    pub(crate) fn origin(&self) -> Option<Arc<str>> {
        self.origin.clone()
    }

    /// A remark where the token does not look like one of github.com. It is no error, since a GitHub
    /// Enterprise Server may have others.
    pub fn note(&self) -> Option<&'static str> {
        (self.kind() == TokenKind::Unknown).then_some(
            "the token has no shape that is known of github.com (ghp_…, github_pat_…, gho_…, ghs_…, ghu_…); \
             it is used as it is",
        )
    }

    /// Its kind, by what it begins with.
    pub(crate) fn kind(&self) -> TokenKind {
        let token = self.secret.expose_secret();
        let known = KINDS.iter().find(|(prefix, _)| token.starts_with(prefix));
        match known {
            Some((_, kind)) => *kind,
            None if is_old_shape(token) => TokenKind::Classic,
            None => TokenKind::Unknown,
        }
    }

    pub(crate) fn secret(&self) -> Arc<SecretString> {
        Arc::clone(&self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// Why a token cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Nothing but blanks.
    Empty,
    /// A blank or a line break inside.
    Blank,
    /// A character that no token has.
    Character,
    /// A placeholder.
    Placeholder,
}

impl TokenError {
    /// What to do about it.
    pub const ADVICE: &str =
        "set GITHUB_TOKEN to a token with Actions: read and Administration: write on the repository";

    /// What is wrong.
    pub fn why(self) -> &'static str {
        match self {
            TokenError::Empty => "the GitHub token is empty",
            TokenError::Blank => "the GitHub token has a blank or a line break inside",
            TokenError::Character => {
                "the GitHub token has a character that no token has (a quote, a bracket, or one outside ASCII)"
            }
            TokenError::Placeholder => "the GitHub token is a placeholder",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why(), Self::ADVICE)
    }
}

impl std::error::Error for TokenError {}

fn check(token: &str) -> Result<(), TokenError> {
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    if token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(TokenError::Blank);
    }
    if is_placeholder(token) {
        return Err(TokenError::Placeholder);
    }
    // base64url and the dots of a JWT, which is all that any GitHub has ever issued.
    if !token.chars().all(|c| c.is_ascii_alphanumeric() || "_-.~+/=".contains(c)) {
        return Err(TokenError::Character);
    }
    Ok(())
}

/// Whether it has 40 hexadecimal digits, as tokens before 2021.
fn is_old_shape(token: &str) -> bool {
    token.len() == 40 && token.chars().all(|c| c.is_ascii_hexdigit())
}

fn is_placeholder(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    let prefix =
        KINDS.iter().map(|(prefix, _)| *prefix).find(|prefix| lower.starts_with(prefix)).unwrap_or_default();
    let body = &lower[prefix.len()..];
    let one_letter = body.chars().next().is_none_or(|first| body.chars().all(|c| c == first));
    let in_words = prefix.is_empty()
        && ["your", "changeme", "placeholder", "example"].iter().any(|word| lower.contains(word));
    one_letter || in_words || lower.starts_with(['<', '$', '{', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Token, TokenError> {
        Token::new(&SecretString::from(text))
    }

    #[test]
    fn tokens_that_are_taken() {
        for (text, noted) in [
            ("ghp_0123456789abcdefABCDEF0123456789abcd", false),
            ("github_pat_11AAAAAAA0abcdef_ghijkl", false),
            ("gho_0123456789abcdef", false),
            ("ghs_0123456789abcdef", false),
            ("ghu_0123456789abcdef", false),
            ("0123456789abcdef0123456789abcdef01234567", false),
            ("  ghp_with_a_line_break_after\n", false),
            ("v1.1f699f1069f60a5b", true),
        ] {
            let token = token(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(token.note().is_some(), noted, "{text:?}");
        }
    }

    #[test]
    fn tokens_that_are_refused() {
        for (text, why) in [
            ("", TokenError::Empty),
            (" \n", TokenError::Empty),
            ("ghp_abc def", TokenError::Blank),
            ("ghp_abc\u{0}def", TokenError::Blank),
            ("\"ghp_0123456789abcdef\"", TokenError::Character),
            ("ghp_0123456789abcdéf", TokenError::Character),
            ("ghp_", TokenError::Placeholder),
            ("ghp_xxxxxxxxxxxxxxxxxxxx", TokenError::Placeholder),
            ("<token>", TokenError::Placeholder),
            ("$GITHUB_TOKEN", TokenError::Placeholder),
            ("your_token_here", TokenError::Placeholder),
            ("changeme", TokenError::Placeholder),
            ("***", TokenError::Placeholder),
        ] {
            assert_eq!(token(text).err(), Some(why), "{text:?}");
        }
    }

    #[test]
    fn neither_the_token_nor_its_error_shows_it() {
        let good = token("ghp_0123456789abcdef").expect("a good token");
        assert_eq!(format!("{good:?}"), "Token([redacted])");
        let error = token("ghp_abc def").expect_err("a bad token");
        assert!(!format!("{error} {error:?}").contains("ghp_"));
    }
}
