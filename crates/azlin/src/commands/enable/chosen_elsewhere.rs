//! What a new fleet's file lacks, from where it was chosen already: the environment, the Azure CLI's configured
//! defaults, and the other fleets, if they all have the same.

use std::path::PathBuf;

use azlin_daemon::bounded_file::read_text;
use azlin_fleet::config::Fleet;
use serde::Deserialize;

/// A value that was not given, and where it was found.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundValue {
    /// The key, with its table.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where it was found, for people.
    pub source: String,
}

/// Where values are looked for.
pub struct Surroundings {
    /// A variable of the environment.
    pub variable: fn(&str) -> Option<String>,
    /// The directory of the Azure CLI's files.
    pub azure_cli: Option<PathBuf>,
    /// The fleets whose files are good.
    pub fleets: Vec<Fleet>,
}

/// A key, the variable that the Azure CLI reads for it, and its name in the CLI's `[defaults]`.
const KEYS: [(&str, Option<&str>, Option<&str>); 4] = [
    ("vm.subscription_id", Some("AZURE_SUBSCRIPTION_ID"), None),
    ("vm.resource_group", Some("AZURE_DEFAULTS_GROUP"), Some("group")),
    ("vm.location", Some("AZURE_DEFAULTS_LOCATION"), Some("location")),
    ("vm.subnet_id", None, None),
];

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process(fleets: Vec<Fleet>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".azure"));
        let azure_cli = variable("AZURE_CONFIG_DIR").map(PathBuf::from).or_else(home);
        Surroundings { variable, azure_cli, fleets }
    }

    /// The value of a key, from the first place that has it.
    pub fn find(&self, key: &str) -> Option<FoundValue> {
        let (_, variable, default) = KEYS.into_iter().find(|(known, ..)| *known == key)?;
        let found = variable.and_then(|name| Some(((self.variable)(name)?, format!("the variable {name}"))));
        let found = found
            .or_else(|| self.configured_default(default?))
            .or_else(|| self.default_subscription(key))
            .or_else(|| self.of_other_fleets(key));
        found.map(|(value, source)| FoundValue { key: key.to_owned(), value, source })
    }

    /// What `az config set defaults.group=…` wrote.
    fn configured_default(&self, name: &str) -> Option<(String, String)> {
        let path = self.azure_cli.as_ref()?.join("config");
        let text = read_text(&path).ok()?;
        Some((entry(&text, "defaults", name)?, format!("{} ([defaults] {name})", path.display())))
    }

    /// The subscription that `az account set` chose, or the only one.
    fn default_subscription(&self, key: &str) -> Option<(String, String)> {
        let path = self.azure_cli.as_ref().filter(|_| key == "vm.subscription_id")?.join("azureProfile.json");
        let text = read_text(&path).ok()?;
        // The Azure CLI begins this file with a byte order mark.
        let profile: CliProfile = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
        let default = profile.subscriptions.iter().find(|one| one.is_default);
        let (which, what) = match (default, profile.subscriptions.as_slice()) {
            (Some(one), _) => (one, "the default subscription"),
            (None, [one]) => (one, "the only subscription"),
            (None, _) => return None,
        };
        Some((which.id.clone(), format!("{} ({what}, {})", path.display(), which.name)))
    }

    /// What all other fleets have, if it is one value.
    fn of_other_fleets(&self, key: &str) -> Option<(String, String)> {
        let value = |fleet: &Fleet| match key {
            "vm.subscription_id" => fleet.vm.group.subscription_id.clone(),
            "vm.resource_group" => fleet.vm.group.name.clone(),
            "vm.location" => fleet.vm.location.clone(),
            _ => fleet.vm.subnet_id.clone(),
        };
        let (first, others) = self.fleets.split_first()?;
        let value_of_first = value(first);
        let is_the_only_one = others.iter().all(|other| value(other) == value_of_first);
        let source = match others.len() {
            0 => format!("the other fleet, {}", first.name),
            more => format!("the other {} fleets, which all have it", more + 1),
        };
        is_the_only_one.then_some((value_of_first, source))
    }
}

#[derive(Deserialize)]
struct CliProfile {
    subscriptions: Vec<CliSubscription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CliSubscription {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    is_default: bool,
}

/// The value of a key in a section of an INI file.
fn entry(text: &str, section: &str, key: &str) -> Option<String> {
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            is_inside = name.trim_end_matches(']').trim() == section;
        } else if let Some((name, value)) = line.split_once(['=', ':']).filter(|_| is_inside)
            && name.trim() == key
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_of_its_own_section() {
        let text = "[core]\ngroup = other\n# [defaults]\n[defaults]\n; group = old\ngroup = ci-runners\nlocation:uksouth\n\
                    empty =\n";
        for (key, expected) in [("group", Some("ci-runners")), ("location", Some("uksouth")), ("empty", None)]
        {
            assert_eq!(entry(text, "defaults", key).as_deref(), expected, "{key}");
        }
        assert_eq!(entry("group = a\n", "defaults", "group"), None);
    }
}
