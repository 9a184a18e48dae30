//! The runner program, as GitHub offers it.

use crate::model::ForeignText;

/// The runner program for one OS and architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The OS: `linux`, `win` or `osx`, as [`crate::model::Os::download`] has it.
    pub os: ForeignText,
    /// The architecture: `x64` or `arm64`.
    pub architecture: ForeignText,
    /// The URL of the archive.
    pub url: String,
    /// The file name of the archive.
    pub filename: String,
    /// The SHA-256 of the archive in hexadecimal. Absent if GitHub does not report it.
    pub sha256: Option<String>,
}

impl Download {
    /// The version in the archive's name, as in `actions-runner-linux-x64-2.319.1.tar.gz`.
    pub fn version(&self) -> Option<&str> {
        let stem = self.filename.strip_suffix(".tar.gz")?;
        let (_, version) = stem.rsplit_once('-')?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    }
}
