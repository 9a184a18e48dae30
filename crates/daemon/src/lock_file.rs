//! Files that processes lock. Who can open a file can hold its lock, so each is for its owner and for root alone.

use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Its id.
    pub pid: u32,
    /// Its command line, as far as it can be seen.
    command: String,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LockHolder { pid, command } = self;
        if command.is_empty() { write!(f, "process {pid}") } else { write!(f, "process {pid} ({command})") }
    }
}

/// Opens a file to lock, which is made if it is missing, and belongs to the owner of its directory: who may write there may
/// lock. Nothing is written, so no watcher of the directory takes notice later.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let owner = path.parent().map_or_else(|| Ok(found.clone()), std::fs::metadata)?;
    if found.uid() != owner.uid() {
        // Only root may, and only root needs it.
        let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    if found.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// The process that holds the lock on a file, which need not be open. The system tells everyone, except in a sandbox
/// without `/proc/locks`.
pub(crate) fn holder(path: &Path) -> Option<LockHolder> {
    let found = std::fs::symlink_metadata(path).ok()?;
    let pid = holder_in(&std::fs::read_to_string("/proc/locks").ok()?, &found)?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(LockHolder { pid, command: shown(&command) })
}

/// The process that holds `flock`'s lock on a file, in the text of `/proc/locks`: see proc_locks(5). A line with an arrow is
/// of a process that waits, and a process that only looks has a lock to read.
fn holder_in(locks: &str, file: &Metadata) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", file.ino());
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, "WRITE", pid, locked, ..] if locked == file => pid.parse().ok(),
            _ => None,
        }
    })
}

/// The first words of a command line, which its process can have changed.
fn shown(command: &[u8]) -> String {
    let words = command.split(|byte| *byte == 0).take(3).map(String::from_utf8_lossy);
    let words: Vec<String> =
        words.map(|word| word.chars().filter(|c| !c.is_control()).take(60).collect()).collect();
    words.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_is_for_its_owner_alone_also_where_it_was_open_to_others() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        let path = directory.path().join(".lock");
        drop(open(&path).expect("it can be made"));
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
        drop(open(&path).expect("it is there"));
        assert_eq!(mode(&path), 0o600);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).expect("a link can be made");
        assert!(open(&link).is_err() && !directory.path().join("elsewhere").exists(), "no link is followed");
        rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("fifo"), Mode::RUSR)
            .expect("a pipe can be made");
        assert!(open(&directory.path().join("fifo")).is_err());
    }

    #[test]
    fn who_holds_a_lock_is_known_and_who_waits_for_it_is_not_taken_for_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(".lock");
        let file = open(&path).expect("it can be made");
        assert_eq!(holder(&path), None);
        file.lock().expect("it is free");
        let here = holder(&path).expect("this process holds it");
        assert_eq!(here.pid, std::process::id());
        assert!(here.to_string().starts_with(&format!("process {} (", here.pid)), "{here}");
        let found = path.metadata().expect("it is there");
        let id = format!(
            "{:02x}:{:02x}:{}",
            rustix::fs::major(found.dev()),
            rustix::fs::minor(found.dev()),
            found.ino()
        );
        let locks = format!(
            "1: POSIX  ADVISORY  WRITE 11 {id} 0 EOF\n2: FLOCK  ADVISORY  WRITE 12 {id}9 0 EOF\n\
             3: -> FLOCK  ADVISORY  WRITE 13 {id} 0 EOF\n4: FLOCK  ADVISORY  READ 14 {id} 0 EOF\n\
             5: FLOCK  ADVISORY  WRITE 15 {id} 0 EOF\n"
        );
        assert_eq!(holder_in(&locks, &found), Some(15));
        assert_eq!(holder_in("", &found), None);
        assert_eq!(
            shown(b"/usr/bin/azlin\0github-\x1b[2Jrunner\0run\0--token=x\0"),
            "/usr/bin/azlin github-[2Jrunner run"
        );
    }
}
