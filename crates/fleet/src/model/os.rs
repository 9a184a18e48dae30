//! The operating system of a VM.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// An operating system that has a GitHub runner and Azure images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Os {
    /// Linux: the only operating system that a fleet's VMs can have.
    Linux,
    /// Windows: images can have it, and `check` refuses it.
    Windows,
}

/// A text that names no known operating system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0}; allowed: Linux, Windows")]
pub struct UnknownOs(String);

impl Os {
    /// GitHub's implicit label for the operating system.
    pub fn label(self) -> &'static str {
        match self {
            Os::Linux => "Linux",
            Os::Windows => "Windows",
        }
    }

    /// The name in GitHub's list of downloads.
    pub fn download(self) -> &'static str {
        match self {
            Os::Linux => "linux",
            Os::Windows => "win",
        }
    }
}

impl fmt::Display for Os {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Parses Azure's `osType`, in any case.
impl FromStr for Os {
    type Err = UnknownOs;

    fn from_str(text: &str) -> Result<Self, UnknownOs> {
        let is_it = |os: &Os| os.label().eq_ignore_ascii_case(text);
        [Os::Linux, Os::Windows].into_iter().find(is_it).ok_or_else(|| UnknownOs(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_spells_it_in_any_case() {
        for (text, expected) in [
            ("Linux", Some(Os::Linux)),
            ("linux", Some(Os::Linux)),
            ("WINDOWS", Some(Os::Windows)),
            ("", None),
        ] {
            assert_eq!(text.parse::<Os>().ok(), expected, "{text}");
        }
        assert_eq!([Os::Linux, Os::Windows].map(|os| os.to_string()), ["Linux", "Windows"]);
    }
}
