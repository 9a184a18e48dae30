//! The keys that differ between two texts of one configuration file, for the line that reports a reload.

use std::collections::BTreeMap;

use serde_json::Value;

/// The keys that differ, each in a few words: `scaling.max_runners 10 → 5`. Comments and the order of keys do
/// not count. Both texts were parsed before, so neither holds a secret. A text that is not TOML yields no
/// changes.
pub fn changes(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (keys(before), keys(after));
    let mut told = Vec::new();
    for (key, value) in &after {
        match before.get(key) {
            None => told.push(format!("{key} set to {value}")),
            Some(old) if old != value => told.push(format!("{key} {old} → {value}")),
            Some(_) => {}
        }
    }
    told.extend(before.keys().filter(|key| !after.contains_key(*key)).map(|key| format!("{key} unset")));
    told
}

/// Every key, with the tables that hold it, and its value.
fn keys(text: &str) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    if let Ok(table) = toml::from_str::<Value>(text) {
        gather("", table, &mut keys);
    }
    keys
}

fn gather(path: &str, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                gather(&path, value, keys);
            }
        }
        value => drop(keys.insert(path.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_in_a_few_words() {
        let before = "repo = 'o/r'\nlabels = ['a']\n[scaling]\nmax_runners = 10\nmanual_count = 3\n";
        for (situation, after, expected) in [
            ("nothing", before, ""),
            (
                "a comment, and another order",
                "# why\nlabels = [\"a\"]\nrepo = \"o/r\"\nscaling = { manual_count = 3, max_runners = 10 }",
                "",
            ),
            ("a number", &before.replace("10", "5"), "scaling.max_runners 10 → 5"),
            ("a key goes", &before.replace("manual_count = 3", ""), "scaling.manual_count unset"),
            (
                "a key comes, and another one changes",
                &before.replace("['a']", "['a', 'b']").replace("[scaling]", "[scaling]\ncooldown = '1m'"),
                r#"labels ["a"] → ["a","b"]; scaling.cooldown set to "1m""#,
            ),
        ] {
            assert_eq!(changes(before, after).join("; "), expected, "{situation}");
        }
    }
}
