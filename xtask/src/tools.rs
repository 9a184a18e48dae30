//! Programs that are built where they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cargo, root, run, say};

/// A program of a package: the one in target/tools, which is built at the first time.
pub(crate) fn tool(name: &str, version: &str, options: &[&str]) -> Result<PathBuf, String> {
    let tools = root().join("target/tools");
    let own = tools.join("bin").join(name);
    if !is_there(&own) {
        say(&format!("there is no {name}: it is built, which takes a minute or some\n"));
        run(cargo(&["install", name, "--locked", "--version", version])
            .args(options)
            .arg("--root")
            .arg(&tools)
            // The flags of what is handed out are not for tools.
            .env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    }
    Ok(own)
}

/// Whether a program can be run.
pub(crate) fn is_there(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
