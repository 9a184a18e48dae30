//! The signature of the checksums, by minisign: docs/decisions/0012-releases-are-signed-with-minisign.md.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::{run, say};

/// The variable that names the file of the secret key.
const KEY: &str = "AZLIN_SIGNING_KEY";

/// Signs `SHA256SUMS`, where there is a key: `SHA256SUMS.minisig`.
pub(super) fn sign(sums: &Path) -> Result<(), String> {
    let Some(key) = std::env::var_os(KEY).filter(|key| !key.is_empty()) else {
        say(&format!("not signed: {KEY} names no key\n"));
        return Ok(());
    };
    signed(sums, &key)
}

fn signed(sums: &Path, key: &OsString) -> Result<(), String> {
    let comment = format!("azlin {}", super::VERSION);
    run(Command::new("minisign").args(["-S", "-t", &comment, "-s"]).arg(key).arg("-m").arg(sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where minisign is at hand: a changed list of checksums no longer fits its signature.
    #[test]
    fn a_signature_is_of_these_checksums_and_no_others() {
        if Command::new("minisign").arg("-v").output().is_err() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("azlin-signature-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [sums, secret, public] = ["SHA256SUMS", "azlin.key", "azlin.pub"].map(|name| folder.join(name));
        std::fs::write(&sums, "00  azlin.deb\n").unwrap();
        let made =
            Command::new("minisign").args(["-G", "-W", "-s"]).arg(&secret).arg("-p").arg(&public).output();
        assert!(made.unwrap().status.success());
        signed(&sums, &secret.into_os_string()).unwrap();
        let is_good = || {
            let check =
                Command::new("minisign").args(["-V", "-q", "-p"]).arg(&public).arg("-m").arg(&sums).output();
            check.unwrap().status.success()
        };
        assert!(is_good());
        std::fs::write(&sums, "01  azlin.deb\n").unwrap();
        assert!(!is_good());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
