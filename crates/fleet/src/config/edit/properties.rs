//! What holds for every file and every change: the other keys keep their values, no comment is lost, and a
//! second application changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::*;

/// Every value below a table, by its path.
fn values(table: &dyn TableLike, above: &str, all: &mut BTreeMap<String, String>) {
    for (key, item) in table.iter() {
        let path = format!("{above}/{key}");
        match item {
            Item::Value(Value::InlineTable(table)) => values(table, &path, all),
            Item::Value(value) => drop(all.insert(path, value.clone().decorated("", "").to_string())),
            Item::Table(table) => values(table, &path, all),
            Item::ArrayOfTables(_) | Item::None => {}
        }
    }
}

fn values_of(text: &str) -> BTreeMap<String, String> {
    let document: DocumentMut = text.parse().expect("an edit leaves TOML");
    let mut all = BTreeMap::new();
    values(document.as_table(), "", &mut all);
    all
}

/// The words of comments that hold no key of ours.
fn remarks(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().filter(|word| word.starts_with("remark")).collect()
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "enabled",
        "repo",
        "org",
        "labels",
        "scaling.min_runners",
        "scaling.max_runners",
        "scaling.manual_count",
        "lifecycle.max_job_count",
        "vm.sizes",
        "vm.spot",
        "vm.tags.team",
        "vm.tags.stage",
    ])
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<i64>().prop_map(Literal::Number),
        any::<bool>().prop_map(Literal::Flag),
        "[ -~é]{0,12}".prop_map(Literal::Text),
        vec("[a-z\"#,]{0,4}", 0..3).prop_map(Literal::List),
    ]
}

/// A value as people write it, possibly over several lines.
fn written() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "1",
        "0x1f",
        "true",
        "\"a # b\"",
        "'c'",
        "[\"a\", 'b']",
        "[\n  \"a\", # remarkl\n  \"b\",\n]",
        "\"\"\"\n[vm]\n#repo = 1\n\"\"\"",
        "1.50",
    ])
}

/// The lines of one table.
fn body(keys: &'static [&'static str], prefix: &'static str) -> impl Strategy<Value = String> {
    let line = (0..9_u8, written(), 0..100_u32);
    vec(line, keys.len()).prop_map(move |lines| {
        let mut text = String::new();
        for (key, (shape, value, n)) in keys.iter().zip(lines) {
            let short = if value.contains('\n') { "7" } else { value };
            text += &match shape {
                0 => format!("{prefix}{key} = {value}\n"),
                1 => format!("  {prefix}{key}={value} # remark{n}\n"),
                2 => format!("#{prefix}{key} = {short}\n"),
                3 => format!("# {prefix}{key} = {short} # remark{n}\n"),
                4 => format!("# remark{n}\n{prefix}\"{key}\" = {value}\n\n"),
                5 => format!("\t#  remark{n} about\n\n"),
                _ => String::new(),
            };
        }
        text
    })
}

const SCALING: &[&str] = &["min_runners", "max_runners", "manual_count", "cooldown"];
const VM: &[&str] = &["sizes", "spot", "location"];
const TAGS: &[&str] = &["team", "stage", "other"];

/// A table as a section, with dotted keys, in braces, or absent.
fn table(name: &'static str, keys: &'static [&'static str]) -> impl Strategy<Value = (String, String)> {
    let dotted: &'static str = if name == "scaling" { "scaling." } else { "vm." };
    prop_oneof![
        (body(keys, ""), any::<bool>()).prop_map(move |(body, blank)| {
            let gap = if blank { "\n" } else { "" };
            (String::new(), format!("{gap}[{name}] # remarkh\n{body}"))
        }),
        body(keys, dotted).prop_map(|body| (body, String::new())),
        vec(prop::sample::select(keys), 0..3).prop_map(move |keys| {
            let keys: BTreeSet<_> = keys.into_iter().collect();
            let entries: Vec<String> = keys.iter().map(|key| format!("{key} = [1, 2]")).collect();
            (format!("{name} = {{ {} }} # remarki\n", entries.join(", ")), String::new())
        }),
        Just((String::new(), String::new())),
    ]
}

fn file() -> impl Strategy<Value = String> {
    let top = body(&["enabled", "repo", "org", "labels"], "");
    let tags = prop::option::of(body(TAGS, ""));
    let parts = (top, table("scaling", SCALING), table("vm", VM), tags, any::<[bool; 3]>());
    parts.prop_map(|(top, scaling, vm, tags, [crlf, cut, swapped])| {
        let tags = tags.map(|tags| format!("[vm.tags]\n{tags}")).unwrap_or_default();
        let tags = if vm.0.is_empty() { tags } else { String::new() };
        let tables = if swapped {
            format!("{}{tags}{}", vm.1, scaling.1)
        } else {
            format!("{tags}{}{}", scaling.1, vm.1)
        };
        let text = format!("# remark0 head\n{top}{}{}{tables}", scaling.0, vm.0);
        let text = if cut { text.trim_end().to_owned() } else { text };
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

fn applied(text: &str, changes: &[KeyChange]) -> String {
    let pool = "ci".parse().expect("a valid name");
    match edit("ci.toml", &pool, text, changes, &FleetDefaults::default(), NamedFiles::Unread) {
        Ok((text, _)) | Err(Faulty { text, .. }) => text,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_edit_changes_its_keys_and_nothing_else(text in file(), changes in vec((key(), prop::option::of(literal())), 1..5)) {
        let is_table = |change: &KeyChange| change.to.is_none() && change.path.len() == 3;
        let changes: Vec<KeyChange> = changes
            .into_iter()
            .map(|(key, to)| KeyChange { path: key.split('.').map(str::to_owned).collect(), to })
            .filter(|change| !is_table(change))
            .collect();
        let before = values_of(&text);
        let edited = applied(&text, &changes);
        let after = values_of(&edited);
        let mut expected = before;
        for KeyChange { path, to } in &changes {
            let path = format!("/{}", path.join("/"));
            match to {
                Some(literal) => expected.insert(path, literal.value().to_string()),
                None => expected.remove(&path),
            };
        }
        let plain = |values: &BTreeMap<String, String>| values.iter().map(|(key, value)| (key.clone(), toml_value(value))).collect::<Vec<_>>();
        prop_assert_eq!(plain(&after), plain(&expected), "{}", edited);
        prop_assert!(remarks(&text).is_subset(&remarks(&edited)), "a remark was lost from\n{}\nto\n{}", text, edited);
        prop_assert_eq!(edited.contains("\r\n") && !edited.replace("\r\n", "").contains('\n') , edited.contains('\r'), "line breaks are mixed: {:?}", edited);
        let last = changes.len().saturating_sub(1);
        prop_assert_eq!(applied(&edited, &changes[last..]), edited.clone(), "the last change a second time");
    }
}

/// A value by its meaning, not by its spelling.
fn toml_value(text: &str) -> String {
    let value: toml::Value = toml::from_str(&format!("value = {text}")).expect("a value");
    format!("{value:?}")
}
