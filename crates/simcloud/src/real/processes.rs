//! Processes and mounts of machines, as the host sees them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::run;

/// A machine's init: the child of `systemd-nspawn` with process id 1 in its own namespace.
pub(super) fn leader(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child| is_init(*child))
}

fn is_init(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let mut ids = ids.split_whitespace();
    ids.next().is_some() && ids.next_back() == Some("1")
}

/// When a process started. It tells apart processes with the same id.
pub(super) fn birth(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in brackets and may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19).map(str::to_owned)
}

pub(super) fn kill(process: u32) {
    if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // The process may have ended already.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Kills all processes in a network namespace, until none is left.
pub(super) fn kill_all_in(netns: &str) {
    for _ in 0..100 {
        let found = Command::new("ip").args(["netns", "pids", netns]).output();
        let found =
            found.map(|found| String::from_utf8_lossy(&found.stdout).into_owned()).unwrap_or_default();
        let processes: Vec<u32> = found.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        if processes.is_empty() {
            return;
        }
        processes.into_iter().filter(|process| *process != std::process::id()).for_each(kill);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes the folder that `systemd-nspawn` leaves behind where `/run` is on a disk.
pub(super) fn forget(machine: &str) {
    let _ = fs::remove_dir(Path::new("/run/systemd/nspawn/propagate").join(machine));
}

/// Unmounts a path, which may be busy for a moment.
pub(super) fn unmount(path: &Path) {
    let Some(path) = path.to_str() else { return };
    for _ in 0..50 {
        if run("umount", &[path]).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = run("umount", &["-l", path]);
}
