//! What a VM reads on its first boot: cloud-init's configuration, as custom data.
//!
//! With a JIT configuration the VM becomes a runner by itself: no port listens, and the VM holds no
//! registration token. The JIT configuration is in a file that only the runner's user can read, and it is
//! removed before the first job starts. The VM powers off when the runner ends or cannot start. So its end is
//! visible, and nothing runs on it while no daemon is there to delete it.
//!
//! Both kinds of VM read their user data at the metadata service, by which the daemon asks them to drain.
//!
//! A VM that is bootstrapped over SSH only gets its host key.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::RUNNER;
use super::console::IDENTIFIER;
use super::jit_config::without_updates;
use crate::model::{Download, HostKey, RunnerRegistration};
use crate::model::{RUNNER_PATH, Step};

/// The account that jobs run as. It is not root, has no password, and has a home that jobs can write to.
const USER: &str = "runner";
const JIT_DIR: &str = "/var/lib/azlin-runner/jit";
const PREPARE_PATH: &str = "/usr/local/lib/azlin/prepare";
/// The name of the dead man's switch's systemd units.
const SWITCH: &str = "azlin-dead-mans-switch";
/// The systemd unit that reads the user data.
const ATTENDANT: &str = "azlin-drain.service";

/// The custom data of a VM that becomes this runner by itself, and powers off after `switch` without a job.
pub fn self_made(
    runner: &RunnerRegistration,
    download: &Download,
    dependencies: bool,
    switch: Duration,
) -> SecretString {
    let owner = format!("{USER}:{USER}");
    cloud_config(&json!({
        "users": ["default", {"name": USER, "shell": "/bin/bash", "lock_passwd": true}],
        "write_files": [
            {
                "path": format!("{JIT_DIR}/config"), "owner": owner, "permissions": "0400", "defer": true,
                "content": without_updates(runner.encoded_jit_config.expose_secret()),
            },
            {"path": RUNNER_PATH, "permissions": "0755", "content": RUNNER},
            {"path": PREPARE_PATH, "permissions": "0755", "content": prepare(download, dependencies)},
            {"path": "/etc/systemd/system/azlin-runner.service", "content": unit()},
            {"path": format!("/etc/systemd/system/{ATTENDANT}"), "content": attendant()},
            {"path": format!("/etc/systemd/system/{SWITCH}.service"), "content": switch_service(switch)},
            {"path": format!("/etc/systemd/system/{SWITCH}.timer"), "content": switch_timer(switch)},
        ],
        "runcmd": [
            ["chown", owner, JIT_DIR],
            ["systemctl", "daemon-reload"],
            enable(&[&format!("{SWITCH}.timer"), ATTENDANT, "azlin-runner.service"]),
        ],
    }))
}

/// The custom data of a VM that is reached over SSH. It has only this host key, and accepts only `admin_key`.
/// It powers off after `switch` without a job.
pub fn reachable(host_key: &HostKey, admin_key: &str, switch: Duration) -> SecretString {
    cloud_config(&json!({
        "write_files": [
            {"path": RUNNER_PATH, "permissions": "0755", "content": RUNNER},
            {"path": format!("/etc/systemd/system/{ATTENDANT}"), "content": attendant()},
            {"path": format!("/etc/systemd/system/{SWITCH}.service"), "content": switch_service(switch)},
            {"path": format!("/etc/systemd/system/{SWITCH}.timer"), "content": switch_timer(switch)},
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            enable(&[&format!("{SWITCH}.timer"), ATTENDANT]),
        ],
        // Azure installs the key too, but accepts no ECDSA keys.
        "ssh_authorized_keys": [admin_key],
        "ssh_deletekeys": true,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": host_key.private.expose_secret(), "ed25519_public": host_key.public},
    }))
}

fn cloud_config(config: &Value) -> SecretString {
    // JSON is valid YAML, and needs no second way of quoting.
    SecretString::from(format!("#cloud-config\n{config}\n"))
}

fn enable(units: &[&str]) -> Value {
    json!([&["systemctl", "enable", "--now", "--no-block"], units].concat())
}

fn prepare(download: &Download, dependencies: bool) -> String {
    let steps = [Some(Step::Fetch(download.clone())), dependencies.then_some(Step::Dependencies)];
    let commands: Vec<String> = steps.into_iter().flatten().map(|step| step.command()).collect();
    format!("#!/bin/sh\nset -eu\n{}\n", commands.join("\n"))
}

/// The unit is enabled, so a VM that reboots before its runner started continues; a VM whose runner has
/// started powers off. Its output goes to the console, which stays readable when the VM's network fails.
fn unit() -> String {
    format!(
        "[Unit]\nDescription=GitHub Actions runner\nAfter=network-online.target\nWants=network-online.target\n\
         ConditionPathExists=!/run/azlin-ended\n\n[Service]\nType=exec\nUser={USER}\n\
         ExecStartPre=+{PREPARE_PATH}\nExecStart={RUNNER_PATH} serve\n\
         ExecStopPost=+/bin/systemctl --no-block poweroff\nTimeoutStartSec=15min\nSyslogIdentifier={IDENTIFIER}\n\
         StandardOutput=journal+console\nStandardError=journal+console\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

/// It reads the user data as long as the VM runs, whatever becomes of the runner. What fails is not worth a
/// line; its refusals are on the console, where the daemon reads them.
fn attendant() -> String {
    format!(
        "[Unit]\nDescription=Drain this runner when its user data asks for it\nAfter=network.target\n\n\
         [Service]\nExecStart={RUNNER_PATH} attend\nRestart=always\nRestartSec=5\nOOMScoreAdjust=-900\n\
         SyslogIdentifier={IDENTIFIER}\nStandardOutput=journal+console\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

fn switch_service(switch: Duration) -> String {
    format!(
        "[Unit]\nDescription=Power off when nobody needs this machine\n\n[Service]\nType=oneshot\n\
         ExecStart={RUNNER_PATH} watch {}\nSyslogIdentifier={IDENTIFIER}\nStandardOutput=journal+console\n",
        switch.as_secs()
    )
}

/// Ten checks within `switch`, and at least one every five minutes.
fn switch_timer(switch: Duration) -> String {
    let every = (switch.as_secs() / 10).clamp(1, 300);
    format!(
        "[Unit]\nDescription=Power off when nobody needs this machine\n\n[Timer]\nOnBootSec={every}\n\
         OnUnitInactiveSec={every}\nAccuracySec=1\n\n[Install]\nWantedBy=timers.target\n"
    )
}

#[cfg(test)]
mod tests;
