//! What may be linked into azlin, by `deny.toml`: licences, sources, duplicate versions, walls between
//! crates, advisories.

use std::path::PathBuf;
use std::process::Command;

use crate::tools::tool;
use crate::{root, run, say};

/// Checks all of these.
pub fn deny() -> Result<(), String> {
    // A debug build takes about a minute; a check takes four seconds with it.
    let program = tool("cargo-deny", "0.20.2", &["--debug"])?;
    let check = |options: &[&str], what: &[&str]| {
        let mut deny = Command::new(&program);
        // An unneeded exception fails, so that deny.toml stays true.
        let stale =
            ["unnecessary-skip", "unmatched-skip", "unused-wrapper", "license-exception-not-encountered"];
        deny.current_dir(root()).arg("--locked").args(options).arg("check");
        run(deny.args(stale.iter().flat_map(|lint| ["--deny", lint])).args(what))
    };
    check(&[], &["bans", "licenses", "sources"])?;
    if has_advisories() {
        check(&["--offline"], &["advisories"])
    } else {
        say(
            "advisories are not checked: their database is not on this machine; `cargo deny fetch db` brings it\n",
        );
        Ok(())
    }
}

/// Whether cargo-deny has its database of advisories.
fn has_advisories() -> bool {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || std::env::home_dir().map(|home| home.join(".cargo"));
    let folder = cargo_home.or_else(home).map(|home| home.join("advisory-dbs"));
    folder
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .is_some_and(|mut entries| entries.next().is_some())
}
