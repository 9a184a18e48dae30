//! What a VM reads when it boots for the first time: cloud-init's configuration, as custom data.
//!
//! With a JIT configuration the VM becomes a runner by itself: nothing listens and no registration
//! token is on it. The JIT configuration is in a file that the runner's user alone can read, and is
//! removed before the first job starts. When the runner ends, or cannot begin, the VM powers off: its
//! end shows, and nothing runs on it while no daemon is there to delete it.
//!
//! A VM that is bootstrapped over SSH only gets the host key that it is to be known by.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::RUNNER;
use super::console::IDENTIFIER;
use crate::model::{Download, HostKey, RunnerRegistration};
use crate::model::{RUNNER_PATH, Step};

/// The account that jobs run as. It is not root, has no password, and has a home: jobs write there.
const USER: &str = "runner";
const JIT_DIR: &str = "/var/lib/azlin-runner/jit";
const PREPARE_PATH: &str = "/usr/local/lib/azlin/prepare";
/// The units of the dead man's switch.
const SWITCH: &str = "azlin-dead-mans-switch";

/// The custom data of a VM that becomes this runner by itself, and powers off when it has had no job for
/// `switch`.
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
                "content": runner.encoded_jit_config.expose_secret(),
            },
            {"path": RUNNER_PATH, "permissions": "0755", "content": RUNNER},
            {"path": PREPARE_PATH, "permissions": "0755", "content": prepare(download, dependencies)},
            {"path": "/etc/systemd/system/azlin-runner.service", "content": unit()},
            {"path": format!("/etc/systemd/system/{SWITCH}.service"), "content": switch_service(switch)},
            {"path": format!("/etc/systemd/system/{SWITCH}.timer"), "content": switch_timer(switch)},
        ],
        "runcmd": [
            ["chown", owner, JIT_DIR],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", format!("{SWITCH}.timer"), "azlin-runner.service"],
        ],
    }))
}

/// The custom data of a VM that is reached over SSH, with this host key and no other, by whoever has
/// the other half of `admin_key`. It powers off when it has had no job for `switch`.
pub fn reachable(host_key: &HostKey, admin_key: &str, switch: Duration) -> SecretString {
    cloud_config(&json!({
        "write_files": [
            {"path": RUNNER_PATH, "permissions": "0755", "content": RUNNER},
            {"path": format!("/etc/systemd/system/{SWITCH}.service"), "content": switch_service(switch)},
            {"path": format!("/etc/systemd/system/{SWITCH}.timer"), "content": switch_timer(switch)},
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", format!("{SWITCH}.timer")],
        ],
        // Azure hands it over too, but takes no ECDSA keys.
        "ssh_authorized_keys": [admin_key],
        "ssh_deletekeys": true,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": host_key.private.expose_secret(), "ed25519_public": host_key.public},
    }))
}

fn cloud_config(config: &Value) -> SecretString {
    // JSON is YAML, and needs no second way of quoting.
    SecretString::from(format!("#cloud-config\n{config}\n"))
}

fn prepare(download: &Download, dependencies: bool) -> String {
    let steps = [Some(Step::Fetch(download.clone())), dependencies.then_some(Step::Dependencies)];
    let commands: Vec<String> = steps.into_iter().flatten().map(|step| step.command()).collect();
    format!("#!/bin/sh\nset -eu\n{}\n", commands.join("\n"))
}

/// It is enabled, so that a VM that is rebooted before its runner began goes on; one whose runner
/// has begun powers off. What it prints is seen on the console, which outlives the VM's network.
fn unit() -> String {
    format!(
        "[Unit]\nDescription=GitHub Actions runner\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nType=exec\nUser={USER}\nExecStartPre=+{PREPARE_PATH}\nExecStart={RUNNER_PATH} serve\n\
         ExecStopPost=+/bin/systemctl --no-block poweroff\nTimeoutStartSec=15min\nSyslogIdentifier={IDENTIFIER}\n\
         StandardOutput=journal+console\nStandardError=journal+console\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

fn switch_service(switch: Duration) -> String {
    format!(
        "[Unit]\nDescription=Power off when nobody needs this machine\n\n[Service]\nType=oneshot\n\
         ExecStart={RUNNER_PATH} watch {}\nSyslogIdentifier={IDENTIFIER}\nStandardOutput=journal+console\n",
        switch.as_secs()
    )
}

/// Ten looks until then, and one each five minutes at least.
fn switch_timer(switch: Duration) -> String {
    let every = (switch.as_secs() / 10).clamp(1, 300);
    format!(
        "[Unit]\nDescription=Power off when nobody needs this machine\n\n[Timer]\nOnBootSec={every}\n\
         OnUnitInactiveSec={every}\nAccuracySec=1\n\n[Install]\nWantedBy=timers.target\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunnerId, RunnerName};

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn both_kinds_of_machine_power_off_when_nobody_needs_them() {
        let key =
            HostKey { public: "ssh-ed25519 AAAA".to_owned(), private: SecretString::from("k".to_owned()) };
        for text in [sample(), reachable(&key, "ssh-ed25519 BBBB", DAY).expose_secret().to_owned()] {
            assert!(
                text.contains("runner watch 86400\\n") && text.contains("OnUnitInactiveSec=300"),
                "{text}"
            );
            assert!(text.contains("azlin-dead-mans-switch.timer"));
        }
    }

    fn sample() -> String {
        let pool = "ci".parse().expect("valid");
        let runner = RunnerRegistration {
            runner_id: RunnerId(1),
            runner_name: RunnerName::new(&pool, crate::fixture::at(0), 1),
            encoded_jit_config: SecretString::from("SECRETBLOB".to_owned()),
        };
        let download = Download {
            os: "linux".to_owned(),
            architecture: "x64".to_owned(),
            url: "https://example.invalid/it's.tar.gz".to_owned(),
            filename: "it's.tar.gz".to_owned(),
            sha256: Some("ab12".to_owned()),
        };
        self_made(&runner, &download, true, DAY).expose_secret().to_owned()
    }

    fn config(text: &str) -> Value {
        let (first, rest) = text.split_once('\n').expect("two lines");
        assert_eq!(first, "#cloud-config");
        serde_json::from_str(rest).expect("JSON")
    }

    #[test]
    fn it_is_cloud_config_and_json_below_its_first_line() {
        let text = sample();
        let config = config(&text);
        assert_eq!(config["write_files"][0]["content"], "SECRETBLOB");
        assert_eq!(config["write_files"][0]["permissions"], "0400");
        assert_eq!(text.matches("SECRETBLOB").count(), 1, "the secret is in its file and nowhere else");
    }

    #[test]
    fn its_unit_is_a_runner_for_one_job_and_powers_off_after_it() {
        let config = config(&sample());
        let mut files = config["write_files"].as_array().expect("a list").iter();
        let unit =
            files.find(|file| file["path"].as_str().is_some_and(|path| path.ends_with("runner.service")));
        let unit = unit.and_then(|file| file["content"].as_str()).expect("a unit");
        for line in ["User=runner", "WantedBy=multi-user.target"] {
            assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
        }
        assert!(unit.contains("ExecStopPost=+/bin/systemctl --no-block poweroff\n"), "{unit}");
    }

    #[test]
    fn it_is_looked_ten_times_before_it_powers_off_and_each_five_minutes() {
        for (switch, every) in [(1, 1), (600, 60), (3000, 300), (86_400, 300)] {
            let timer = switch_timer(Duration::from_secs(switch));
            assert!(timer.contains(&format!("OnUnitInactiveSec={every}\n")), "{switch}: {timer}");
        }
    }

    #[test]
    fn what_reaches_a_shell_is_quoted() {
        assert!(sample().contains(r"'https://example.invalid/it'\\''s.tar.gz'"));
    }

    #[test]
    fn it_leaves_room_below_azures_limit() {
        let limit = 64 * 1024 / 4 * 3;
        assert!(sample().len() < limit / 2, "{} of {limit} bytes", sample().len());
    }

    #[test]
    fn a_machine_for_ssh_has_the_planted_host_key_alone() {
        let private = SecretString::from("-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned());
        let text = reachable(
            &HostKey { public: "ssh-ed25519 AAAA".to_owned(), private },
            "ecdsa-sha2-nistp256 BBBB",
            DAY,
        );
        let config = config(text.expose_secret());
        assert_eq!(config["ssh_keys"]["ed25519_public"], "ssh-ed25519 AAAA");
        assert_eq!(config["ssh_genkeytypes"], json!([]));
        assert_eq!(config["ssh_authorized_keys"], json!(["ecdsa-sha2-nistp256 BBBB"]));
    }
}
