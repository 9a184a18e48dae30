//! What stands where files are expected and is none: nothing waits for it, and nothing is read without an end.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, VM};

/// Longer than any command needs here, and shorter than for ever.
const SOON: Duration = Duration::from_secs(60);

fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/good.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
    cloud
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The output of a command that ends.
fn ended(what: &str, command: &mut Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > SOON {
            child.kill().unwrap();
            panic!("{what} waits for ever");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_fifo_and_a_device_in_place_of_a_fleets_file_are_reported_and_the_others_are_served() {
    let cloud = cloud();
    fifo(&cloud.config.path().join("fleets/pipe.toml"));
    symlink("/dev/zero", cloud.config.path().join("fleets/zero.toml")).unwrap();
    for arguments in [&["run", "--once"][..], &["plan"], &["check"], &["status"]] {
        let what = arguments.join(" ");
        let said = text(&ended(&what, &mut cloud.command(arguments)));
        assert!(["pipe.toml", "zero.toml"].iter().all(|name| said.contains(name)), "{what}: {said}");
        assert!(said.matches("it is no regular file").count() >= 2, "{what}: {said}");
    }
    assert_eq!(cloud.served.world().report().vms_created, 1, "the good one is served");
    let scaled = ended("scale", &mut cloud.command(&["scale", "--pool", "pipe", "--count", "1"]));
    assert!(text(&scaled).contains("it is no regular file"), "{}", text(&scaled));
}

#[test]
fn nothing_else_that_is_configured_or_a_secret_is_read_without_an_end() {
    let shown = |what: &str, cloud: &Cloud, folder: Option<&Path>| {
        let mut command = cloud.command(&["run", "--once"]);
        folder.map(|folder| command.env("CREDENTIALS_DIRECTORY", folder));
        let output = ended(what, &mut command);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", text(&output));
        assert!(text(&output).contains("it is no regular file"), "{what}: {}", text(&output));
    };
    let own = cloud();
    std::fs::remove_file(own.config.path().join("azlin.toml")).unwrap();
    fifo(&own.config.path().join("azlin.toml"));
    shown("azlin.toml", &own, None);

    let certificates = cloud();
    certificates
        .write("azlin.toml", &format!("{}[tls]\nca_file = \"/dev/zero\"\n", certificates.daemon_toml()));
    shown("ca_file", &certificates, None);

    let (secrets, folder) = (cloud(), tempfile::tempdir().unwrap());
    fifo(&folder.path().join("github-token"));
    shown("a credential", &secrets, Some(folder.path()));

    // What a daemon has left is of no use then, and no obstacle.
    let state = cloud();
    std::fs::create_dir_all(state.runtime_dir()).unwrap();
    fifo(&state.runtime_dir().join("status.json"));
    symlink("/dev/zero", state.runtime_dir().join("good.json")).unwrap();
    let mut command = state.command(&["status"]);
    let output = ended("status", command.env("STATE_DIRECTORY", state.runtime_dir()));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
