use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use super::*;

/// The result of a line on a machine where `id` and `sudo` are these scripts.
fn run(id: &str, sudo: Option<&str>, line: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in [("id", Some(id)), ("sudo", sudo)] {
        let Some(script) = script else { continue };
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    Command::new("/bin/sh").args(["-c", &as_root(line)]).env("PATH", folder.path()).output().unwrap()
}

const WORD: &str = "it's $HOME `id` \"\\ ! \n *";

#[test]
fn a_line_comes_through_whatever_it_holds() {
    let line = format!("printf '[%s]' {}", quoted(WORD));
    let makes_root = r#"[ "$1" = -n ] || exit 1; shift; [ "$1" = true ] || exec "$@""#;
    for (situation, id, sudo) in
        [("as root", "echo 0", None), ("as another user", "echo 1000", Some(makes_root))]
    {
        let output = run(id, sudo, &line);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{situation}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("[{WORD}]"), "{situation}");
    }
}

#[test]
fn who_may_not_become_root_runs_nothing() {
    let refuses = "echo 'sudo: a password is required' >&2; exit 1";
    for (situation, sudo) in [("sudo refuses", Some(refuses)), ("there is no sudo", None)] {
        let output = run("echo 1000", sudo, "echo ran");
        assert_eq!(output.status.code(), Some(NO_ROOT_CODE as i32), "{situation}");
        assert_eq!(output.stdout, b"", "{situation}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("sudo") && said.ends_with(&format!("{NO_ROOT}\n")), "{situation}: {said}");
    }
}
