//! A secret that is known, in every form in which a server or a machine may give it back: as it is, in another case,
//! with characters between its own, percent-encoded once or several times, escaped, in hexadecimal, in base64.
//!
//! Text and secret are compared without what these forms vary: only letters and digits count, in lower case, after
//! percent signs and escapes are read. Base64 and hexadecimal are further secrets to look for.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use memchr::memmem;

use super::MARK;

/// Fewer letters and digits than these are looked for nowhere: they may stand in a text by chance.
const SHORTEST: usize = 12;
/// What follows the kind of a token is a secret by itself, if it is this long.
const SHORTEST_BODY: usize = 16;

/// A secret, or several, and all their forms.
#[derive(Clone)]
pub struct KnownSecret {
    /// The longest first.
    forms: Vec<String>,
}

impl fmt::Debug for KnownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

impl KnownSecret {
    /// What to look for; `None` where each of the secrets is too short to be found with certainty.
    pub fn of<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        // A key has many lines, and each of them is a part of the secret.
        let parts = secrets.into_iter().flat_map(str::split_whitespace);
        let mut forms: Vec<String> = parts.flat_map(forms).collect();
        forms.sort_by_key(|form| Reverse(form.len()));
        forms.dedup();
        (!forms.is_empty()).then_some(KnownSecret { forms })
    }

    /// The text without the secret.
    pub fn blot<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.blot_bytes(text.as_bytes()) {
            // Whole characters are replaced.
            Some(blotted) => Cow::Owned(String::from_utf8_lossy(&blotted).into_owned()),
            None => Cow::Borrowed(text),
        }
    }

    /// The bytes without the secret; `None` where it is not in them.
    pub fn blot_bytes(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut letters = Vec::with_capacity(text.len());
        read(text, |letter, _, _| letters.push(letter));
        let found = self.found(&letters);
        if found.is_empty() {
            return None;
        }
        let (mut places, mut blotted, mut end) = (Vec::with_capacity(letters.len()), Vec::new(), 0);
        read(text, |_, from, to| places.push((from, to)));
        for (first, last) in found {
            let (from, to) = (places[first].0, places[last].1);
            blotted.extend_from_slice(&text[end..from]);
            blotted.extend_from_slice(MARK.as_bytes());
            end = to;
        }
        blotted.extend_from_slice(&text[end..]);
        Some(blotted)
    }

    /// The first and the last letter of each part that shows a form, or forms that overlap.
    fn found(&self, letters: &[u8]) -> Vec<(usize, usize)> {
        let mut all: Vec<(usize, usize)> =
            self.forms.iter().flat_map(|form| places(letters, form.as_bytes())).collect();
        all.sort_unstable();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (first, last) in all {
            match found.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => found.push((first, last)),
            }
        }
        found
    }
}

/// The first and the last letter of each place where a form stands.
fn places(letters: &[u8], form: &[u8]) -> Vec<(usize, usize)> {
    let (finder, mut places, mut from) = (memmem::Finder::new(form), Vec::new(), 0);
    while let Some(at) = finder.find(&letters[from..]) {
        places.push((from + at, from + at + form.len() - 1));
        from += at + 1;
    }
    places
}

/// The forms of one secret, each as letters and digits.
fn forms(secret: &str) -> Vec<String> {
    let body = secret.rsplit('_').next().map(plain).filter(|body| body.len() >= SHORTEST_BODY);
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let packed = (0..3).map(|offset| base64_at(offset, secret.as_bytes()));
    let all = [plain(secret), hex].into_iter().chain(body).chain(packed);
    if plain(secret).len() < SHORTEST {
        Vec::new()
    } else {
        all.filter(|form| form.len() >= SHORTEST).collect()
    }
}

/// What base64 shows of a secret that begins so many bytes after a multiple of three, whatever stands around it.
fn base64_at(offset: usize, secret: &[u8]) -> String {
    let bytes: Vec<u8> = [&[0; 3][..offset], secret].concat();
    let text = BASE64_STANDARD_NO_PAD.encode(&bytes);
    // The first and the last character may hold bits of others.
    let first = (offset * 8).div_ceil(6);
    let last = text.len() - usize::from(!bytes.len().is_multiple_of(3));
    plain(text.get(first..last).unwrap_or_default())
}

/// The letters and digits of a text, in lower case. Both alphabets of base64 are the same without their last two.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Calls `each` with every letter and digit of a text, in lower case, and the place of what stands for it.
fn read(text: &[u8], mut each: impl FnMut(u8, usize, usize)) {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let (byte, length) = if matches!(byte, b'%' | b'\\') { unit(&text[at..]) } else { (*byte, 1) };
        if byte.is_ascii_alphanumeric() {
            each(byte.to_ascii_lowercase(), at, at + length);
        }
        at += length;
    }
}

/// The byte that a text begins with, and how many bytes stand for it.
fn unit(text: &[u8]) -> (u8, usize) {
    match text {
        [b'%', ..] => percent(text),
        [b'\\', b'u', ..] => escaped(text, 4),
        [b'\\', b'x', ..] => escaped(text, 2),
        // `\n`, `\"` and the like separate.
        [b'\\', _, ..] => (b'\\', 2),
        [..] => (0, 1),
    }
}

/// `%5F`, and `%255F`, which was encoded twice.
fn percent(text: &[u8]) -> (u8, usize) {
    let (mut byte, mut length) = (b'%', 1);
    while let (b'%', Some(read)) = (byte, number(text, length, 2)) {
        (byte, length) = (u8::try_from(read).unwrap_or_default(), length + 2);
    }
    (byte, length)
}

fn escaped(text: &[u8], digits: usize) -> (u8, usize) {
    match number(text, 2, digits) {
        Some(read) => (u8::try_from(read).unwrap_or_default(), 2 + digits),
        None => (b'\\', 2),
    }
}

fn number(text: &[u8], from: usize, digits: usize) -> Option<u32> {
    let digits = text.get(from..from + digits)?;
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE;
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    fn blotted(text: &str) -> String {
        KnownSecret::of([TOKEN]).expect("it is long enough").blot(text).into_owned()
    }

    #[test]
    fn a_token_is_found_in_what_a_server_made_of_it() {
        for (text, expected) in [
            (format!("Bearer {TOKEN}, sorry"), "Bearer [redacted], sorry"),
            (TOKEN.replace('_', "%5F"), "[redacted]"),
            (TOKEN.replace('_', "%255f"), "[redacted]"),
            (TOKEN.to_uppercase(), "[redacted]"),
            (TOKEN.replace('C', "C\u{200b}"), "[redacted]"),
            (TOKEN.replace('C', "C\\u200b").replace('F', "\\u0046"), "[redacted]"),
            (format!("x {} y", TOKEN.replace('7', "7 ")), "x [redacted] y"),
            (format!("id {}", TOKEN.trim_start_matches("ghp_")), "id [redacted]"),
            ("ghp_16C7e42F".to_owned(), "ghp_16C7e42F"),
        ] {
            assert_eq!(blotted(&text), expected, "{text}");
        }
        assert!(KnownSecret::of(["hunter2", ""]).is_none(), "too short to be told from other words");
    }

    /// A text with a secret in one of its forms.
    fn given_back(secret: &str, form: u8, before: &str, after: &str) -> String {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
        let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let between = |text: &str, by: &str| text.chars().map(|c| format!("{c}{by}")).collect::<String>();
        match form {
            0 => format!("{before} {secret} {after}"),
            1 => format!("{before} {} {after}", hex(secret)),
            2 => format!("{before} {} {after}", percent(secret)),
            3 => format!("{before} {} {after}", percent(&percent(secret))),
            4 => format!("{before} {} {after}", secret.to_lowercase()),
            5 => format!("{before} {} {after}", between(secret, " ")),
            6 => format!("{before} {} {after}", between(secret, "\u{200d}")),
            7 => BASE64_STANDARD_NO_PAD.encode(format!("{before}{secret}{after}")),
            8 => BASE64_URL_SAFE.encode(format!("{before}{secret}{after}")),
            _ => serde_json::Value::from(between(secret, "\n")).to_string(),
        }
    }

    proptest! {
        #[test]
        fn no_form_of_a_secret_is_left(
            secret in "[A-Za-z0-9+/=_.-]{0,4}[A-Za-z0-9]{14,40}[A-Za-z0-9+/=_.~-]{0,20}", form in 0_u8..10,
            before in "[ -~]{0,9}", after in "[ -~]{0,9}",
        ) {
            let known = KnownSecret::of([secret.as_str()]).expect("long enough");
            let text = given_back(&secret, form, &before, &after);
            let shown = known.blot(&text).into_owned();
            prop_assert!(shown.contains(MARK), "{text} -> {shown}");
            prop_assert!(known.blot_bytes(shown.as_bytes()).is_none(), "{text} -> {shown}");
            // The rest of a base64 text is at most what stood around the secret.
            if form < 7 {
                prop_assert!(shown.starts_with(&before) && shown.ends_with(&after), "{shown}");
            }
        }

        #[test]
        fn what_does_not_hold_it_stays(text in ".{0,200}") {
            prop_assert_eq!(blotted(&text), text);
        }
    }
}
