//! What azlin may show of a text from outside: no secret, one line, limited length.
//!
//! This layer covers everything. Errors pass through it when they are made ([`crate::model::CallError`]), the
//! output of machines when it is read, and log lines once more before they are written.

mod known;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::model::foreign::{LONGEST, without_format};

pub use known::KnownSecret;

/// The text that replaces a secret.
const MARK: &str = "[redacted]";

/// Matches everything that looks like a secret. `keep` is the part before the secret that may be shown.
/// Matches of `shout` and `blob` get a second check.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        # A private key, whole or cut.
        -----BEGIN\ [A-Z0-9\ ]*PRIVATE\ KEY-----(?s:.)*?(?:-----END\ [A-Z0-9\ ]*PRIVATE\ KEY-----|\z)
        # GitHub's tokens, of each kind.
        | gh[pousr]_[A-Za-z0-9_.\-]+ | github_pat_[A-Za-z0-9_.\-]+
        # A JSON web token, and JSON in base64, as a JIT configuration is: both begin with {".
        | eyJ[A-Za-z0-9_\-+/=.]+
        # Custom data: base64 of #cloud-config, of #!/, and of what gzip packed.
        | (?:I2Nsb3VkLWNvbmZpZ|IyEv|H4sI)[A-Za-z0-9+/=]{12,}
        # A header's or a URL's credential.
        | (?<keep>(?i: \b (?:bearer|basic|remoteauth) )\s+) [A-Za-z0-9._~+/=\-]{20,}
        | (?<keep2>:// [^/\s:@]+ :) [^/\s@]+ (?<after>@)
        # What is named as one.
        | (?<keep3>(?i: \b (?:client_secret|client_assertion|access_token|refresh_token|id_token|password|sig
            |encoded_jit_config|custom_?data|private_key|registration_token|remove_token|webhook_secret)
            )(?:=|"\s*:\s*"|\\"\s*:\s*\\")) [^\s"'&,;\\]+
        # A registration token: 29 capitals and digits.
        | \b (?<shout>[A-Z0-9]{29}) \b
        # Long base64.
        | (?<blob>[A-Za-z0-9+/]{200,}={0,2})
        "#,
    )
    .expect("a pattern")
});

/// The text with everything replaced that looks like a secret. Digests, ids and public keys stay.
pub fn secrets(text: &str) -> Cow<'_, str> {
    SECRET.replace_all(text, |found: &Captures<'_>| {
        let whole = &found[0];
        let is_secret = match (found.name("shout"), found.name("blob")) {
            (Some(run), _) => run.as_str().contains(|c: char| c.is_ascii_alphabetic()),
            (_, Some(run)) => is_packed(run.as_str()),
            (None, None) => true,
        };
        if !is_secret {
            return whole.to_owned();
        }
        let part = |name| found.name(name).map_or("", |part| part.as_str());
        format!("{}{}{}{MARK}{}", part("keep"), part("keep2"), part("keep3"), part("after"))
    })
}

/// Whether long base64 encodes data: it is no public key, no digest and no ruler.
fn is_packed(run: &str) -> bool {
    let has = |is: fn(&u8) -> bool| run.bytes().any(|byte| is(&byte));
    !run.starts_with("AAAA")
        && has(u8::is_ascii_digit)
        && has(|byte| matches!(byte, b'G'..=b'Z'))
        && has(|byte| matches!(byte, b'g'..=b'z'))
}

/// One line of at most 300 characters, with blanks for control characters and without format characters. The given secrets and everything
/// that looks like a secret are removed.
pub fn line(text: &str, given: &[&str]) -> String {
    let given = given.iter().filter(|secret| !secret.is_empty());
    let known = KnownSecret::of(given.clone().copied());
    let blot = |text: String| {
        let text = given.clone().fold(text, |text, secret| text.replace(secret, MARK));
        known.as_ref().map_or_else(|| text.clone(), |known| known.blot(&text).into_owned())
    };
    let text = blot(text.to_owned());
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line = without_format(&line).into_owned();
    // The removed characters may have split a secret.
    let line = blot(line);
    let line = secrets(&line);
    if line.chars().count() <= LONGEST {
        return line.into_owned();
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
