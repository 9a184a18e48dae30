//! The program on the VM, where root runs it: what belongs to jobs is not executed and not given away by root. In a mount
//! namespace of its own, with a user `runner` that exists only there.

use std::process::{Command, Output};

const RUNNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/fleet/src/bootstrap/runner.sh");

/// Prepares a machine of which /opt, /var/lib and /run are empty, with a program of the image that notes who runs it.
const SETUP: &str = r#"
set -eu
mount --make-rprivate /
for folder in /opt /var/lib /run /mnt; do mount -t tmpfs none "$folder"; done
for file in passwd group shadow; do cp "/etc/$file" "/mnt/$file"; done
echo 'runner:x:4242:4242::/mnt/home:/bin/sh' >>/mnt/passwd
echo 'runner:x:4242:' >>/mnt/group
echo 'runner:!:::::::' >>/mnt/shadow
for file in passwd group shadow; do mount --bind "/mnt/$file" "/etc/$file"; done
mkdir /mnt/etc-conf && mkdir -p /etc/needrestart && mount -t tmpfs none /etc/needrestart
mkdir /mnt/home /mnt/noted && chown 4242 /mnt/home && chmod 777 /mnt/noted
mkdir -p /opt/actions-runner/bin
program() {
    printf '#!/bin/sh\nid -u >>/mnt/noted/who\n[ "$1" != --version ] || echo %s\n' "$1" >/opt/actions-runner/bin/Runner.Listener
    chmod 755 /opt/actions-runner/bin/Runner.Listener
}
program 2.329.0
runner() { sh "$RUNNER" "$@"; }
who() { sort -u /mnt/noted/who 2>/dev/null | tr '\n' ' '; }
"#;

/// What a script prints as root of such a machine; `None` where this test is not root.
fn on_a_machine(script: &str) -> Option<String> {
    if Command::new("id").arg("--user").output().unwrap().stdout != b"0\n" {
        println!("skipped: only root makes a mount namespace");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &format!("{SETUP}\n{script}")]).env("RUNNER", RUNNER);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{stdout}{stderr}");
    Some(stdout)
}

#[test]
fn the_program_of_an_image_is_asked_for_its_version_once_and_never_by_root() {
    let script = "runner probe | grep ^version=; who; program 9.9.9; runner probe | grep ^version=; wc -l </mnt/noted/who; who";
    if let Some(told) = on_a_machine(script) {
        let lines: Vec<&str> = told.split_whitespace().collect();
        assert_eq!(lines, ["version=2.329.0", "4242", "version=2.329.0", "1", "4242"], "{told}");
    }
}

/// After a job and a reboot, `prepare` fetches again: it finds its mark, and gives away nothing that a job has linked to.
#[test]
fn what_a_job_has_left_is_not_given_away_when_the_machine_prepares_again() {
    let script = r"
        runner fetch https://localhost:1/none unknown 2.329.0
        stat --format=%u /opt/actions-runner/bin/Runner.Listener
        echo secret >/opt/victim; ln /opt/victim /opt/actions-runner/link; program 9.9.9
        runner fetch https://localhost:1/none unknown 2.329.0
        stat --format=%u /opt/victim
        who
    ";
    if let Some(told) = on_a_machine(script) {
        assert_eq!(told.split_whitespace().collect::<Vec<_>>(), ["4242", "0", "4242"], "{told}");
    }
}

/// What is unpacked is written by the jobs' user, and nothing else becomes that user's by it.
#[test]
fn a_download_is_unpacked_by_the_user_of_the_jobs() {
    let script = r"
        runner probe >/dev/null
        echo secret >/opt/victim; ln /opt/victim /opt/actions-runner/link
        mkdir -p /mnt/new/bin; echo new >/mnt/new/bin/new
        tar -czf /mnt/new.tar.gz -C /mnt/new .
        sum=$(sha256sum /mnt/new.tar.gz | cut -d ' ' -f 1)
        mv /mnt/new.tar.gz /var/lib/azlin-runner/runner-$sum.tar.gz
        runner fetch https://localhost:1/none $sum 2.330.0
        stat --format=%u /opt/actions-runner/bin/new /opt/victim; runner probe | grep ^version=
    ";
    if let Some(told) = on_a_machine(script) {
        assert_eq!(told.split_whitespace().collect::<Vec<_>>(), ["4242", "0", "version=2.330.0"], "{told}");
    }
}

/// A JIT configuration waits where its user alone can read it. Once it was used, what the jobs' user writes makes the
/// machine no runner again.
#[test]
fn a_jit_configuration_makes_a_runner_once() {
    let script = r#"
        state=/var/lib/azlin-runner
        found() {
            told=$(runner probe 2>/dev/null)
            for key in runner_id registered; do printf '%s,' "$(echo "$told" | sed -n "s/^$key=//p")"; done
            echo
        }
        runner fetch https://localhost:1/none unknown 2.329.0
        found
        echo SECRET | runner register 7 ci-x
        found
        stat --format=%U:%a $state/jit $state/jit/config
        cat $state/jit/config
        echo SECRET | runner register 8 ci-x
        found
        rm $state/jit/config
        found
        echo azlin-runner.service >$state/unit
        printf '{"agentId": 9, "agentName": "ci-x"}' >/opt/actions-runner/.runner
        found
    "#;
    if let Some(told) = on_a_machine(script) {
        let expected =
            [",,", "7,7 ci-x,", "runner:700", "runner:400", "SECRET", "8,8 ci-x,", ",8 ci-x,", ",8 ci-x,"];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{told}");
    }
}
