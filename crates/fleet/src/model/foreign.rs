//! Text from outside: what GitHub, Azure and machines say, and what people have named there.
//!
//! People who may queue a workflow name jobs and labels. Such a text may hold escape sequences, line breaks and
//! characters that change the order of what stands beside them, so it is made fit to be shown when it is taken in,
//! once, by its type. What follows compares, stores and shows the fit text.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::redact;
use crate::seeded_bug;

/// The longest text from outside that azlin repeats, in characters.
pub(crate) const LONGEST: usize = 300;

/// What stands for a character that no output may have.
const STAND_IN: &str = "\u{fffd}";

/// Characters that are not shown and do something: control characters, format characters (Unicode's `Cf`: the order
/// of writing, widths of zero), and separators of lines and paragraphs.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
static ODD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]").expect("a pattern"));

/// Unicode's `Cf`.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
static FORMAT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\p{Cf}").expect("a pattern"));

/// Whether a text has a character that no output may have, be it a line feed.
pub fn has_odd(text: &str) -> bool {
    !is_plain(text) && ODD.is_match(text)
}

/// A text with a stand-in for each character that no output may have.
pub fn printable(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { ODD.replace_all(text, STAND_IN) }
}

/// The same, line by line: the line feeds stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if text.split('\n').all(|line| !has_odd(line)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(printable).collect::<Vec<_>>().join("\n"))
}

/// A text without its format characters.
pub(crate) fn without_format(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { FORMAT.replace_all(text, "") }
}

/// Almost every text is of this kind.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// A text from outside in a form that may be shown anywhere: one line without control and format characters, of at
/// most 300 characters, without secrets.
///
/// Each odd character becomes a stand-in that no valid name has, and nothing is left out. So a fit text is equal to a
/// name of ours exactly where the text from outside was that name: what is decided by it is decided as by the raw text.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ForeignText(String);

impl ForeignText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ForeignText {
    fn from(raw: &str) -> Self {
        let fit = fit(raw);
        ForeignText(seeded_bug!(RawText, fit, raw.to_owned()))
    }
}

/// See [`ForeignText`].
fn fit(raw: &str) -> String {
    // A text of many megabytes is not looked at as a whole: the rest is not shown, whatever it is.
    let end = raw.char_indices().nth(4 * LONGEST).map_or(raw.len(), |(at, _)| at);
    let text = redact::secrets(&raw[..end]);
    let text = printable(&text);
    if text.chars().count() <= LONGEST {
        return text.into_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

impl From<String> for ForeignText {
    fn from(raw: String) -> Self {
        raw.as_str().into()
    }
}

impl From<&String> for ForeignText {
    fn from(raw: &String) -> Self {
        raw.as_str().into()
    }
}

impl From<ForeignText> for String {
    fn from(text: ForeignText) -> String {
        text.0
    }
}

impl<'de> Deserialize<'de> for ForeignText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ForeignTextVisitor;
        impl serde::de::Visitor<'_> for ForeignTextVisitor {
            type Value = ForeignText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, raw: &str) -> Result<ForeignText, E> {
                Ok(raw.into())
            }
        }
        from.deserialize_str(ForeignTextVisitor)
    }
}

impl Deref for ForeignText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ForeignText {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ForeignText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ForeignText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ForeignText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for ForeignText {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ForeignText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Label;

    #[test]
    fn what_a_terminal_would_act_on_is_replaced() {
        for (raw, shown) in [
            ("build (linux, 3.12)", "build (linux, 3.12)"),
            ("größer 数 🦀", "größer 数 🦀"),
            ("\x1b]0;pwned\x07", "\u{fffd}]0;pwned\u{fffd}"),
            ("a\r\n2026-11-28 INFO forged", "a\u{fffd}\u{fffd}2026-11-28 INFO forged"),
            ("\u{9b}31m\u{7f}", "\u{fffd}31m\u{fffd}"),
            ("a\u{202e}b\u{2066}c", "a\u{fffd}b\u{fffd}c"),
            ("linux\u{200b}", "linux\u{fffd}"),
            ("\u{feff}x\u{ad}y\u{e0041}", "\u{fffd}x\u{fffd}y\u{fffd}"),
            ("a\u{2028}b\u{2029}c", "a\u{fffd}b\u{fffd}c"),
        ] {
            assert_eq!(ForeignText::from(raw), shown, "{raw:?}");
        }
        assert_eq!(printable_lines("a\x1b\nb\r\n"), "a\u{fffd}\nb\u{fffd}\n");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = ForeignText::from("é".repeat(1_000_000));
        assert_eq!((long.chars().count(), long.chars().last()), (LONGEST, Some('…')));
    }

    fn odd_text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            '\x1b', '\n', '\r', '\0', '\u{9b}', '\u{202e}', '\u{200d}', '\u{2028}',
        ]);
        let any = prop_oneof![4 => prop::char::range('a', 'e'), 1 => odd, 1 => any::<char>()];
        prop::collection::vec(any, 0..400).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn whatever_comes_from_outside_is_one_printable_line(raw in odd_text()) {
            let text = ForeignText::from(raw.as_str());
            prop_assert!(!has_odd(&text) && text.chars().count() <= LONGEST);
            prop_assert_eq!(ForeignText::from(text.as_str()), text.clone());
            let read: ForeignText = serde_json::from_value(serde_json::Value::from(raw)).expect("a text");
            prop_assert_eq!(read, text);
        }

        /// What decides by a fit text decides as by the raw one.
        #[test]
        fn a_text_is_a_name_of_ours_where_the_raw_text_was(
            name in "[a-c._-]{1,4}", before in "[\u{200b}\u{1b} ]{0,1}", after in "[\u{200b}\n ]{0,1}"
        ) {
            let label: Label = name.parse().expect("a label");
            let raw = format!("{before}{name}{after}");
            prop_assert_eq!(label.matches(&ForeignText::from(raw.as_str())), label.matches(&raw));
        }
    }
}
