//! Edits a fleet's file as its owner would: the named keys change, and every other byte stays.
//!
//! An existing key gets a new value. A default, `#key = …`, becomes live in its place. Below `# key = …` the
//! key is added. Any other key is added at the end of its table. A removed key becomes a comment, and so does
//! a replaced list that has comments among its items. So no text that a person wrote is lost.
//!
//! The text is spliced, never printed again from a tree: a printer changes formatting that it does not know.

mod inline;
mod layout;
mod literal;
mod new_file;

pub use literal::Literal;
pub use new_file::new_file;

use toml_edit::{InlineTable, Item, Key, Value};

use self::layout::Layout;
use super::{Faulty, Fleet, FleetDefaults, NamedFiles};
use crate::model::PoolName;

/// The tables of a fleet's file, in the order of the example.
const TABLES: [&str; 4] = ["scaling", "lifecycle", "bootstrap", "vm"];

/// Keys that commands set and remove. Removing them leaves no comment, because comments would pile up.
const COMMANDS_OWN: [&str; 2] = ["scaling.manual_count", "kill_running_jobs"];

/// A change of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyChange {
    /// The tables and the key: `scaling`, `max_runners`.
    pub path: Vec<String>,
    /// The new value; `None` removes the key.
    pub to: Option<Literal>,
}

impl KeyChange {
    /// Sets a key. `key` includes its tables, none of which has a dot in its name: `scaling.max_runners`.
    pub fn set(key: &str, to: Literal) -> KeyChange {
        KeyChange { path: key.split('.').map(str::to_owned).collect(), to: Some(to) }
    }

    /// Removes a key.
    pub fn remove(key: &str) -> KeyChange {
        KeyChange { path: key.split('.').map(str::to_owned).collect(), to: None }
    }
}

/// The text with the changes, and the fleet that it describes beside the defaults and the files that it names. `file` is the file's name in errors.
///
/// # Errors
/// Every problem of the changed text, or of the original text if that is not TOML.
pub fn edit(
    file: &str,
    pool: &PoolName,
    text: &str,
    changes: &[KeyChange],
    defaults: &FleetDefaults,
    files: NamedFiles<'_>,
) -> Result<(String, Fleet), Faulty> {
    let mut text = text.to_owned();
    for KeyChange { path, to } in changes {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // A text that is not TOML, or that has something else in the key's place, stays as it is. Parsing
        // reports it below.
        let changed = match to {
            Some(literal) => set(&text, &path, &literal.value()),
            None => remove(&text, &path),
        };
        text = changed.unwrap_or(text);
    }
    match Fleet::parse_with(file, pool.clone(), &text, defaults, files) {
        Ok(fleet) => Ok((text, fleet)),
        Err(problems) => Err(Faulty { text, problems }),
    }
}

/// The position of a key.
enum KeyPosition<'d> {
    Value(&'d Value),
    /// The key is absent. The fields are the innermost existing table, and how many keys of the path lead to
    /// it.
    Absent(&'d Item, usize),
    /// The key's place holds something else.
    Blocked,
}

fn find<'d>(root: &'d Item, path: &[&str]) -> KeyPosition<'d> {
    let mut table = root;
    for (depth, key) in path.iter().enumerate() {
        let Some(inside) = table.as_table_like() else { return KeyPosition::Blocked };
        match inside.get(key) {
            None | Some(Item::None) => return KeyPosition::Absent(table, depth),
            Some(Item::Value(value)) if depth + 1 == path.len() => return KeyPosition::Value(value),
            Some(item) => table = item,
        }
    }
    KeyPosition::Blocked
}

fn set(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let layout = Layout::of(text)?;
    let (key, parent) = path.split_last()?;
    match find(layout.root(), path) {
        KeyPosition::Blocked => None,
        KeyPosition::Value(found) if literal::is_same(found, value) => None,
        KeyPosition::Value(found) => {
            let span = found.span()?;
            let has_remarks = found.is_array() && text[span.clone()].contains('#');
            match layout.entry(path).filter(|_| has_remarks) {
                Some(entry) => Some(layout.supersede(entry, value)),
                None => Some(spliced(text, span, &value.to_string())),
            }
        }
        KeyPosition::Absent(Item::Value(Value::InlineTable(table)), depth) => {
            let value = within(&path[depth + 1..], value);
            let (table, from) = braces(layout.root(), table, &path[..depth]);
            inline::insert(text, table, &path[from..=depth], &value)
        }
        KeyPosition::Absent(table, depth) => {
            let revived = layout.commented(path).find_map(|line| {
                let text = layout.revived(&line, value)?;
                Layout::of(&text).is_some().then_some(text)
            });
            let is_dotted = table.as_table().is_some_and(toml_edit::Table::is_dotted);
            revived.or_else(|| {
                if let Some(section) = layout.section(parent) {
                    Some(layout.insert(section, &line(&[key], value)))
                } else if depth == parent.len() && is_dotted {
                    let section = layout.section_of_dotted(parent)?;
                    Some(layout.insert(section, &line(&path[section.path.len()..], value)))
                } else if parent.len() > 1 {
                    set(text, parent, &within(&[key], value))
                } else {
                    Some(layout.insert_table(parent, &line(&[key], value)))
                }
            })
        }
    }
}

/// The table in braces that holds an inline table, and how many keys of the path lead to it. That is the
/// table itself, unless it is made of dotted keys.
fn braces<'d>(root: &'d Item, table: &'d InlineTable, path: &[&str]) -> (&'d InlineTable, usize) {
    let mut found = (table, path.len());
    while found.0.is_dotted() && found.1 > 0 {
        let above = found.1 - 1;
        let item = path[..above].iter().try_fold(root, |item, key| item.as_table_like()?.get(key));
        let Some(outer) = item.and_then(Item::as_inline_table) else { break };
        found = (outer, above);
    }
    found
}

/// The value, wrapped in one inline table for each key of the path.
fn within(path: &[&str], value: &Value) -> Value {
    path.iter()
        .rev()
        .fold(value.clone(), |value, key| Value::InlineTable(InlineTable::from_iter([(*key, value)])))
}

fn line(path: &[&str], value: &Value) -> String {
    let keys: Vec<String> = path.iter().map(|key| Key::new(*key).to_string()).collect();
    format!("{} = {value}", keys.join("."))
}

fn remove(text: &str, path: &[&str]) -> Option<String> {
    let layout = Layout::of(text)?;
    let KeyPosition::Value(_) = find(layout.root(), path) else { return None };
    match layout.entry(path) {
        Some(entry) => {
            let revoked = layout.revoked(entry).filter(|_| COMMANDS_OWN.contains(&path.join(".").as_str()));
            Some(revoked.unwrap_or_else(|| layout.comment_out(entry)))
        }
        None => inline::remove(text, layout.root(), path),
    }
}

fn spliced(text: &str, range: core::ops::Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
