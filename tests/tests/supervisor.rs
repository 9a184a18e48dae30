//! The daemon's messages to systemd over the notify socket, and their time.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use tempfile::TempDir;

const QUICK: &str = "[settings]\ncreate = '100ms'\nboot = '100ms'\nregister = '100ms'\n";

/// A listening service manager.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Manager { socket, folder }
    }

    fn start(&self, cloud: &Cloud, arguments: &[&str], stderr: Stdio) -> DaemonProcess {
        let mut command = cloud.command(arguments);
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify")).env("WATCHDOG_USEC", "400000");
        DaemonProcess::of(command.stdin(Stdio::null()).stderr(stderr).spawn().unwrap())
    }

    /// The next message, in lines; `None` when none comes within this time.
    fn next_within(&self, time: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut buffer = [0; 8192];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap().lines().map(str::to_owned).collect())
    }

    /// The next message that does not feed the watchdog.
    fn next(&self) -> Vec<String> {
        loop {
            let message = self.next_within(SOON).expect("a message in time");
            if message != ["WATCHDOG=1"] {
                return message;
            }
        }
    }

    /// Waits for a status with these words. Returns the messages before it.
    fn until_status(&self, words: &str) -> Vec<Vec<String>> {
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if message.iter().any(|line| line.starts_with("STATUS=") && line.contains(words)) {
                return before;
            }
            before.push(message);
        }
    }
}

fn cloud(faults: &str) -> Cloud {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{QUICK}{faults}")).unwrap();
    let cloud = Cloud::new(&workload);
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n[scaling]\nmin_runners = 1\n{VM}"));
    cloud
}

fn signal(daemon: &DaemonProcess, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &daemon.id().to_string()]).status().unwrap().success());
}

#[test]
fn it_is_ready_when_it_has_looked_then_lives_reloads_and_stops() {
    let (cloud, manager) = (cloud(""), Manager::new());
    let daemon = manager.start(&cloud, &["run"], Stdio::null());
    let mut before = manager.until_status("1 fleet, ");
    assert_eq!(before.pop().unwrap(), ["READY=1"], "{before:?}");
    let looks = ["STATUS=looks at GitHub and Azure for the first time"];
    assert!(before.iter().all(|message| *message == looks), "{before:?}");
    manager.until_status("1 fleet, 1 runner (1 idle), 0 queued jobs");
    for _ in 0..3 {
        while manager.next_within(SOON).expect("the watchdog is fed") != ["WATCHDOG=1"] {}
    }

    signal(&daemon, "HUP");
    let reloading = manager.next();
    assert_eq!(reloading[0], "RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(manager.next(), ["READY=1"]);

    cloud.write("azlin.toml", &cloud.daemon_toml().replace("\"2s\"", "\"3s\""));
    signal(&daemon, "HUP");
    assert_eq!(manager.next()[0], "RELOADING=1");
    assert_eq!(manager.next(), ["READY=1"], "another azlin.toml is taken in too");

    signal(&daemon, "TERM");
    assert_eq!(
        manager.next(),
        ["STOPPING=1", "STATUS=stopping: what is under way ends first, within 1m 40s"]
    );
    assert_eq!(daemon.wait(), Some(0));
    assert_eq!(cloud.served.world().report().vms_left, 1, "runners are left as they are");
}

#[test]
fn a_first_look_that_fails_makes_it_ready_and_the_reason_is_its_status() {
    let (cloud, manager) =
        (cloud("[[faults]]\nwhat = { status = 502 }\npath = '/actions/runs'\n"), Manager::new());
    let _daemon = manager.start(&cloud, &["run"], Stdio::null());
    let before = manager.until_status("; ci: the queue of repo:o/r: ");
    assert_eq!(before.last().unwrap(), &["READY=1"], "{before:?}");
}

#[test]
fn a_daemon_without_fleets_is_ready() {
    let (cloud, manager) = (cloud(""), Manager::new());
    std::fs::remove_file(cloud.config.path().join("fleets/ci.toml")).unwrap();
    let _daemon = manager.start(&cloud, &["run"], Stdio::null());
    assert_eq!(manager.next(), ["READY=1"]);
    assert_eq!(manager.next(), ["STATUS=no fleet"]);
}

/// The daemon's log pipe is full and unread, so its loop blocks at the next line.
#[test]
fn a_loop_that_hangs_starves_the_watchdog() {
    let (cloud, manager) = (cloud(""), Manager::new());
    let (mut log, end) = std::io::pipe().unwrap();
    let mut filler = OpenOptions::new()
        .write(true)
        .custom_flags(0o4000) // O_NONBLOCK, for this end only.
        .open(format!("/proc/self/fd/{}", end.as_raw_fd()))
        .unwrap();
    let daemon = manager.start(&cloud, &["run", "-v"], end.into());
    while manager.next_within(SOON).expect("the watchdog is fed") != ["WATCHDOG=1"] {}
    while filler.write(b"\n").is_ok() {}
    drop(filler);
    while manager.next_within(Duration::from_secs(3)).is_some() {}

    let reader = std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()).unwrap());
    while manager.next_within(SOON).expect("it goes on, and the watchdog is fed") != ["WATCHDOG=1"] {}
    drop(daemon);
    reader.join().unwrap();
}

/// The stop is reported even if nothing is under way and the daemon ends at once.
#[test]
fn a_stop_is_reported_each_time() {
    let (cloud, manager) = (cloud(""), Manager::new());
    std::fs::remove_file(cloud.config.path().join("fleets/ci.toml")).unwrap();
    for _ in 0..20 {
        let daemon = manager.start(&cloud, &["run"], Stdio::null());
        manager.until_status("no fleet");
        signal(&daemon, "TERM");
        assert_eq!(daemon.wait(), Some(0));
        assert_eq!(manager.next()[0], "STOPPING=1");
    }
}
