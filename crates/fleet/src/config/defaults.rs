//! `[defaults]` of azlin.toml: keys for each fleet whose own file does not have them.
//!
//! A list of a fleet's file takes the place of the whole list of the defaults. Tables are joined key by key.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use toml_edit::{DocumentMut, Item, TableLike};

/// Only one of these belongs to a fleet, so a fleet that has one takes none from the defaults.
const SCOPES: [&str; 3] = ["repo", "org", "enterprise"];

/// The defaults of all fleets, as a text of azlin.toml has them.
#[derive(Debug, Clone, Default)]
pub struct FleetDefaults {
    daemon_text: String,
}

impl FleetDefaults {
    /// The defaults in a text of azlin.toml. A text that is not TOML has none.
    pub fn of(daemon_text: &str) -> FleetDefaults {
        FleetDefaults { daemon_text: daemon_text.to_owned() }
    }

    /// Every key that has a default, with the tables that hold it: `vm.location`.
    pub fn keys(&self) -> BTreeSet<String> {
        self.add_to(&mut DeTable::new())
    }

    /// A fleet's text with the defaults that hold for the fleet, to compare it with another one. Formatting and
    /// comments of the defaults are of no meaning in it.
    pub fn added_to(&self, fleet_text: &str) -> String {
        let (Ok(mut own), Ok(daemon)) =
            (fleet_text.parse::<DocumentMut>(), self.daemon_text.parse::<DocumentMut>())
        else {
            return fleet_text.to_owned();
        };
        let Some(defaults) = daemon.get("defaults").and_then(Item::as_table_like) else {
            return fleet_text.to_owned();
        };
        let has_scope = SCOPES.iter().any(|scope| own.contains_key(scope));
        join(own.as_table_mut(), defaults, &|key| has_scope && SCOPES.contains(&key));
        own.to_string()
    }

    /// Adds the defaults to the table of a fleet's file, and returns their keys.
    pub(super) fn add_to<'t>(&'t self, own: &mut DeTable<'t>) -> BTreeSet<String> {
        let (root, _) = DeTable::parse_recoverable(&self.daemon_text);
        let mut added = BTreeSet::new();
        let Some(DeValue::Table(mut defaults)) =
            root.into_inner().remove("defaults").map(Spanned::into_inner)
        else {
            return added;
        };
        if SCOPES.iter().any(|scope| own.contains_key(*scope)) {
            SCOPES.iter().for_each(|scope| drop(defaults.remove(*scope)));
        }
        add(own, defaults, "", &mut added);
        added
    }
}

/// Which keys of a fleet are from the defaults, in words; `None` if none is.
pub fn defaults_in_words(keys: &BTreeSet<String>) -> Option<String> {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    (!keys.is_empty()).then(|| format!("{}: from [defaults] of azlin.toml", keys.join(", ")))
}

fn add<'t>(own: &mut DeTable<'t>, defaults: DeTable<'t>, above: &str, added: &mut BTreeSet<String>) {
    for (key, value) in defaults {
        let name = key.get_ref().to_string();
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match (own.get_mut(name.as_str()).map(Spanned::get_mut), value.into_inner()) {
            (Some(DeValue::Table(own)), DeValue::Table(more)) => add(own, more, &path, added),
            (Some(_), _) => {}
            (None, DeValue::Table(more)) => {
                let mut table = DeTable::new();
                add(&mut table, more, &path, added);
                own.insert(key, Spanned::new(0..0, DeValue::Table(table)));
            }
            (None, value) => {
                added.insert(path);
                own.insert(key, Spanned::new(0..0, without_place(value)));
            }
        }
    }
}

/// The value without its places: they are of another text than the fleet's.
fn without_place(value: DeValue<'_>) -> DeValue<'_> {
    let moved = |value: Spanned<_>| Spanned::new(0..0, without_place(value.into_inner()));
    match value {
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(moved).collect::<DeArray<'_>>()),
        DeValue::Table(entries) => {
            DeValue::Table(entries.into_iter().map(|(key, value)| (key, moved(value))).collect())
        }
        value => value,
    }
}

fn join(own: &mut dyn TableLike, defaults: &dyn TableLike, is_left_out: &dyn Fn(&str) -> bool) {
    for (key, value) in defaults.iter().filter(|(key, _)| !is_left_out(key)) {
        match (own.get_mut(key), value.as_table_like()) {
            (None, _) => drop(own.insert(key, value.clone())),
            (Some(table), Some(more)) => {
                if let Some(table) = table.as_table_like_mut() {
                    join(table, more, &|_| false);
                }
            }
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
