//! What a VM reads when it boots for the first time: cloud-init's configuration, as custom data.
//!
//! With a JIT configuration the VM becomes a runner by itself: nothing listens and no registration
//! token is on it. The JIT configuration is in a file that the runner's user alone can read, and is
//! removed before the first job starts. When the runner ends, or cannot begin, the VM powers off: its
//! end shows, and nothing runs on it while no daemon is there to delete it.
//!
//! A VM that is bootstrapped over SSH only gets the host key that it is to be known by.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::RUNNER;
use super::console::IDENTIFIER;
use super::steps::{RUNNER_PATH, Step};
use crate::ports::{Download, HostKey};
use crate::runner::RunnerRegistration;

/// The account that jobs run as. It is not root, has no password, and has a home: jobs write there.
const USER: &str = "runner";
const JIT_DIR: &str = "/var/lib/azlin-runner/jit";
const PREPARE_PATH: &str = "/usr/local/lib/azlin/prepare";

/// The custom data of a VM that becomes this runner by itself.
pub fn self_made(runner: &RunnerRegistration, download: &Download, dependencies: bool) -> SecretString {
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
        ],
        "runcmd": [
            ["chown", owner, JIT_DIR],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", "azlin-runner.service"],
        ],
    }))
}

/// The custom data of a VM that is reached over SSH, with this host key and no other, by whoever has
/// the other half of `admin_key`.
pub fn reachable(host_key: &HostKey, admin_key: &str) -> SecretString {
    cloud_config(&json!({
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::RunnerId;
    use crate::runner_name::RunnerName;

    fn sample() -> String {
        let pool = "ci".parse().expect("valid");
        let runner = RunnerRegistration {
            runner_id: RunnerId(1),
            runner_name: RunnerName::new(&pool, crate::testing::at(0), 1),
            encoded_jit_config: SecretString::from("SECRETBLOB".to_owned()),
        };
        let download = Download {
            os: "linux".to_owned(),
            architecture: "x64".to_owned(),
            url: "https://example.invalid/it's.tar.gz".to_owned(),
            filename: "it's.tar.gz".to_owned(),
            sha256: Some("ab12".to_owned()),
        };
        self_made(&runner, &download, true).expose_secret().to_owned()
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
        );
        let config = config(text.expose_secret());
        assert_eq!(config["ssh_keys"]["ed25519_public"], "ssh-ed25519 AAAA");
        assert_eq!(config["ssh_genkeytypes"], json!([]));
        assert_eq!(config["ssh_authorized_keys"], json!(["ecdsa-sha2-nistp256 BBBB"]));
    }
}
