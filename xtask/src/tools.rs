//! Programs that are built into `target/tools` where they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cargo, root, run, say};

/// The program of a package. Built at the first use.
pub(crate) fn tool(name: &str, version: &str, options: &[&str]) -> Result<PathBuf, String> {
    let tools = root().join("target/tools");
    let own = tools.join("bin").join(name);
    if !is_there(&own) {
        say(&format!("{name} is missing: building it takes some minutes\n"));
        run(cargo(&["install", name, "--locked", "--version", version])
            .args(options)
            .arg("--root")
            .arg(&tools)
            // Tools need no debugger. Without debug information they compile and link sooner.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // The flags of a release build do not apply to tools.
            .env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    }
    Ok(own)
}

/// Whether a program can be run.
pub(crate) fn is_there(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
