//! The runner program, as GitHub offers it.

use url::{Host, Url};

use crate::model::{ForeignText, redact};

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
        let is_number = version.chars().all(|c| c.is_ascii_digit() || c == '.');
        (is_number && version.starts_with(|c: char| c.is_ascii_digit())).then_some(version)
    }

    /// Why no VM fetches this as root: what it says comes from a server, and the VM runs it. `None` if a VM may.
    pub fn refusal(&self) -> Option<String> {
        let shown = redact::line(&self.url, &[]);
        if !self.has_safe_url() {
            return Some(format!("its address is not plain HTTPS: {shown}"));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !self.filename.chars().all(is_name)
            || !self.filename.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Some(format!("its file name is {:?}", redact::line(&self.filename, &[])));
        }
        match &self.sha256 {
            None => Some(format!(
                "it comes without a SHA-256 checksum, and nothing shows that {shown} is the runner"
            )),
            Some(sum) if sum.len() != 64 || !sum.chars().all(|c| c.is_ascii_hexdigit()) => Some(format!(
                "its SHA-256 checksum is {:?}, and not 64 hexadecimal digits",
                redact::line(sum, &[])
            )),
            Some(_) => None,
        }
    }

    /// Whether the address is HTTPS, or of the machine itself, and written as addresses are.
    fn has_safe_url(&self) -> bool {
        let Ok(url) = Url::parse(&self.url) else { return false };
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        let is_private = url.username().is_empty() && url.password().is_none();
        let is_protected = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
        is_private && is_protected && url.host().is_some() && url.as_str() == self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_vm_may_fetch() {
        let sum = "5d".repeat(32);
        let name = "actions-runner-linux-x64-2.329.0.tar.gz";
        for (url, filename, sha256, expected) in [
            ("https://github.com/r.tar.gz", name, Some(sum.as_str()), None),
            ("http://127.0.0.1:8080/r.tar.gz", name, Some(&sum), None),
            ("http://[::1]:8080/r.tar.gz", name, Some(&sum), None),
            ("http://downloads.evil.example/r.tar.gz", name, Some(&sum), Some("plain HTTPS")),
            ("http://169.254.169.254/r.tar.gz", name, Some(&sum), Some("plain HTTPS")),
            ("http://localhost/r.tar.gz", name, Some(&sum), Some("plain HTTPS")),
            ("https://joe:hunter2@h/r.tar.gz", name, Some(&sum), Some("plain HTTPS")),
            ("file:///etc/shadow", name, Some(&sum), Some("plain HTTPS")),
            ("-K/etc/cron.d/x", name, Some(&sum), Some("plain HTTPS")),
            ("https://h/r.tar.gz\n--output=/etc/cron.d/x", name, Some(&sum), Some("plain HTTPS")),
            ("https://h/r.tar.gz", "-o/etc/cron.d/x", Some(&sum), Some("file name")),
            ("https://h/r.tar.gz", "../r-2.tar.gz", Some(&sum), Some("file name")),
            ("https://h/r.tar.gz", "", Some(&sum), Some("file name")),
            ("https://h/r.tar.gz", name, None, Some("without a SHA-256 checksum")),
            ("https://h/r.tar.gz", name, Some("unknown"), Some("64 hexadecimal digits")),
            ("https://h/r.tar.gz", name, Some(&sum[1..]), Some("64 hexadecimal digits")),
        ] {
            let (os, architecture) = ("linux".into(), "x64".into());
            let sha256 = sha256.map(str::to_owned);
            let offered =
                Download { os, architecture, url: url.to_owned(), filename: filename.to_owned(), sha256 };
            let refusal = offered.refusal();
            assert_eq!(refusal.is_some(), expected.is_some(), "{url} {filename}: {refusal:?}");
            assert!(refusal.unwrap_or_default().contains(expected.unwrap_or_default()), "{url} {filename}");
        }
    }

    #[test]
    fn a_version_is_a_number() {
        let of = |filename: &str| Download {
            os: "linux".into(),
            architecture: "x64".into(),
            url: String::new(),
            filename: filename.to_owned(),
            sha256: None,
        };
        for (filename, expected) in [
            ("actions-runner-linux-x64-2.319.1.tar.gz", Some("2.319.1")),
            ("actions-runner-linux-x64-2.319.1;id.tar.gz", None),
            ("actions-runner-linux-x64.tar.gz", None),
            ("actions-runner-linux-x64-2.319.1.zip", None),
        ] {
            assert_eq!(of(filename).version(), expected, "{filename}");
        }
    }
}
