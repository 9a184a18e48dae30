//! Keys: the private key that opens a fleet's VMs, and new host keys. The private key is read at each use, so
//! that a rotated key is used at once.
//!
//! As a VM's admin key Azure accepts only ssh-rsa of at least 2048 bits and ssh-ed25519. ECDSA keys are read
//! for machines that azlin did not create.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use azlin_fleet::model::{HostKey, SshError, SshErrorKind};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey, decode_secret_key};
use secrecy::{ExposeSecret, SecretString};

/// The systemd credential with the key of fleets that name none.
const CREDENTIAL: &str = "ssh-key";
/// The longest private key, in bytes. A longer file is not a key.
const MAX_BYTES: u64 = 64 * 1024;

/// Where private keys come from.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// systemd's credentials for this service.
    pub(crate) credentials: Option<PathBuf>,
}

impl Keys {
    /// The key in that file, or in the credential.
    pub(crate) fn read(&self, named: Option<&Path>) -> Result<PrivateKey, SshError> {
        let none = || {
            no_key("no private key to log in with").advise(format!(
                "name its file as ssh_private_key in the fleet's configuration, or give the service the systemd \
                 credential {CREDENTIAL}"
            ))
        };
        let credential = || Some(self.credentials.as_ref()?.join(CREDENTIAL));
        let path = named.map(Path::to_owned).or_else(credential).ok_or_else(none)?;
        let text = self.text(&path)?;
        // The unit provides an empty credential where there is none.
        if named.is_none() && text.expose_secret().trim().is_empty() {
            return Err(none());
        }
        parse(&path, &text)
    }

    fn text(&self, path: &Path) -> Result<SecretString, SshError> {
        let unreadable = |error: std::io::Error| {
            no_key(format!("the private key {} cannot be read: {error}", path.display())).advise(format!(
                "put it there, readable for the user of this service, or give the service the systemd credential \
                 {CREDENTIAL}"
            ))
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(no_key(format!("the private key {} is not a file", path.display())));
        }
        self.refuse_readable_by_others(path, metadata.permissions().mode())?;
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
        let text = SecretString::from(text);
        if text.expose_secret().len() as u64 > MAX_BYTES {
            return Err(no_key(format!(
                "{} is no private key: it has more than {MAX_BYTES} bytes",
                path.display()
            )));
        }
        Ok(text)
    }

    fn refuse_readable_by_others(&self, path: &Path, mode: u32) -> Result<(), SshError> {
        // systemd gives a service's user access to its credentials through their group or an ACL,
        // whose mask shows as the group's rights.
        let is_credential = self.credentials.as_ref().is_some_and(|folder| path.starts_with(folder));
        let others = if is_credential { 0o037 } else { 0o077 };
        if mode & others == 0 {
            return Ok(());
        }
        let (path, mode) = (path.display(), mode & 0o7777);
        let error = no_key(format!("the private key {path} may be read by others (mode {mode:04o})"));
        Err(error.advise(format!("chmod 600 {path}")))
    }
}

fn parse(path: &Path, text: &SecretString) -> Result<PrivateKey, SshError> {
    let pem = text.expose_secret();
    let path = path.display();
    let passphrase = || {
        no_key(format!("the private key {path} has a passphrase, and nobody is there to type it")).advise(format!(
            "give one without (ssh-keygen -p), best as the systemd credential {CREDENTIAL}, which is encrypted \
             where it lies"
        ))
    };
    let is_encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", "Encryption: aes"];
    if is_encrypted.iter().any(|mark| pem.contains(mark)) {
        return Err(passphrase());
    }
    if PublicKey::from_openssh(pem.trim()).is_ok() {
        return Err(no_key(format!("{path} is a public key")).advise("name the private one"));
    }
    let key = decode_secret_key(pem, None).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => passphrase(),
        error => no_key(format!("{path} is no private key that can be read ({error})"))
            .advise("give one in OpenSSH's format or PEM, as ssh-keygen -t ed25519 makes it"),
    })?;
    if key.is_encrypted() {
        return Err(passphrase());
    }
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Rsa { .. } | Algorithm::Ecdsa { .. } => Ok(key),
        other => Err(no_key(format!("the private key {path} is of the kind {other}"))
            .advise("give an ssh-ed25519 one")),
    }
}

/// A line of `authorized_keys`, without a comment.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
pub(crate) fn public_line(key: &PublicKey) -> String {
    let mut key = key.clone();
    key.set_comment("");
    key.to_openssh().expect("a key that was read can be written").trim_end().to_owned()
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A new ed25519 key.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
pub(crate) fn new_host_key() -> HostKey {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
        .expect("an ed25519 key is any 32 bytes");
    let pem = key.to_openssh(LineEnding::LF).expect("a new key can be written");
    HostKey { public: public_line(key.public_key()), private: SecretString::from(pem.as_str()) }
}

fn no_key(says: impl Into<String>) -> SshError {
    SshError::new(SshErrorKind::NoKey, says)
}

#[cfg(test)]
mod tests;
