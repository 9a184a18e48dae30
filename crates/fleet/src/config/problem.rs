//! A problem in a configuration file: its position, what was found, what is allowed.

use std::fmt;
use std::ops::Range;

/// The kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The text is not TOML.
    Syntax,
    /// A required key is missing.
    Missing,
    /// The key is unknown.
    UnknownKey,
    /// The key does not allow the value, regardless of the rest of the file.
    Value,
    /// The value conflicts with another one.
    Conflict,
    /// The value, or its key, is a credential.
    Secret,
}

/// One problem in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind of the problem.
    pub kind: ProblemKind,
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The byte range of the text that the problem is about.
    pub span: Range<usize>,
    /// Whether these lines of the text may be shown, because none of them holds a secret.
    pub is_quotable: bool,
    /// The key with its tables, such as `scaling.max_runners`; empty if the text is not TOML.
    pub key: String,
    /// What was found and what is allowed.
    pub message: String,
    /// What to do about it. Absent if the message says enough.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// All problems of a file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A text that cannot be used, with all of its problems.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problems}")]
pub struct Faulty {
    /// The text that the problems' spans refer to.
    pub text: String,
    /// The problems of the text.
    pub problems: Problems,
}

/// A span, extended to whole lines.
pub(super) fn lines_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline);
    start..end
}

/// The line and column, both from 1, of a byte in a text.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
