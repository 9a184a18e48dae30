//! Advice for a text that is not TOML. The parser says what it expected where, which is seldom what the
//! author meant.

/// Advice about the first error, with everything that the parser reported about the text.
pub(super) fn help(first: &str, all: &[&str]) -> &'static str {
    let has = |what: &str| first.contains(what);
    let is_unclosed = |what: &str| all.iter().any(|message| message.contains(what));
    if has("duplicate key") {
        "each key and each [table] stands once in a file: keep one of them"
    } else if is_unclosed("unclosed array,") {
        "a list has no ] at its end, here or above"
    } else if is_unclosed("unclosed inline table") {
        "a { has no } behind it, here or above"
    } else if has("unclosed table") || has("unclosed array table") {
        "close it: [table]"
    } else if has("quot") || has("string") {
        "text and durations stand between two quotes, on one line: key = \"text\"; a backslash is written as two"
    } else if has("missing comma") || has("extra comma") {
        "put one comma between each two"
    } else if has("boolean") {
        "allowed: true or false, in small letters, or text in quotes"
    } else if has("leading zero") {
        "write the number without the zero before it"
    } else if has("unexpected key or value") {
        "a line has one value; a remark behind it begins with #"
    } else {
        "a line is key = value, or [table]; text stands in quotes: key = \"text\", key = 5, key = true, key = [\"a\", \"b\"]"
    }
}
