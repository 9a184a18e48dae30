use std::fs::Permissions;

use russh::keys::ssh_key::private::RsaKeypair;
use russh::keys::{EcdsaCurve, encode_pkcs8_pem};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, mode: u32, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

const NONE: Keys = Keys { credentials: None };

fn new_key(algorithm: Algorithm) -> PrivateKey {
    let mut rng = russh::keys::key::safe_rng();
    let mut key = match algorithm {
        Algorithm::Rsa { .. } => PrivateKey::from(RsaKeypair::random(&mut rng, 2048).unwrap()),
        other => PrivateKey::random(&mut rng, other).unwrap(),
    };
    key.set_comment("somebody@somewhere");
    key
}

fn openssh(key: &PrivateKey) -> String {
    key.to_openssh(LineEnding::LF).unwrap().to_string()
}

fn refused(result: Result<PrivateKey, SshError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, SshErrorKind::NoKey, "{error}");
    error.to_string()
}

#[test]
fn every_kind_is_read_in_both_formats() {
    let folder = Folder::new();
    for algorithm in [
        Algorithm::Ed25519,
        Algorithm::Rsa { hash: None },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    ] {
        let key = new_key(algorithm.clone());
        let mut pkcs8 = Vec::new();
        encode_pkcs8_pem(&key, &mut pkcs8).unwrap();
        for text in [openssh(&key), String::from_utf8(pkcs8).unwrap().replace("\r\n", "\n")] {
            for text in [text.trim_end().to_owned(), text.replace('\n', "\r\n")] {
                let read = NONE.read(Some(&folder.put("key", 0o600, &text))).unwrap();
                let line = public_line(read.public_key());
                assert_eq!(line.split(' ').count(), 2, "{line}");
                assert_eq!(line, public_line(key.public_key()), "{algorithm}");
            }
        }
    }
}

#[test]
fn a_key_that_others_may_read_is_refused_with_the_cure() {
    let folder = Folder::new();
    let text = openssh(&new_key(Algorithm::Ed25519));
    for mode in [0o644, 0o640, 0o604, 0o620, 0o660] {
        let path = folder.put("key", mode, &text);
        let message = refused(NONE.read(Some(&path)));
        let cure = format!("may be read by others (mode {mode:04o}); chmod 600 {}", path.display());
        assert!(message.ends_with(&cure), "{message}");
    }
    for mode in [0o600, 0o400] {
        NONE.read(Some(&folder.put("key", mode, &text))).unwrap();
    }
}

#[test]
fn a_credential_may_be_read_by_its_group_only() {
    let folder = Folder::new();
    let keys = Keys { credentials: Some(folder.0.path().to_owned()) };
    let text = openssh(&new_key(Algorithm::Ed25519));
    for mode in [0o440, 0o400] {
        let path = folder.put("ssh-key", mode, &text);
        keys.read(None).unwrap();
        keys.read(Some(&path)).unwrap();
    }
    let path = folder.put("ssh-key", 0o444, &text);
    refused(keys.read(None));
    std::fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
    refused(NONE.read(Some(&path)));
}

#[test]
fn a_rotated_key_counts_at_once() {
    let folder = Folder::new();
    let keys = Keys { credentials: Some(folder.0.path().to_owned()) };
    let mut lines = Vec::new();
    for _ in 0..2 {
        folder.put("ssh-key", 0o600, &openssh(&new_key(Algorithm::Ed25519)));
        lines.push(public_line(keys.read(None).unwrap().public_key()));
    }
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn what_cannot_be_used_says_why_and_what_to_do() {
    let folder = Folder::new();
    let key = new_key(Algorithm::Ed25519);
    let encrypted = key.encrypt(&mut russh::keys::key::safe_rng(), "swordfish").unwrap();
    let mut pkcs8 = Vec::new();
    russh::keys::encode_pkcs8_pem_encrypted(&key, b"swordfish", 10, &mut pkcs8).unwrap();
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                  DEK-Info: AES-256-CBC,0011\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let rows = [
        ("a passphrase", openssh(&encrypted), "give one without (ssh-keygen -p), best as the systemd"),
        ("a passphrase, PKCS#8", String::from_utf8(pkcs8).unwrap(), "has a passphrase"),
        ("a passphrase, PEM", legacy.to_owned(), "has a passphrase"),
        ("the public half", key.public_key().to_openssh().unwrap(), "is a public key; name the private one"),
        ("no key", "hello\n".to_owned(), "as ssh-keygen -t ed25519 makes it"),
        ("nothing", String::new(), "is no private key that can be read"),
        ("half a key", openssh(&key)[..200].to_owned(), "is no private key that can be read"),
        ("a long file", "x".repeat(70_000), "it has more than 65536 bytes"),
    ];
    for (situation, text, expected) in rows {
        let path = folder.put("key", 0o600, &text);
        let message = refused(NONE.read(Some(&path)));
        assert!(message.contains(expected), "{situation}: {message}");
        assert!(message.contains(path.to_str().unwrap()), "{situation}: {message}");
        assert!(!message.contains("swordfish") && !message.contains("AAAA"), "{situation}: {message}");
    }
    let missing = folder.0.path().join("missing");
    let message = refused(NONE.read(Some(&missing)));
    assert!(message.contains("missing cannot be read: No such file"), "{message}");
    assert!(refused(NONE.read(Some(folder.0.path()))).contains("is not a file"));
    assert!(refused(NONE.read(None)).contains("ssh_private_key"));
}

/// Azure checks the key that a new VM gets. Of all 32 bytes only half are a point of the curve.
#[test]
fn every_new_key_is_a_point_of_the_curve() {
    for _ in 0..64 {
        let line = new_host_key().public;
        let key = PublicKey::from_openssh(&line).unwrap();
        let point = key.key_data().ed25519().unwrap().0;
        assert!(ed25519_dalek::VerifyingKey::from_bytes(&point).is_ok(), "{line}");
    }
}

#[test]
fn a_new_host_key_is_a_pair_and_hides_its_private_half() {
    let (one, other) = (new_host_key(), new_host_key());
    assert_ne!(one.public, other.public);
    let pem = one.private.expose_secret();
    assert!(pem.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n") && pem.ends_with('\n'), "{pem}");
    let read = decode_secret_key(pem, None).unwrap();
    assert_eq!(public_line(read.public_key()), one.public);
    assert!(one.public.starts_with("ssh-ed25519 AAAA"), "{}", one.public);
    assert!(!format!("{one:?}").contains("PRIVATE KEY"));
}
