//! GitHub App authentication: the private key, and the JSON web tokens that it signs.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// GitHub's clock may be behind ours (Docs: Generating a JSON Web Token for a GitHub App).
const BACKDATED: i64 = 60;
/// GitHub accepts ten minutes at most, and its clock may be ahead of ours.
const GOOD_FOR: i64 = 8 * 60;

/// One installation of a GitHub App.
#[derive(Clone)]
pub struct App {
    id: String,
    pub(crate) installation_id: u64,
    key: Arc<RsaKeyPair>,
}

impl App {
    /// An app by its id or client id, with its private key in PEM, as downloaded from GitHub.
    ///
    /// # Errors
    /// When the text is not a usable key. The error never shows the text.
    pub fn new(id: &str, installation_id: u64, key: &SecretString) -> Result<App, AppKeyError> {
        Ok(App { id: id.to_owned(), installation_id, key: Arc::new(read(key.expose_secret().trim())?) })
    }

    /// A JSON web token that identifies the app, valid for some minutes from now.
    #[expect(clippy::expect_used, reason = "an invariant, which the message states")]
    pub(crate) fn jwt(&self, now: Timestamp) -> SecretString {
        let now = now.as_second();
        let claims = json!({"iat": now - BACKDATED, "exp": now + GOOD_FOR, "iss": self.id});
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a key that was read signs into as many bytes as its modulus has");
        SecretString::from(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("installation_id", &self.installation_id)
            .finish_non_exhaustive()
    }
}

/// Why a text cannot be used as an app's private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppKeyError {
    /// It has no `-----BEGIN … PRIVATE KEY-----`.
    NotPem,
    /// It is encrypted.
    Encrypted,
    /// It is not an RSA key, or it is damaged.
    NotRsa,
}

impl AppKeyError {
    /// What to do about it.
    pub const ADVICE: &str =
        "give the file as it is downloaded at the app's settings, Private keys, Generate a private key";

    /// What is wrong.
    pub fn why(&self) -> &'static str {
        match self {
            AppKeyError::NotPem => {
                "the GitHub App's private key is not in PEM (-----BEGIN RSA PRIVATE KEY-----)"
            }
            AppKeyError::Encrypted => {
                "the GitHub App's private key has a passphrase, and nobody is there to type it"
            }
            AppKeyError::NotRsa => {
                "the GitHub App's private key is no RSA key of 2048 bits or more, or is not whole"
            }
        }
    }
}

impl fmt::Display for AppKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why(), Self::ADVICE)
    }
}

impl std::error::Error for AppKeyError {}

fn read(pem: &str) -> Result<RsaKeyPair, AppKeyError> {
    if !pem.contains("-----BEGIN") || !pem.contains("PRIVATE KEY-----") {
        return Err(AppKeyError::NotPem);
    }
    if pem.contains("ENCRYPTED") {
        return Err(AppKeyError::Encrypted);
    }
    let pkcs1 = PrivatePkcs1KeyDer::from_pem_slice(pem.as_bytes());
    let key = match pkcs1 {
        Ok(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        Err(_) => {
            let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| AppKeyError::NotRsa)?;
            RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
        }
    };
    key.map_err(|_| AppKeyError::NotRsa)
}

#[cfg(test)]
mod tests {
    use super::*;
    use azlin_simcloud::APP_PRIVATE_KEY;
    use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    fn app(pem: &str) -> Result<App, AppKeyError> {
        App::new("4711", 815, &SecretString::from(pem))
    }

    #[test]
    fn the_word_is_signed_and_tells_whose_it_is_and_how_long_it_is_good() {
        let app = app(APP_PRIVATE_KEY).expect("a good key");
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let jwt = app.jwt(now);
        let (signed, signature) = jwt.expose_secret().rsplit_once('.').expect("three parts");
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, app.key.public_key())
            .verify(signed.as_bytes(), &decode(signature))
            .expect("the signature holds");
        let parts: Vec<serde_json::Value> =
            signed.split('.').map(|part| serde_json::from_slice(&decode(part)).expect("JSON")).collect();
        assert_eq!(parts[0]["alg"], "RS256");
        assert_eq!(parts[1], json!({"iat": 1_799_999_940, "exp": 1_800_000_480, "iss": "4711"}));
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        let broken = APP_PRIVATE_KEY.replace("MII", "AAA");
        let half = &APP_PRIVATE_KEY[..APP_PRIVATE_KEY.len() / 2];
        for (text, expected) in [
            ("", AppKeyError::NotPem),
            ("ghp_0123456789", AppKeyError::NotPem),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", AppKeyError::NotPem),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                AppKeyError::Encrypted,
            ),
            (broken.as_str(), AppKeyError::NotRsa),
            (half, AppKeyError::NotRsa),
        ] {
            let error = app(text).expect_err(text);
            assert_eq!(error, expected);
            assert!(
                !error.to_string().contains("AAAA") && error.to_string().contains("Generate a private key")
            );
        }
        let whole = app(&format!("\n{APP_PRIVATE_KEY}\n")).expect("blanks around it do no harm");
        assert!(!format!("{whole:?}").contains("MII"));
    }

    #[test]
    fn both_forms_of_pem_are_read() {
        // As `openssl pkcs8 -topk8 -nocrypt` writes the same key: PKCS #8 around PKCS #1 (RFC 5208).
        let der = PrivatePkcs1KeyDer::from_pem_slice(APP_PRIVATE_KEY.as_bytes()).expect("PEM");
        let inner = der.secret_pkcs1_der();
        let of = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).expect("short").to_be_bytes();
            [&[tag, 0x82][..], &length, content].concat()
        };
        let rsa = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        let pkcs8 = of(0x30, &[&[2, 1, 0][..], &rsa, &of(4, inner)].concat());
        let text = base64::prelude::BASE64_STANDARD.encode(pkcs8);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let now = Timestamp::UNIX_EPOCH;
        let word = |pem: &str| app(pem).expect("a good key").jwt(now).expose_secret().to_owned();
        assert_eq!(word(&pem), word(APP_PRIVATE_KEY));
    }
}
