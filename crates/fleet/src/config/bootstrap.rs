//! `[bootstrap]`: how a VM becomes a runner, and what it gets beside the runner.

use std::path::PathBuf;

use serde::Serialize;
use toml::de::DeValue;

use super::LifecycleConfig;
use super::machine::{self, MachineConfig, NamedFiles, ROOM};
use super::reader::{Table, flag};
use super::value::absolute_path;

/// How a VM becomes a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The VM installs itself from its custom data. No port listens, and no registration token leaves the
    /// daemon.
    CloudInit,
    /// The daemon installs it over SSH.
    Ssh,
}

/// `[bootstrap]`: how a VM becomes a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapConfig {
    /// The method: by itself, or over SSH.
    pub method: Method,
    /// The file with the private key for the VMs. Absent means the daemon's own key.
    pub ssh_private_key: Option<PathBuf>,
    /// Whether the bootstrap runs `installdependencies.sh`.
    pub install_dependencies: bool,
    /// What the VM gets beside the runner.
    pub machine: MachineConfig,
}

pub(super) fn method(table: &mut Table<'_, '_>) -> Method {
    table.or("method", Method::CloudInit, |value: &DeValue<'_>| match value.as_str() {
        Some("cloud-init") => Ok(Method::CloudInit),
        Some("ssh") => Ok(Method::Ssh),
        _ => Err("\"cloud-init\" or \"ssh\"".to_owned()),
    })
}

/// Reads the keys beside the method.
pub(super) fn read(
    mut table: Table<'_, '_>,
    method: Method,
    lifecycle: &LifecycleConfig,
    files: NamedFiles<'_>,
) -> BootstrapConfig {
    let key = table.spanned("ssh_private_key", absolute_path);
    if let (Some((_, span)), Method::CloudInit) = (&key, method) {
        let message = "only bootstrap.method = \"ssh\" uses a key".to_owned();
        let help = "remove it, or set method = \"ssh\"".to_owned();
        table.conflict(span.clone(), "ssh_private_key", message, Some(help));
    }
    let install_dependencies = table.or("install_dependencies", false, flag);
    let (machine, spans) = machine::read(&mut table, files, lifecycle.boot_timeout);
    if let Some(span) = spans.setup_timeout.filter(|_| machine.setup_timeout >= lifecycle.boot_timeout) {
        let [limit, boot] = [machine.setup_timeout, lifecycle.boot_timeout].map(crate::model::in_words);
        let message = format!("found {limit}; allowed: less than boot_timeout, which is {boot}");
        let help =
            "raise lifecycle.boot_timeout: it counts from the request for the VM until the runner is online";
        table.conflict(span, "setup_timeout", message, Some(help.to_owned()));
    }
    let size = machine.size();
    if let Some((key, span)) = spans.largest.filter(|_| size > ROOM) {
        let message = format!(
            "what [bootstrap] gives a VM has {size} bytes; allowed: {ROOM}, since Azure limits custom data to 65535 bytes \
             with everything else"
        );
        let help = format!(
            "shorten it by {} bytes; what is larger belongs in the image, or is fetched by setup",
            size - ROOM
        );
        table.conflict(span, key, message, Some(help));
    }
    table.finish();
    BootstrapConfig { method, ssh_private_key: key.map(|(path, _)| path), install_dependencies, machine }
}
