//! What a local user without rights can hold: nothing that the daemon or an operator needs.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, VM};
use azlin_tests::soon;

/// Another user, who locks this for as long as this lives; `None` where this test may not become another user.
struct OtherUser(Child);

impl OtherUser {
    fn may_be() -> bool {
        let id = Command::new("id").arg("--user").output().unwrap();
        let is_root = id.stdout == b"0\n";
        if !is_root {
            println!("skipped: only root becomes another user");
        }
        is_root
    }

    /// Runs a shell script as a user who owns nothing.
    fn shell(script: &str, argument: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script, "sh"]);
        command.arg(argument).stdin(Stdio::null());
        command
    }

    /// Locks a file or directory; returns once the lock is held, or `None` if that is not permitted.
    fn locks(path: &Path) -> Option<Self> {
        let mut command = OtherUser::shell(
            "exec flock --exclusive --nonblock --no-fork \"$1\" sh -c 'echo held; exec sleep 600'",
            path,
        );
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
        let other = OtherUser(child);
        (told == "held\n").then_some(other)
    }
}

impl Drop for OtherUser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cloud with a fleet, whose configuration every user can read, as in `/etc/azlin`.
fn cloud() -> Cloud {
    let cloud = Cloud::new(&Workload::parse("repositories = ['o/r']").unwrap());
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{VM}"));
    std::fs::create_dir(cloud.runtime_dir()).unwrap();
    for path in [cloud.config.path().to_owned(), cloud.config.path().join("fleets"), cloud.runtime_dir()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    cloud
}

#[test]
fn a_user_who_locks_what_he_can_read_stops_no_daemon_and_no_operator() {
    if !OtherUser::may_be() {
        return;
    }
    let cloud = cloud();
    let fleets = cloud.config.path().join("fleets");
    let _on_config = OtherUser::locks(cloud.config.path()).expect("everyone can read it");
    let _on_fleets = OtherUser::locks(&fleets).expect("everyone can read it");
    let status = cloud.command(&["status"]).output().unwrap();
    assert!(String::from_utf8_lossy(&status.stdout).starts_with("no daemon runs"), "{status:?}");
    for arguments in [&["scale", "--pool=ci", "--count=2"][..], &["disable", "--pool=ci", "--force"]] {
        let output = cloud.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(OtherUser::locks(&fleets.join(".lock")).is_none(), "the writers' own lock cannot be opened");
    let daemon = cloud.daemon();
    let said = || String::from_utf8(cloud.command(&["status"]).output().unwrap().stdout).unwrap();
    assert!(soon(|| said().starts_with("daemon ")), "{}{}", said(), cloud.logged());
    let lock = std::fs::read_dir(cloud.runtime_dir()).unwrap().map(|entry| entry.unwrap().path());
    let lock =
        lock.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")).expect("a lock");
    assert_eq!(lock.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(OtherUser::locks(&lock).is_none(), "the daemon's own lock cannot be opened");
    drop(daemon);
}

/// A copy of the executable that every user can run.
fn program_for_all() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let azlin = folder.path().join("azlin");
    std::fs::copy(azlin_tests::binary::azlin(), &azlin).unwrap();
    (folder, azlin)
}

/// A daemon outside of systemd has its token in its environment, and no limit on cores.
#[test]
fn no_process_of_the_daemons_own_user_reads_its_secrets() {
    if !OtherUser::may_be() {
        return;
    }
    let cloud = cloud();
    std::fs::set_permissions(cloud.runtime_dir(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let (_folder, azlin) = program_for_all();
    let mut command = OtherUser::shell("exec \"$1\" github-runner run", &azlin);
    let given = cloud.command(&["run"]);
    command.env_clear().envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stderr(std::fs::File::create(cloud.log()).unwrap());
    let daemon = OtherUser(command.spawn().unwrap());
    assert!(soon(|| cloud.runtime_dir().join("status.json").exists()), "{}", cloud.logged());
    let process = Path::new("/proc").join(daemon.0.id().to_string());
    let reads = |path: &str| OtherUser::shell("exec cat \"$1\"", &process.join(path)).output().unwrap();
    assert!(reads("status").status.success(), "it is of this user: {}", cloud.logged());
    for secret in ["environ", "mem", "maps"] {
        let output = reads(secret);
        assert!(!output.status.success(), "{secret}: {output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("Permission denied"),
            "{secret}: {output:?}"
        );
    }
}

/// Whether a daemon runs is no secret: `status` shows any user what it knows.
#[test]
fn a_user_who_cannot_open_the_lock_sees_that_a_daemon_runs() {
    if !OtherUser::may_be() {
        return;
    }
    let cloud = cloud();
    let daemon = cloud.daemon();
    let shown = cloud.runtime_dir().join("status.json");
    assert!(soon(|| shown.exists()), "{}", cloud.logged());
    let (_folder, azlin) = program_for_all();
    let look = || {
        let mut command = OtherUser::shell("exec \"$1\" github-runner status", &azlin);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("AZLIN_CONFIG_DIR", cloud.config.path()).env("RUNTIME_DIRECTORY", cloud.runtime_dir());
        let output = command.output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let told = look();
    assert!(told.contains(&format!("runs, process {}", daemon.id())), "{told}");
    daemon.kill();
    let told = look();
    assert!(!told.contains("runs, process"), "{told}");
}
