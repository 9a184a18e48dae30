//! For any text from outside: what is shown of it is one short line without control and format characters, and without
//! a secret in any of its forms.

#![no_main]

use azlin_fleet::bootstrap::console::telling;
use azlin_fleet::model::foreign::{has_odd, printable_lines};
use azlin_fleet::model::redact::{KnownSecret, line};
use azlin_fleet::model::{CallError, CallErrorKind, ForeignText, SshError, SshErrorKind};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fuzz_target!(|raw: &str| {
    let text = ForeignText::from(raw);
    assert!(!has_odd(&text) && text.chars().count() <= 300, "{text:?}");
    let known = KnownSecret::of([SECRET]).expect("it is long enough");
    let shown = line(raw, &[SECRET]);
    assert!(!has_odd(&shown) && shown.chars().count() <= 300, "{shown:?}");
    assert!(known.blot_bytes(shown.as_bytes()).is_none(), "{shown:?}");
    let error = CallError::new(CallErrorKind::Unknown, raw).during(raw).to_string();
    assert!(!has_odd(&error), "{error:?}");
    assert!(!has_odd(&SshError::new(SshErrorKind::Lost, raw).advise(raw).to_string()));
    assert!(!telling(raw).is_some_and(|told| has_odd(&told)));
    assert!(printable_lines(raw).split('\n').all(|line| !has_odd(line)));
});
