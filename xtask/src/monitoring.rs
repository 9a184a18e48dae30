//! Tests of the alert rules with Prometheus' own tool. Debian's package is unpacked, not installed, because
//! the installation starts a server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{file_error, root, run, say};

/// Tests the rules with made-up series.
pub fn rules() -> Result<(), String> {
    let promtool = promtool()?;
    let here = root().join("monitoring");
    let promtool = |arguments: &[&str]| run(Command::new(&promtool).args(arguments).current_dir(&here));
    promtool(&["check", "rules", "azlin.rules.yml"])?;
    promtool(&["test", "rules", "azlin.rules.test.yml"])
}

/// Prometheus' tool; Prometheus itself is beside it.
pub fn promtool() -> Result<PathBuf, String> {
    let folder = root().join("target/tools/prometheus");
    let promtool = folder.join("usr/bin/promtool");
    if promtool.exists() {
        return Ok(promtool);
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(
            "promtool comes from Debian's package prometheus, and there is no apt-get here".to_owned()
        );
    }
    say("unpacking promtool\n");
    std::fs::create_dir_all(&folder).map_err(file_error(&folder))?;
    run(Command::new("apt-get").args(["--quiet", "update"]))?;
    run(Command::new("apt-get").args(["--quiet", "download", "prometheus"]).current_dir(&folder))?;
    let files = std::fs::read_dir(&folder).map_err(file_error(&folder))?;
    let package =
        files.flatten().map(|file| file.path()).find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.ok_or("apt-get downloaded no package")?;
    run(Command::new("dpkg").arg("--extract").args([&package, &folder]))?;
    Ok(promtool)
}
