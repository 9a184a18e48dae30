//! The runner's program, as GitHub offers it.

/// The runner's program for one OS and architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// `linux`, `win`, `osx`: [`crate::model::Os::download`].
    pub os: String,
    /// `x64`, `arm64`.
    pub architecture: String,
    /// Where the archive is.
    pub url: String,
    /// Its name.
    pub filename: String,
    /// Its SHA-256 in hexadecimal, where GitHub tells it.
    pub sha256: Option<String>,
}

impl Download {
    /// The version in the archive's name: `actions-runner-linux-x64-2.319.1.tar.gz`.
    pub fn version(&self) -> Option<&str> {
        let stem = self.filename.strip_suffix(".tar.gz")?;
        let (_, version) = stem.rsplit_once('-')?;
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    }
}
