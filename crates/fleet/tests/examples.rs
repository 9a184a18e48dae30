//! The commented examples in `config/` are true: every key exists, every default is the default,
//! and no key is missing from them.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use azlin_fleet::config::{DaemonConfig, Fleet, Problems};

const FLEET: &str = include_str!("../../../config/fleets/ci-workers.toml");
const DAEMON: &str = include_str!("../../../config/azlin.toml");
const PAGE: &str = include_str!("../../../docs/reference/configuration.md");

fn fleet(text: &str) -> Result<Fleet, Problems> {
    Fleet::parse("ci-workers.toml", "ci-workers".parse().expect("a valid name"), text)
}

/// The text with its "#key = value" lines made active.
fn with_defaults(text: &str) -> String {
    let active = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(active).collect()
}

/// Every key that the text names, commented out or not.
fn documented(text: &str) -> BTreeSet<String> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ").unwrap_or(line).strip_prefix('[') {
            table = format!("{}.", name.trim_matches(['[', ']']));
        }
        let line = line.trim_start_matches('#').trim_start();
        if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.insert(format!("{table}{key}"));
        }
    }
    // [defaults] has the keys of a fleet's file.
    keys.retain(|key| !key.starts_with("defaults."));
    keys
}

/// Each key whose line begins with "#" and no space, with its value: the default.
fn defaults(text: &str) -> BTreeMap<String, String> {
    let mut table = String::new();
    let mut defaults = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = format!("{}.", name.trim_end_matches(']'));
        }
        let line = line.strip_prefix('#').filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        if let Some((key, value)) = line.and_then(|line| line.split_once(" = ")) {
            defaults.insert(format!("{table}{key}"), value.to_owned());
        }
    }
    defaults
}

/// The keys of a table of the page, with what it tells as their defaults.
fn told(heading: &str) -> BTreeMap<String, String> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).expect("the page has this heading");
    let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[3].to_owned())
    };
    rows.map(row).collect()
}

/// Holds a table of the page against an example: the same keys, and as default what the example has.
/// Where there is none, the page may say in words what then holds.
fn assert_told(heading: &str, example: &str) {
    let (told, defaults) = (told(heading), defaults(example));
    let keys = |keys: &BTreeMap<String, String>| keys.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&told), documented(example), "{heading}");
    for (key, default) in &told {
        let code = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        assert_eq!(code, defaults.get(key).map(String::as_str), "{heading}: {key}");
    }
}

#[test]
fn the_page_has_every_key_with_its_default() {
    assert_told("`fleets/<pool>.toml`", FLEET);
    assert_told("`azlin.toml`", DAEMON);
}

/// The tables of which there may be several.
const LISTS: [&str; 2] = ["hours", "vm.elsewhere"];

/// Every key that the reader knows: it lists them where an unknown one resembles none.
fn known(tables: &[&str], problems: impl Fn(&str) -> Problems) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for table in tables {
        let text = if table.is_empty() {
            "qqqqqqqqqqqqqqqqqqqqqqqq = 1".to_owned()
        } else {
            let header = if LISTS.contains(table) { format!("[[{table}]]") } else { format!("[{table}]") };
            format!("{header}\nqqqqqqqqqqqqqqqqqqqqqqqq = 1")
        };
        let problems = problems(&text);
        let help = problems
            .0
            .iter()
            .find(|problem| problem.key.ends_with("qqqq"))
            .and_then(|problem| problem.help.clone());
        let help = help.expect("an unknown key is a problem with a help");
        let list = help.rsplit(": ").next().unwrap_or_default().to_owned();
        let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
        keys.extend(list.split(", ").map(|key| format!("{prefix}{key}")));
    }
    keys
}

fn without_tables(keys: BTreeSet<String>, tables: &[&str]) -> BTreeSet<String> {
    let is_table =
        |key: &str| tables.iter().any(|table| *table == key || table.starts_with(&format!("{key}.")));
    keys.into_iter().filter(|key| !is_table(key)).collect()
}

#[test]
fn the_fleet_example_shows_every_key_and_its_default() {
    let as_it_is = fleet(FLEET).unwrap_or_else(|problems| panic!("{problems}"));
    let spelled_out = fleet(&with_defaults(FLEET)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(as_it_is, spelled_out);
    let tables = ["", "demand", "scaling", "warm", "lifecycle", "bootstrap", "vm", LISTS[0], LISTS[1]];
    let known = without_tables(known(&tables, |text| fleet(text).expect_err("an unknown key")), &tables);
    assert_eq!(documented(FLEET), known);
}

#[test]
fn the_daemon_example_shows_every_key_and_its_default() {
    let as_it_is = DaemonConfig::parse("azlin.toml", DAEMON).unwrap_or_else(|problems| panic!("{problems}"));
    let spelled_out = DaemonConfig::parse("azlin.toml", &with_defaults(DAEMON))
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(as_it_is, spelled_out);
    assert_eq!(as_it_is, DaemonConfig::parse("azlin.toml", "").expect("an empty file is good"));
    let tables =
        ["", "poll", "limits", "github", "github.credentials.partner", "azure", "tls", "http", "prices"];
    let problems = |text: &str| DaemonConfig::parse("azlin.toml", text).expect_err("an unknown key");
    let chosen = ["prices.on_demand", "prices.spot", "defaults"];
    let known = without_tables(known(&tables, problems), &[&tables[..], &chosen].concat());
    assert_eq!(documented(DAEMON), known);
}
