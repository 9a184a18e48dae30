//! Commands that a daemon answers: with its credentials and its memory, which the command has not.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, VM, azlin};

/// A cloud with a fleet that has two VMs.
fn cloud() -> Cloud {
    azlin();
    let settings = "create = '50ms'\nboot = '50ms'\nregister = '20ms'\ndelete = '50ms'\n";
    let cloud =
        Cloud::new(&Workload::parse(&format!("repositories = ['o/r']\n[settings]\n{settings}")).unwrap());
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 2\n{VM}"));
    cloud
}

fn are_online(cloud: &Cloud, runners: usize) {
    let is_so = |world: &mut azlin_simcloud::World| {
        world.state.github.runners.values().filter(|runner| runner.online).count() == runners
    };
    assert!(cloud.wait(SOON, is_so), "{runners} runners are online");
}

/// A command of an administrator, whose shell has nothing of the service's environment.
fn bare(cloud: &Cloud, arguments: &[&str]) -> Command {
    let mut command = Command::new(azlin());
    command.arg("github-runner").args(arguments).env_clear().stdin(Stdio::null());
    command.env("AZLIN_CONFIG_DIR", cloud.config.path()).env("RUNTIME_DIRECTORY", cloud.runtime_dir());
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_daemon_answers_with_what_it_has() {
    let cloud = cloud();
    let _daemon = cloud.daemon();
    are_online(&cloud, 2);
    let runner = cloud.served.world().state.github.runners.values().next().unwrap().name.clone();
    for (arguments, code, part) in [
        (&["plan"][..], 0, "Plan: 0 to start, 0 to remove."),
        (&["explain", "--runner", &runner], 0, runner.as_str()),
        (&["explain", "--pool", "ci", "--output", "json"], 0, "\"explanations\""),
        (&["check", "--pool", "ci"], 0, " in order. Nothing was changed."),
    ] {
        let (ended, output, errors) = said(&bare(&cloud, arguments).output().unwrap());
        assert_eq!((ended, errors.as_str()), (Some(code), ""), "{arguments:?}: {output}");
        assert!(output.contains(part), "{arguments:?}: {output}");
        assert!(!output.contains("--state-dir"), "{arguments:?}: the daemon remembers: {output}");
    }
    let (ended, output, errors) = said(&bare(&cloud, &["explain", "--pool", "cj"]).output().unwrap());
    assert_eq!((ended, output.as_str()), (Some(3), ""));
    assert!(errors.contains("cj"), "{errors}");
    let (ended, _, errors) = said(&bare(&cloud, &["plan", "--pool", "x y"]).output().unwrap());
    assert_eq!(ended, Some(2), "{errors}");
}

#[test]
fn a_file_that_the_daemon_refuses_is_shown_with_its_line() {
    let cloud = cloud();
    let _daemon = cloud.daemon();
    are_online(&cloud, 2);
    cloud.write("fleets/bad.toml", "repo = 1\n");
    let (ended, output, errors) = said(&bare(&cloud, &["plan"]).output().unwrap());
    assert_eq!(ended, Some(1), "{output}{errors}");
    assert!(errors.contains("bad.toml:1") && errors.contains('^'), "{errors}");
    assert!(output.contains("Plan: 0 to start, 0 to remove."), "the good one is planned: {output}");
}

#[test]
fn another_user_may_not_ask_and_is_told() {
    let id = Command::new("id").arg("--user").output().unwrap();
    if id.stdout != b"0\n" {
        return println!("skipped: only root becomes another user");
    }
    let cloud = cloud();
    for path in [cloud.config.path().to_owned(), cloud.config.path().join("fleets")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let _daemon = cloud.daemon();
    are_online(&cloud, 2);
    let program = cloud.config.path().join("azlin");
    std::fs::copy(azlin(), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    command.args(["github-runner", "plan"]).env_clear().stdin(Stdio::null());
    command.env("AZLIN_CONFIG_DIR", cloud.config.path()).env("RUNTIME_DIRECTORY", cloud.runtime_dir());
    let (ended, _, errors) = said(&command.output().unwrap());
    assert_eq!(ended, Some(1), "it has no token: {errors}");
    assert!(errors.starts_with("only root and the daemon's own user may ask the daemon ("), "{errors}");
}

#[test]
fn without_a_daemon_a_command_uses_the_services_files() {
    let cloud = cloud();
    let (ended, _, errors) = said(&bare(&cloud, &["plan"]).output().unwrap());
    assert_eq!(ended, Some(1), "{errors}");
    assert!(errors.contains("there is no token for GitHub"), "{errors}");
    let token = cloud.served.world().settings.token.clone();
    let (endpoint, header) = (cloud.served.identity_endpoint(), azlin_simcloud::IDENTITY_HEADER);
    let identity = format!("IDENTITY_ENDPOINT='{endpoint}'\nIDENTITY_HEADER={header}\n");
    cloud.write("environment", &format!("# as systemd reads it\nGITHUB_TOKEN=\"{token}\"\n{identity}"));
    let (ended, output, errors) = said(&bare(&cloud, &["plan"]).output().unwrap());
    assert_eq!(ended, Some(0), "{output}{errors}");
    assert!(output.contains("Plan: 2 to start, 0 to remove."), "{output}");
}
