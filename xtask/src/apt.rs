//! Packages of Debian.

use std::path::Path;
use std::process::Command;

use crate::{run, say};

/// Installs the packages of those programs that are missing.
pub fn install(needed: &[(&str, &str)]) -> Result<(), String> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let is_there = |program: &str| path.split(':').any(|folder| Path::new(folder).join(program).exists());
    let missing = needed.iter().filter(|(program, _)| !is_there(program));
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    say(&format!("installing {}\n", packages.join(" ")));
    if packages.contains(&"openssh-server") && Path::new("/run/systemd/system").exists() {
        // The tests start their own server. This machine's must not listen because of them.
        run(Command::new("systemctl").args(["mask", "ssh.service", "ssh.socket"]))?;
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}
