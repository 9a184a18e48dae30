//! The command line in a shell: closed pipes, mistakes, no arguments.

use std::process::{Command, Output, Stdio};

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM, azlin};

/// The exit code with which a shell reports that SIGPIPE ended a program.
const NOBODY_READS: i32 = 141;

fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
    cloud
}

/// A pipe whose reading end is closed.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ended(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_goes_ends_a_command_quietly() {
    let cloud = cloud();
    for arguments in [
        vec!["github-runner", "plan"],
        vec!["github-runner", "plan", "--output", "json"],
        vec!["github-runner", "status"],
        vec!["github-runner", "status", "--output", "json"],
        vec!["github-runner", "status", "--watch"],
        vec!["github-runner", "explain", "--pool", "ci"],
        vec!["github-runner", "check"],
        vec!["completions", "bash"],
        vec!["man"],
    ] {
        let mut command = match arguments.split_first() {
            Some((&"github-runner", rest)) => cloud.command(rest),
            _ => {
                let mut command = Command::new(azlin());
                command.args(&arguments);
                command
            }
        };
        let output = ended(command.stdout(unread()));
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(NOBODY_READS), "{arguments:?}");
    }
}

#[test]
fn help_that_is_not_read_is_no_mistake() {
    let output = ended(Command::new(azlin()).arg("--help").stdout(unread()));
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}

#[test]
fn a_daemon_whose_log_is_not_read_continues() {
    let cloud = cloud();
    let mut command = cloud.command(&["run"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(unread()).spawn().unwrap();
    let daemon = DaemonProcess::of(child);
    assert!(cloud.wait(SOON, |world| world.report().vms_created == 1));
    assert!(Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap().success());
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn an_error_that_is_not_read_is_still_an_exit_code() {
    let cloud = cloud();
    let status = cloud.command(&["plan", "--pool", "cy"]).stdout(Stdio::null()).stderr(unread()).status();
    assert_eq!(status.unwrap().code(), Some(3));
}

#[test]
fn a_slip_has_a_suggestion_and_no_arguments_have_help() {
    for (arguments, told) in [
        (vec!["github-runner", "statsu"], "a similar subcommand exists: 'status'"),
        (vec!["github-runers"], "a similar subcommand exists: 'github-runner'"),
        (vec!["github-runner", "plan", "--outptu", "json"], "a similar argument exists: '--output'"),
        (vec!["github-runner", "plan", "--output", "jsn"], "a similar value exists: 'json'"),
        (vec![], "Usage: azlin [OPTIONS] <COMMAND>"),
        (vec!["github-runner"], "Usage: azlin github-runner [OPTIONS] <COMMAND>"),
    ] {
        let output = Command::new(azlin()).args(&arguments).output().unwrap();
        let said = text(&output.stderr);
        assert!(said.contains(told), "{arguments:?}: {said}");
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{arguments:?}");
    }
}

#[test]
fn manual_pages_are_written_where_they_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("share/man1");
    let output = Command::new(azlin()).args(["man", "--dir"]).arg(&below).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for page in ["azlin.1", "azlin-github-runner.1", "azlin-github-runner-run.1", "azlin-completions.1"] {
        assert!(below.join(page).exists(), "{page}");
    }
    let printed = Command::new(azlin()).arg("man").output().unwrap();
    assert_eq!(text(&printed.stdout), std::fs::read_to_string(below.join("azlin.1")).unwrap());
    let file = below.join("azlin.1");
    let output = Command::new(azlin()).args(["man", "--dir"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&format!("error: {} cannot be made", file.display())));
}
