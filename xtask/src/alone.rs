//! Each crate builds alone: it declares every feature that it needs of its dependencies. A build of the whole
//! workspace hides a missing feature, because another crate enables it.

use crate::{cargo, file_error, root, run};

/// Checks each crate of `crates/` by itself, without its development dependencies.
pub fn alone() -> Result<(), String> {
    let folder = root().join("crates");
    let entries = std::fs::read_dir(&folder).map_err(file_error(&folder))?;
    let mut crates: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    crates.sort();
    for path in crates {
        let manifest = path.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(file_error(&manifest))?;
        let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let name = name.ok_or_else(|| format!("{}: no name", manifest.display()))?;
        run(&mut cargo(&["check", "--quiet", "--locked", "--package", name]))?;
    }
    Ok(())
}
