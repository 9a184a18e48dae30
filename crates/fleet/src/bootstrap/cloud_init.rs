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

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::console::IDENTIFIER;
use super::jit_config::without_updates;
use super::setup::{self, MachineFile};
use super::{RUNNER, setup::MARGIN};
use crate::config::{MachineConfig, NamedFile};
use crate::model::{Download, HostKey, RUNNER_PATH, RunnerRegistration, Step};

/// The account that jobs run as. It is not root, has no password, and has a home that jobs can write to.
const USER: &str = "runner";
const JIT_DIR: &str = "/var/lib/azlin-runner/jit";
const PREPARE_PATH: &str = "/usr/local/lib/azlin/prepare";
/// The name of the dead man's switch's systemd units.
const SWITCH: &str = "azlin-dead-mans-switch";
/// The systemd unit of a VM for standby.
const STANDBY: &str = "azlin-standby.service";
/// The systemd unit that reads the user data.
const ATTENDANT: &str = "azlin-drain.service";

/// The custom data of a VM that becomes this runner by itself, and powers off after `switch` without a job.
pub fn self_made(
    runner: &RunnerRegistration,
    download: &Download,
    dependencies: bool,
    machine: &MachineConfig,
    switch: Duration,
) -> SecretString {
    let owner = format!("{USER}:{USER}");
    let own = [
        json!({
            "path": format!("{JIT_DIR}/config"), "owner": owner, "permissions": "0400", "defer": true,
            "content": without_updates(runner.encoded_jit_config.expose_secret()),
        }),
        json!({"path": PREPARE_PATH, "permissions": "0755", "content": prepare(download, dependencies, machine)}),
        json!({"path": "/etc/systemd/system/azlin-runner.service", "content": unit(machine)}),
    ];
    cloud_config(&json!({
        "users": ["default", {"name": USER, "shell": "/bin/bash", "lock_passwd": true}],
        "write_files": own.into_iter().chain(files_of_both(machine, switch)).collect::<Vec<Value>>(),
        "runcmd": [
            ["chown", owner, JIT_DIR],
            ["systemctl", "daemon-reload"],
            enable(&[&format!("{SWITCH}.timer"), ATTENDANT, "azlin-runner.service"]),
        ],
    }))
}

/// The custom data of a VM for standby: it sets itself up and powers off. At a later boot it becomes the runner that its
/// user data name.
pub fn prepared(
    download: &Download,
    dependencies: bool,
    machine: &MachineConfig,
    switch: Duration,
) -> SecretString {
    let own = [
        json!({"path": PREPARE_PATH, "permissions": "0755", "content": prepare(download, dependencies, machine)}),
        json!({"path": format!("/etc/systemd/system/{STANDBY}"), "content": standby(machine)}),
    ];
    cloud_config(&json!({
        "users": ["default", {"name": USER, "shell": "/bin/bash", "lock_passwd": true}],
        "write_files": own.into_iter().chain(files_of_both(machine, switch)).collect::<Vec<Value>>(),
        "runcmd": [
            ["systemctl", "daemon-reload"],
            enable(&[&format!("{SWITCH}.timer"), ATTENDANT, STANDBY]),
        ],
    }))
}

/// The custom data of a VM that is reached over SSH. It has only this host key, and accepts only `admin_key`.
/// It powers off after `switch` without a job.
pub fn reachable(
    host_key: &HostKey,
    admin_key: &str,
    machine: &MachineConfig,
    switch: Duration,
) -> SecretString {
    cloud_config(&json!({
        "write_files": files_of_both(machine, switch),
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

/// What both kinds of VM have.
fn files_of_both(machine: &MachineConfig, switch: Duration) -> Vec<Value> {
    let own = [
        json!({"path": RUNNER_PATH, "permissions": "0755", "content": RUNNER}),
        json!({"path": format!("/etc/systemd/system/{ATTENDANT}"), "content": attendant()}),
        json!({"path": format!("/etc/systemd/system/{SWITCH}.service"), "content": switch_service(switch)}),
        json!({"path": format!("/etc/systemd/system/{SWITCH}.timer"), "content": switch_timer(switch)}),
    ];
    own.into_iter().chain(setup::files(machine).iter().map(written)).collect()
}

/// A file of the fleet, byte by byte. YAML takes only plain characters as they are.
fn written(file: &MachineFile) -> Value {
    let MachineFile { path, mode, content } = file;
    if NamedFile::is_plain(content) {
        json!({"path": path, "permissions": mode, "content": content})
    } else {
        json!({"path": path, "permissions": mode, "encoding": "b64", "content": STANDARD.encode(content)})
    }
}

fn cloud_config(config: &Value) -> SecretString {
    // JSON is valid YAML, and needs no second way of quoting.
    SecretString::from(format!("#cloud-config\n{config}\n"))
}

fn enable(units: &[&str]) -> Value {
    json!([&["systemctl", "enable", "--now", "--no-block"], units].concat())
}

fn prepare(download: &Download, dependencies: bool, machine: &MachineConfig) -> String {
    // What fails there is on the console already.
    let setup = (!machine.is_plain()).then(|| format!("systemctl start {} 2>/dev/null", setup::UNIT));
    let steps = [Some(Step::Fetch(download.clone())), dependencies.then_some(Step::Dependencies)];
    let commands = setup.into_iter().chain(steps.into_iter().flatten().map(|step| step.command()));
    format!("#!/bin/sh\nset -eu\n{}\n", commands.collect::<Vec<_>>().join("\n"))
}

/// One that fails does not power off, so a VM that has powered off has been set up.
fn standby(machine: &MachineConfig) -> String {
    format!(
        "[Unit]\nDescription=Set this machine up, and make it the runner that it is asked for\n\
         After=network-online.target\nWants=network-online.target\nConditionPathExists=!/run/azlin-ended\n\n\
         [Service]\nType=exec\nExecStart={RUNNER_PATH} standby {PREPARE_PATH}\nRuntimeMaxSec={}\n\
         SyslogIdentifier={IDENTIFIER}\nStandardOutput=journal+console\nStandardError=journal+console\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        longest_start(machine).as_secs()
    )
}

/// How long a machine may take from its boot until its runner starts.
fn longest_start(machine: &MachineConfig) -> Duration {
    let limit = Duration::from_secs(15 * 60);
    if machine.is_plain() { limit } else { limit + machine.setup_timeout + MARGIN }
}

/// The unit is enabled, so a VM that reboots before its runner started continues; a VM whose runner has
/// started powers off. Its output goes to the console, which stays readable when the VM's network fails.
fn unit(machine: &MachineConfig) -> String {
    format!(
        "[Unit]\nDescription=GitHub Actions runner\nAfter=network-online.target\nWants=network-online.target\n\
         ConditionPathExists=!/run/azlin-ended\n\n[Service]\nType=exec\nUser={USER}\n\
         ExecStartPre=+{PREPARE_PATH}\nExecStart={RUNNER_PATH} serve\n\
         ExecStopPost=+/bin/systemctl --no-block poweroff\nTimeoutStartSec={}\nSyslogIdentifier={IDENTIFIER}\n\
         StandardOutput=journal+console\nStandardError=journal+console\n\n[Install]\nWantedBy=multi-user.target\n",
        longest_start(machine).as_secs()
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
