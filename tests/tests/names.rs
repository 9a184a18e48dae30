//! A type name has one meaning in the workspace.

use std::collections::BTreeMap;

use azlin_tests::sources::sources;

/// The struct, enum, union, trait or type alias that a line declares. An associated type does not count: its
/// trait defines its meaning.
fn declared<'t>(lines: &[&'t str], at: usize) -> Option<&'t str> {
    let line = lines[at].trim_start();
    let item =
        line.strip_prefix("pub").map_or(line, |rest| rest.trim_start_matches(|c| c != ' ').trim_start());
    let item = item.strip_prefix("unsafe ").unwrap_or(item);
    let (keyword, rest) = item.split_once(' ')?;
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    let is_item = ["struct", "enum", "union", "trait", "type"].contains(&keyword);
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase());
    (is_item && is_name && !(keyword == "type" && is_associated(lines, at))).then_some(name)
}

/// Whether the block around a line is a trait or an implementation. rustfmt has indented it.
fn is_associated(lines: &[&str], at: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines[at]);
    let is_around = |line: &&&str| !line.trim().is_empty() && indent(line) < own;
    let Some(around) = lines[..at].iter().rev().find(is_around) else { return false };
    // With a `where` clause the brace stands alone.
    around.trim() == "{" || around.split([' ', '<']).any(|word| word == "impl" || word == "trait")
}

/// Each name with the places that declare it.
fn names() -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::<String, Vec<String>>::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for at in 0..lines.len() {
            if let Some(name) = declared(&lines, at) {
                names.entry(name.to_owned()).or_default().push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    names
}

#[test]
fn a_type_name_has_one_meaning_in_the_workspace() {
    let names = names();
    let clashes: Vec<String> = names
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(
        clashes.is_empty(),
        "these names have several meanings; rename all but one:\n{}",
        clashes.join("\n")
    );
}

#[test]
fn declarations_are_found() {
    for (text, expected) in [
        ("pub(crate) struct A<T> {", Some("A")),
        ("    pub unsafe trait B: C {", Some("B")),
        ("enum D {", Some("D")),
        ("type E = u8;", Some("E")),
        ("mod tests {\n    type F = u8;", Some("F")),
        ("impl G for H {\n    type I = u8;", None),
        ("impl<T> G for H<T>\nwhere\n    T: J,\n{\n    type I = u8;", None),
        ("pub trait K {\n    type I;", None),
        ("// struct L {", None),
        ("let structure = Struct {", None),
    ] {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(declared(&lines, lines.len() - 1), expected, "{text}");
    }
}
