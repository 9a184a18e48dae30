//! Files that look like a fleet's and are not read: in the wrong folder, or with the wrong ending.

use std::collections::BTreeSet;

/// The endings that people give to a configuration that is not TOML, or that is misspelled.
const OTHERS: [&str; 7] = ["yaml", "yml", "json", "conf", "cfg", "tml", "tom"];

/// What is wrong with a file in `fleets/`, if it looks like a fleet's and is not read. `names` are all names there: a
/// backup beside its file is in order.
pub fn stray_in_fleets(name: &str, names: &BTreeSet<String>) -> Option<String> {
    if name.starts_with('.') || name.ends_with(".toml") {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let stem = match lower.find(".toml") {
        Some(at) => &name[..at],
        None => {
            name.rsplit_once('.').filter(|(_, ending)| OTHERS.contains(&&*ending.to_ascii_lowercase()))?.0
        }
    };
    let right = format!("{stem}.toml");
    if stem.is_empty() || names.contains(&right) {
        return None;
    }
    Some(format!(
        "this file is not read: only names that end in .toml are fleets; rename it to {right}, or move it away"
    ))
}

/// What is wrong with a file beside azlin.toml, if it looks like a fleet's. `text` is its content.
pub fn stray_beside(name: &str, text: &str) -> Option<String> {
    let is_toml = name.ends_with(".toml") && !name.starts_with('.') && name != "azlin.toml";
    (is_toml && is_like_a_fleet(text)).then(|| {
        format!("this file is not read: a fleet's file belongs in fleets/; move it to fleets/{name}")
    })
}

/// Whether a text has keys that only a fleet's file has.
pub fn is_like_a_fleet(text: &str) -> bool {
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    ["repo", "org", "enterprise", "vm", "scaling"].iter().filter(|key| table.contains_key(**key)).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_look_like_a_fleets_are_named_with_their_cure() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        for (name, others, right) in [
            ("ci.yaml", &[][..], Some("ci.toml")),
            ("ci.yml", &["web.toml"], Some("ci.toml")),
            ("ci.toml.bak", &[], Some("ci.toml")),
            ("ci.TOML", &[], Some("ci.toml")),
            ("ci.toml~", &[], Some("ci.toml")),
            ("ci.toml.dpkg-old", &[], Some("ci.toml")),
            // A backup beside its file, as editors leave one.
            ("ci.toml.bak", &["ci.toml"], None),
            ("ci.yaml", &["ci.toml"], None),
            ("ci.toml", &[], None),
            (".ci.toml.swp", &[], None),
            ("README.md", &[], None),
            ("Makefile", &[], None),
            (".toml", &[], None),
        ] {
            let found = stray_in_fleets(name, &names(others));
            assert_eq!(found.is_some(), right.is_some(), "{name}: {found:?}");
            if let (Some(found), Some(right)) = (found, right) {
                assert!(found.contains(&format!("rename it to {right}, or move it away")), "{name}: {found}");
            }
        }
    }

    #[test]
    fn a_fleets_file_beside_azlin_toml_is_named() {
        let fleet = "repo = \"o/r\"\n[vm]\nlocation = \"westeurope\"\n";
        assert!(
            stray_beside("ci.toml", fleet).is_some_and(|told| told.contains("move it to fleets/ci.toml"))
        );
        for (name, text) in [
            ("azlin.toml", fleet),
            (".ci.toml", fleet),
            ("ci.txt", fleet),
            ("other.toml", "[tool]\nname = 1\n"),
            ("bad.toml", "repo ="),
        ] {
            assert_eq!(stray_beside(name, text), None, "{name}");
        }
    }
}
