//! Names that cannot hold a bad value: each is checked once, when it is parsed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value that its type does not allow: what was found, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {found:?}; allowed: {allowed}")]
pub struct NameError {
    /// The kind of name, as a person calls it: "pool name".
    pub what: &'static str,
    /// The text that was found.
    pub found: String,
    /// What is allowed, in words.
    pub allowed: &'static str,
}

/// A newtype over `String`. Its `FromStr` and serde share one check, and store the name in one spelling.
macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $keep:expr, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The allowed values in words, for an error or a help text.
            pub const ALLOWED: &'static str = $allowed;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(text) {
                    let keep: fn(&str) -> String = $keep;
                    Ok(Self(keep(text)))
                } else {
                    Err(NameError { what: $what, found: text.to_owned(), allowed: $allowed })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn only(text: &str, allowed: fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn word_or_dot(c: char) -> bool {
    word(c) || c == '.'
}

checked_name!(
    /// Repositories by name: `owner/name`, where `*` in the name stands for any characters.
    RepoPattern,
    "repository",
    "owner/name, where * in the name stands for any characters",
    str::to_ascii_lowercase,
    |text| {
        text.split_once('/').is_some_and(|(owner, name)| {
            owner.parse::<AccountName>().is_ok() && only(name, |c| word_or_dot(c) || c == '*')
        })
    }
);

impl RepoPattern {
    /// The account that the repositories belong to.
    #[expect(clippy::expect_used, reason = "an invariant, which the message states")]
    pub fn owner(&self) -> AccountName {
        let owner = self.as_str().split('/').next().unwrap_or_default();
        owner.parse().expect("it was checked when this was parsed")
    }

    /// The single repository that the pattern names. `None` means that the pattern has a `*`.
    pub fn one(&self) -> Option<RepoSlug> {
        self.as_str().parse().ok()
    }

    /// Whether the pattern matches a repository.
    pub fn matches(&self, repo: &RepoSlug) -> bool {
        let repo = repo.as_str().to_ascii_lowercase();
        let mut parts = self.as_str().split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = repo.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

checked_name!(
    /// The name of a further credential for GitHub. The first credential has no name.
    CredentialName,
    "credential",
    "1 to 39 of a-z 0-9 -, beginning with a letter",
    str::to_owned,
    |text| {
        text.len() <= 39
            && only(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && text.starts_with(|c: char| c.is_ascii_lowercase())
    }
);

checked_name!(
    /// The name of a fleet: the stem of its file.
    PoolName,
    "pool name",
    "1 to 49 of a-z A-Z 0-9 _ -",
    str::to_owned,
    |text| only(text, word) && text.len() <= 49
);

checked_name!(
    /// A label of a runner. Case does not count: see [`Label::matches`].
    Label,
    "label",
    "1 to 256 of a-z A-Z 0-9 . _ -",
    str::to_owned,
    |text| only(text, word_or_dot) && text.len() <= 256
);

impl Label {
    /// Whether this label satisfies a job that asks for `wanted`.
    pub fn matches(&self, wanted: &str) -> bool {
        self.0.eq_ignore_ascii_case(wanted)
    }
}

checked_name!(
    /// `owner/repo`, in lower case. GitHub ignores case, and two spellings must not become two repositories.
    RepoSlug,
    "repository",
    "owner/repo: owner of a-z A-Z 0-9 _ -, repo of a-z A-Z 0-9 . _ -",
    str::to_ascii_lowercase,
    |text| {
        text.split_once('/')
            .is_some_and(|(owner, repo)| only(owner, word) && only(repo, word_or_dot) && !matches!(repo, "." | ".."))
    }
);

impl RepoSlug {
    /// The part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The part after the slash.
    pub fn repo(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

checked_name!(
    /// The login of an organisation, or the slug of an enterprise. In lower case, like [`RepoSlug`].
    AccountName,
    "organisation or enterprise",
    "1 or more of a-z A-Z 0-9 _ -",
    str::to_ascii_lowercase,
    |text| only(text, word)
);

/// Where runners are registered. Runner names are unique within a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One repository.
    Repo(RepoSlug),
    /// An organisation. Its runners serve many repositories.
    Org(AccountName),
    /// An enterprise. Its runners serve many organisations.
    Enterprise(AccountName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Repo(slug) => write!(f, "repo:{slug}"),
            Scope::Org(name) => write!(f, "org:{name}"),
            Scope::Enterprise(name) => write!(f, "enterprise:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = NameError;

    /// Reads what `Display` writes: `repo:o/r`, `org:o`, `enterprise:e`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once(':') {
            Some(("repo", slug)) => Ok(Scope::Repo(slug.parse()?)),
            Some(("org", name)) => Ok(Scope::Org(name.parse()?)),
            Some(("enterprise", name)) => Ok(Scope::Enterprise(name.parse()?)),
            _ => Err(NameError {
                what: "scope",
                found: text.to_owned(),
                allowed: "repo:owner/repo, org:name or enterprise:name",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_repositories() {
        for (pattern, repo, matches) in [
            ("o/*", "o/a", true),
            ("o/*", "p/a", false),
            ("o/a", "o/a", true),
            ("o/a", "O/A", true),
            ("o/a", "o/ab", false),
            ("o/web-*", "o/web-1", true),
            ("o/web-*", "o/api", false),
            ("o/*-web", "o/my-web", true),
            ("o/*-web", "o/my-web2", false),
            ("o/a*b*c", "o/a1b2c", true),
            ("o/a*b*c", "o/abc", true),
            ("o/a*b*c", "o/ac", false),
            ("o/a*bb*b", "o/abb", false),
            ("o/a*b*b", "o/ab", false),
            ("o/*a*a", "o/xaya", true),
        ] {
            let read: RepoPattern = pattern.parse().expect("a pattern");
            assert_eq!(read.matches(&repo.parse().expect("a repository")), matches, "{pattern} {repo}");
        }
        let one = |text: &str| text.parse::<RepoPattern>().expect("a pattern").one();
        assert_eq!(one("o/a"), Some("o/a".parse().expect("a repository")));
        assert_eq!(one("o/a*"), None);
    }

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        let repo: RepoSlug = "o/web".parse().expect("a repository");
        assert_eq!((repo.owner(), repo.repo()), ("o", "web"));
    }

    #[test]
    fn names_are_checked_where_they_are_parsed() {
        let valid = ["myorg/myrepo", "a_b/c.d-e"];
        for text in valid {
            assert!(text.parse::<RepoSlug>().is_ok(), "{text}");
        }
        for text in ["", "norepo", "a/b/c", "a b/c", "a/", "/b", "a/..", "a/b;rm"] {
            assert!(text.parse::<RepoSlug>().is_err(), "{text}");
        }
        for text in ["", "a b", "a/b", "a$b", "é", "x\n"] {
            assert!(text.parse::<PoolName>().is_err(), "{text}");
            assert!(text.parse::<Label>().is_err(), "{text}");
        }
        assert!("p".repeat(49).parse::<PoolName>().is_ok());
        assert!("p".repeat(50).parse::<PoolName>().is_err());
    }

    #[test]
    fn a_scope_reads_what_it_writes() {
        for text in ["repo:o/r", "org:o", "enterprise:e"] {
            assert_eq!(text.parse::<Scope>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        assert!("o/r".parse::<Scope>().is_err());
    }

    #[test]
    fn two_spellings_are_one_place() {
        assert_eq!("repo:MyOrg/My.Repo".parse::<Scope>(), "repo:myorg/my.repo".parse());
        assert_eq!("org:MyOrg".parse::<Scope>(), "org:myorg".parse());
    }
}
