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

/// Where the setup's files are, and a program of its own, which calls itself.
const GIVEN: &str = r#"
mount -t tmpfs none /usr/local/lib
given=/usr/local/lib/azlin/fleet
mkdir -p $given
runner() { cp "$RUNNER" /mnt/runner; chmod 755 /mnt/runner; code=0; /mnt/runner "$@" 2>&1 || code=$?; }
script() { printf '%s\n' '#!/bin/sh' "$@" >$given/setup; chmod 700 $given/setup; }
state=/var/lib/azlin-runner
"#;

fn set_up(script: &str) -> Option<String> {
    on_a_machine(&format!("{GIVEN}\n{script}"))
}

#[test]
fn a_setup_script_runs_once_as_root_and_its_exit_code_decides() {
    let script = r#"
        script 'echo "I am $(id -u) in $PWD of $HOME"' 'echo again >>/mnt/times'
        runner fit 20; echo "code $code"; runner probe | grep ^setup=
        runner fit 20; echo "code $code"; wc -l </mnt/times
    "#;
    if let Some(told) = set_up(script) {
        let expected = ["I am 0 in /root of /root", "code 0", "setup=done", "code 0", "1"];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{told}");
    }
}

#[test]
fn a_setup_script_that_fails_or_hangs_or_was_cut_off_says_so_and_is_not_run_again() {
    for (situation, first, words) in [
        (
            "it fails",
            "script 'echo no such disk >&2' 'exit 3'; runner fit 20",
            "the setup ended with 3: no such disk",
        ),
        (
            "it hangs, and leaves a process with its output",
            "script 'sleep 60 & echo waits' 'sleep 60'; runner fit 1",
            "the setup did not end within setup_timeout (1 s): waits",
        ),
        ("it says nothing", "script 'exit 1'; runner fit 20", "the setup ended with 1: it printed nothing"),
        (
            "no interpreter",
            "printf '#!/no/such\\n' >$given/setup; chmod 700 $given/setup; runner fit 20",
            "not found",
        ),
        (
            "the machine restarts",
            "mkdir -p $state; : >$state/fitting; script 'true'; runner fit 20",
            "the setup was cut off before its end and is not begun again",
        ),
        (
            "a group that is not there",
            "runner fit 20 group:nobodys",
            "there is no group nobodys on this machine: make it in bootstrap.setup",
        ),
    ] {
        let script = format!(
            "{first}; [ $code -ne 0 ]; runner probe | grep ^setup=; cat $state/unfit; runner fit 20; echo code $code"
        );
        let Some(told) = set_up(&script) else { return };
        let (_, after) = told.split_once("setup=none\n").unwrap_or_else(|| panic!("{situation}: {told}"));
        assert!(after.contains(words) && after.ends_with("code 1\n"), "{situation}: {told}");
    }
}

/// Neither lines without number nor one without end fill the console, the disk or memory.
#[test]
fn a_flood_of_output_is_bounded_and_its_end_is_kept() {
    let script = r#"
        script 'seq 1 300000' 'head -c 3000000 /dev/zero | tr "\0" x' 'echo' 'echo the last words' 'exit 1'
        runner fit 60 >/mnt/shown
        grep -c . /mnt/shown; wc -c <$state/unfit; sed 's/.* | //' $state/unfit; head -n 1 /mnt/shown; ls $state
    "#;
    if let Some(told) = set_up(script) {
        let lines: Vec<&str> = told.lines().collect();
        let number = |line: &str| line.trim().parse::<u32>().expect("a number");
        assert!(number(lines[0]) < 1_020 && number(lines[1]) < 3_000, "{told}");
        assert_eq!(lines[2..], ["the last words", "1", "fitting", "last", "unfit"], "{told}");
    }
}

/// What an image's .env says stays, save for what the fleet or the machine's proxies replace.
#[test]
fn the_environment_of_the_runner_is_the_image_s_with_the_fleet_s_in_its_place() {
    let script = r#"
        printf 'LANG=C\nKEPT=a=b\nhttps_proxy=http://old\nodd\n' >/opt/actions-runner/.env
        printf 'LANG=C.UTF-8\nQUOTED=a "b" $c \\n\n' >$given/env
        mount --bind /mnt/environment /etc/environment
        runner environment; cat /opt/actions-runner/.env; runner environment; wc -l </opt/actions-runner/.env
    "#;
    let script = format!("touch /mnt/environment; echo https_proxy=http://new:1 >/mnt/environment; {script}");
    if let Some(told) = set_up(&script) {
        let expected =
            ["KEPT=a=b", "odd", "https_proxy=http://new:1", "LANG=C.UTF-8", r#"QUOTED=a "b" $c \n"#, "5"];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{told}");
    }
}
