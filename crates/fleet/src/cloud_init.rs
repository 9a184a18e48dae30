//! The custom data that makes a VM become a runner by itself: cloud-init's configuration.
//!
//! Nothing listens on the VM and no registration token is on it. The JIT configuration is in a
//! file that the runner's user alone can read, and is removed before the first job starts. When
//! the runner ends, the VM powers off, so that a lost daemon costs no idle VM for long.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::config::Fleet;
use crate::ports::Download;
use crate::runner::RunnerRegistration;

/// The account that jobs run as. It is not root, has no password, and has a home: jobs write there.
const USER: &str = "runner";
/// Where the runner's program lives; an image may hold it there already.
const HOME: &str = "/opt/actions-runner";
const JIT_FILE: &str = "/var/lib/azlin-runner/jitconfig";

/// The custom data for one runner, as text.
pub fn custom_data(runner: &RunnerRegistration, download: &Download) -> SecretString {
    // JSON is YAML, and needs no second way of quoting.
    let config = json!({
        "users": ["default", {"name": USER, "shell": "/bin/bash", "lock_passwd": true}],
        "write_files": [
            {
                "path": JIT_FILE, "owner": format!("{USER}:{USER}"), "permissions": "0400", "defer": true,
                "content": runner.encoded_jit_config.expose_secret(),
            },
            {"path": "/usr/local/lib/azlin/install", "permissions": "0755", "content": install(download)},
            {"path": "/usr/local/lib/azlin/run", "permissions": "0755", "content": run()},
            {"path": "/etc/systemd/system/azlin-runner.service", "content": unit()},
        ],
        "runcmd": [
            ["chown", format!("{USER}:{USER}"), "/var/lib/azlin-runner"],
            ["systemctl", "start", "--no-block", "azlin-runner.service"],
        ],
    });
    SecretString::from(format!("#cloud-config\n{config}\n"))
}

/// The download that fits the fleet's VMs.
pub fn download_for<'d>(fleet: &Fleet, downloads: &'d [Download]) -> Option<&'d Download> {
    let architecture = fleet.vm.architecture().label();
    let fits = |download: &&Download| {
        download.os == "linux" && download.architecture.eq_ignore_ascii_case(architecture)
    };
    downloads.iter().find(fits)
}

/// Fetches the runner's program unless the image holds it, and checks it before it is unpacked.
fn install(download: &Download) -> String {
    let check = match &download.sha256 {
        Some(sha256) => {
            format!("echo {} | sha256sum --check --status", quoted(&format!("{sha256}  {HOME}.tar.gz")))
        }
        None => "true".to_owned(),
    };
    format!(
        "#!/bin/sh\nset -eu\nif [ ! -x {HOME}/run.sh ]; then\n  mkdir -p {HOME}\n  \
         curl --fail --silent --show-error --location --retry 5 --output {HOME}.tar.gz {url}\n  {check}\n  \
         tar -xzf {HOME}.tar.gz -C {HOME}\n  rm {HOME}.tar.gz\n  {HOME}/bin/installdependencies.sh\nfi\n\
         chown -R {USER}:{USER} {HOME}\n",
        url = quoted(&download.url)
    )
}

/// Hands the JIT configuration over by the environment, since arguments are visible to every user.
fn run() -> String {
    format!(
        "#!/bin/sh\nset -eu\nACTIONS_RUNNER_INPUT_JITCONFIG=$(cat {JIT_FILE})\nexport ACTIONS_RUNNER_INPUT_JITCONFIG\n\
         rm -f {JIT_FILE}\ncd {HOME}\nexec ./run.sh\n"
    )
}

fn unit() -> String {
    format!(
        "[Unit]\nDescription=GitHub Actions runner\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nType=exec\nUser={USER}\nExecStartPre=+/usr/local/lib/azlin/install\n\
         ExecStart=/usr/local/lib/azlin/run\nExecStopPost=+/bin/systemctl --no-block poweroff\n\
         TimeoutStartSec=15min\n"
    )
}

/// A word for a POSIX shell, whatever it holds.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
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
        custom_data(&runner, &download).expose_secret().to_owned()
    }

    #[test]
    fn it_is_cloud_config_and_json_below_its_first_line() {
        let text = sample();
        let (first, rest) = text.split_once('\n').expect("two lines");
        assert_eq!(first, "#cloud-config");
        let config: serde_json::Value = serde_json::from_str(rest).expect("JSON");
        assert_eq!(config["write_files"][0]["content"], "SECRETBLOB");
        assert_eq!(config["write_files"][0]["permissions"], "0400");
        assert_eq!(text.matches("SECRETBLOB").count(), 1, "the secret is in its file and nowhere else");
    }

    #[test]
    fn what_reaches_a_shell_is_quoted() {
        assert!(sample().contains(r"'https://example.invalid/it'\\''s.tar.gz'"));
    }
}
