//! Which crate may depend on which: the arrows of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use azlin_tests::sources::sources;

/// The crates of this workspace, and the libraries that must stay out, by crate.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    (
        "azlin-fleet",
        &[],
        &[
            "tokio",
            "reqwest",
            "hyper",
            "azure_core",
            "azure_mgmt_compute",
            "azure_identity",
            "russh",
            "rand",
            "tracing",
        ],
    ),
    (
        "azlin-http",
        &["azlin-fleet"],
        &["azure_core", "azure_core_1", "azure_mgmt_compute", "azure_identity", "russh"],
    ),
    (
        "azlin-github",
        &["azlin-fleet", "azlin-http"],
        &["azure_core", "azure_mgmt_compute", "azure_identity", "russh", "rustls"],
    ),
    ("azlin-azure", &["azlin-fleet", "azlin-http"], &["russh", "rustls"]),
    (
        "azlin-ssh",
        &["azlin-fleet"],
        &["reqwest", "azure_core", "azure_core_1", "azure_mgmt_compute", "azure_identity"],
    ),
    (
        "azlin-daemon",
        &["azlin-fleet"],
        &["reqwest", "azure_core", "azure_mgmt_compute", "azure_identity", "russh"],
    ),
    ("azlin-simcloud", &["azlin-fleet"], &["azure_core", "azure_mgmt_compute", "azure_identity"]),
    ("azlin-simulation", &["azlin-daemon", "azlin-fleet", "azlin-simcloud"], &["reqwest"]),
    (
        "azlin",
        &["azlin-azure", "azlin-daemon", "azlin-fleet", "azlin-github", "azlin-simcloud", "azlin-ssh"],
        &["reqwest", "hyper"],
    ),
];

/// Direct dependencies by crate, without development dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().expect("a list of dependencies");
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn arrows_between_crates_run_one_way() {
    let dependencies = dependencies();
    for (room, allowed, forbidden) in ROOMS {
        let found = dependencies.get(*room).unwrap_or_else(|| panic!("{room} is a crate of the workspace"));
        let ours: BTreeSet<&str> =
            found.iter().map(String::as_str).filter(|name| name.starts_with("azlin")).collect();
        for name in ours {
            assert!(allowed.contains(&name), "{room} must not know {name}");
        }
        for name in *forbidden {
            assert!(!found.contains(*name), "{room} must not know {name}");
        }
    }
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, ..)| *room).collect();
    let listed =
        |name: &String| rooms.contains(name.as_str()) || ["azlin-tests", "xtask"].contains(&name.as_str());
    assert!(dependencies.keys().all(listed), "a crate is missing from this table: {:?}", dependencies.keys());
}

/// Only one file names the generated client and its old `azure_core`, see
/// docs/decisions/0010-the-generated-client-is-fenced.md.
#[test]
fn the_generated_client_is_fenced_in_one_file() {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates");
    let mut named = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(crates)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                if ["azure_mgmt_compute::", "azure_core::"].iter().any(|name| text.contains(name)) {
                    let path = path.strip_prefix(crates).expect("below it");
                    named.insert(path.to_string_lossy().into_owned());
                }
            }
        }
    }
    assert_eq!(named, BTreeSet::from(["azure/src/api.rs".to_owned()]));
}

/// The folders of crates/fleet/src, each with the folders that it may import.
const FOLDERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("ports", &["model"]),
    ("observe", &["model", "config"]),
    ("state", &["model", "config", "observe"]),
    ("plan", &["model", "config", "observe", "state"]),
    ("report", &["model", "config", "observe", "state", "plan"]),
    ("explain", &["model", "config", "observe", "state", "plan"]),
    ("check", &["model", "config", "ports"]),
    ("bootstrap", &["model", "config"]),
    ("rehearsal", &["model", "config", "ports"]),
];

/// The folders that a source of crates/fleet names, except in its inline tests and its comments.
fn imports(text: &str) -> BTreeSet<&str> {
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let code = production.lines().map(|line| line.split("//").next().unwrap_or(line));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    paths.filter_map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next()).collect()
}

#[test]
fn arrows_between_folders_of_the_core_run_one_way() {
    for source in sources().iter().filter(|source| source.is_production()) {
        let Some(path) = source.path.strip_prefix("crates/fleet/src/") else { continue };
        let room = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
        let Some((_, allowed)) = FOLDERS.iter().find(|(folder, _)| *folder == room) else {
            assert!(["lib", "seeded_bugs", "fixture"].contains(&room), "{path} is in no folder of the core");
            continue;
        };
        for folder in imports(&source.text) {
            let is_folder = FOLDERS.iter().any(|(name, _)| *name == folder);
            let is_fine = !is_folder || folder == room || allowed.contains(&folder);
            assert!(is_fine, "{path}: {room} must not import {folder}");
        }
    }
}

#[test]
fn imports_are_found() {
    let text = "use crate::model::{A, B};\n// crate::plan\nlet a = crate::state::x(crate::config::Y);\n\
                #[cfg(test)]\nmod tests {\n    use crate::explain::Z;\n}\n";
    assert_eq!(imports(text), BTreeSet::from(["config", "model", "state"]));
}
