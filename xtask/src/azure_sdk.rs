//! Azure's own SDK for Python, in a venv of its own.

use std::path::PathBuf;
use std::process::Command;

use crate::{file_error, root, run, say};

/// The packages. Another list makes another venv.
const PACKAGES: [&str; 3] =
    ["azure-identity==1.27.0", "azure-mgmt-compute==39.0.0", "azure-mgmt-network==33.1.0"];

/// The venv with the SDK. Made at the first use.
pub fn venv() -> Result<PathBuf, String> {
    let names = PACKAGES.join("-").replace("==", "-");
    let venv = root().join("target/tools").join(names);
    // The last thing that is made, so that an installation that broke off is made again.
    let whole = venv.join("installed");
    if whole.exists() {
        return Ok(venv);
    }
    say(&format!("installing {}\n", PACKAGES.join(", ")));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(&whole, "").map_err(file_error(&whole))?;
    Ok(venv)
}
