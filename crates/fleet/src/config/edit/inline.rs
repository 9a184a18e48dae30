//! Keys inside `{ … }`.

use toml_edit::{InlineTable, Item, Key, Value};

use super::spliced;

/// The text with one more key in an inline table.
pub(super) fn insert(text: &str, table: &InlineTable, path: &[&str], value: &Value) -> Option<String> {
    let keys: Vec<String> = path.iter().map(|key| Key::new(*key).to_string()).collect();
    let added = format!("{} = {value}", keys.join("."));
    if let Some(end) = ends(table).max() {
        return Some(spliced(text, end..end, &format!(", {added}")));
    }
    let open = table.span()?.start + 1;
    let after = if text[open..].starts_with('}') { " " } else { "" };
    Some(spliced(text, open..open, &format!(" {added}{after}")))
}

/// The text without a key of an inline table, and without one of the commas next to it.
pub(super) fn remove(text: &str, root: &Item, path: &[&str]) -> Option<String> {
    let (name, parents) = path.split_last()?;
    let item = parents.iter().try_fold(root, |item, key| item.as_table_like()?.get(key))?;
    let table = item.as_inline_table().filter(|table| !table.is_dotted())?;
    let start = table.key(name)?.span()?.start;
    let end = table.get(name)?.span()?.end;
    let after = past_blanks(text, end);
    if text[after..].starts_with(',') {
        let next = after + 1;
        let blanks = text[next..].len() - text[next..].trim_start_matches([' ', '\t']).len();
        // The comments between the value and its comma stay.
        return Some(format!("{}{}{}", &text[..start], &text[end..after], &text[next + blanks..]));
    }
    let before = ends(table).filter(|end| *end <= start).max();
    let comma = before.map(|end| past_blanks(text, end));
    let without = spliced(text, start..end, "");
    Some(match comma {
        Some(comma) => spliced(&without, comma..comma + 1, ""),
        None => without,
    })
}

/// The end of each value of a table, including keys with dots.
fn ends(table: &InlineTable) -> Box<dyn Iterator<Item = usize> + '_> {
    Box::new(table.iter().flat_map(|(_, value)| match value {
        Value::InlineTable(inner) if inner.is_dotted() => ends(inner),
        value => Box::new(value.span().into_iter().map(|span| span.end)),
    }))
}

/// The first byte at or after `at` that is neither blank nor in a comment.
fn past_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text[at..].trim_start();
        at = text.len() - rest.len();
        if !rest.starts_with('#') {
            return at;
        }
        at += rest.find('\n').unwrap_or(rest.len());
    }
}
