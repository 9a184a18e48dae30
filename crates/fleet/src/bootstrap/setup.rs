//! What custom data brings for a machine that gets something beside the runner: the files that the fleet names, and
//! the unit that sets the machine up with them before the runner starts.
//!
//! Nothing of it is a line of a shell: values are in files, one a line, and arguments of the unit are names.

use super::console::IDENTIFIER;
use crate::config::{MachineConfig, NamedFile, ProxyConfig};
use crate::model::RUNNER_PATH;

/// The systemd unit that sets the machine up.
pub(super) const UNIT: &str = "azlin-setup.service";
/// Where the program on the machine looks for them.
const FOLDER: &str = "/usr/local/lib/azlin/fleet";
/// What is always reached without a proxy: the machine itself, and Azure's metadata service and host.
const NEVER_BY_PROXY: [&str; 4] = ["localhost", "127.0.0.1", "169.254.169.254", "168.63.129.16"];
/// What the unit may take longer than the setup: it waits until cloud-init has ended, and kills what does not end.
pub const MARGIN: std::time::Duration = std::time::Duration::from_secs(360);

/// A file of the machine.
pub(super) struct MachineFile {
    pub(super) path: String,
    pub(super) mode: &'static str,
    pub(super) content: String,
}

/// The files of a machine, and the unit; none for a machine that gets nothing.
pub(super) fn files(machine: &MachineConfig) -> Vec<MachineFile> {
    if machine.is_plain() {
        return Vec::new();
    }
    let file = |name: &str, mode, content| MachineFile { path: format!("{FOLDER}/{name}"), mode, content };
    let mut files = Vec::new();
    if let Some(setup) = &machine.setup {
        files.push(file("setup", "0700", setup.content.clone()));
    }
    let hooks = [("job-started", &machine.job_started), ("job-completed", &machine.job_completed)];
    for (stem, hook) in hooks.into_iter().filter_map(|(stem, hook)| Some((stem, hook.as_ref()?))) {
        files.push(file(&hook_name(stem, hook), "0755", hook.content.clone()));
    }
    if let Some(certificates) = &machine.ca_file {
        files.push(file("ca.pem", "0644", certificates.content.clone()));
    }
    if let Some(proxy) = &machine.proxy {
        files.push(file("proxies", "0644", proxies(proxy)));
    }
    let environment = environment(machine);
    if !environment.is_empty() {
        files.push(file("env", "0644", environment));
    }
    let unit =
        MachineFile { path: format!("/etc/systemd/system/{UNIT}"), mode: "0644", content: unit(machine) };
    files.push(unit);
    files
}

/// The runner knows a hook's language by the ending of its name.
fn hook_name(stem: &str, hook: &NamedFile) -> String {
    let ending = hook.path.rsplit('.').next().unwrap_or("sh");
    format!("{stem}.{ending}")
}

/// The lines of the runner's `.env`. Variables that the fleet names come last, and win.
fn environment(machine: &MachineConfig) -> String {
    let mut lines = Vec::new();
    // Actions are programs for Node, which does not look at the system's certificates.
    let has_own = machine.environment.contains_key("NODE_EXTRA_CA_CERTS");
    if machine.ca_file.is_some() && !has_own {
        lines.push(format!("NODE_EXTRA_CA_CERTS={FOLDER}/ca.pem"));
    }
    let hooks = [
        ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "job-started", &machine.job_started),
        ("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", "job-completed", &machine.job_completed),
    ];
    for (variable, stem, hook) in hooks {
        lines.extend(hook.iter().map(|hook| format!("{variable}={FOLDER}/{}", hook_name(stem, hook))));
    }
    lines.extend(machine.environment.iter().map(|(name, value)| format!("{name}={value}")));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn proxies(proxy: &ProxyConfig) -> String {
    let ProxyConfig { url, bypass } = proxy;
    let direct: Vec<&str> = NEVER_BY_PROXY.into_iter().chain(bypass.iter().map(String::as_str)).collect();
    format!("http_proxy={url}\nhttps_proxy={url}\nno_proxy={}\n", direct.join(","))
}

/// A oneshot: over a lost connection it goes on, and what it leaves running ends with it.
fn unit(machine: &MachineConfig) -> String {
    let limit = machine.setup_timeout;
    let words = [machine.docker.then_some("docker"), machine.sudo.then_some("sudo")].into_iter().flatten();
    let groups = machine.user_groups.iter().map(|group| format!("group:{group}"));
    let given: String = words.map(str::to_owned).chain(groups).map(|word| format!(" {word}")).collect();
    format!(
        "[Unit]\nDescription=Set this machine up for its runner\nAfter=network-online.target\n\
         Wants=network-online.target\n\n[Service]\nType=oneshot\nExecStart={RUNNER_PATH} fit {}{given}\n\
         TimeoutStartSec={}\nSyslogIdentifier={IDENTIFIER}\nStandardOutput=journal+console\n\
         StandardError=journal+console\n",
        limit.as_secs(),
        (limit + MARGIN).as_secs()
    )
}

#[cfg(test)]
mod tests;
