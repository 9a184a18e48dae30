//! Whether a daemon is at work on a configuration directory.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Whether a daemon is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// One is: it holds the directory's lock.
    Running,
    /// None is.
    Absent,
    /// It cannot be told, as where the file system knows no locks.
    Unknown,
}

impl Presence {
    /// Looks whether a daemon has locked this configuration directory. The look itself holds a shared
    /// lock for a moment, which a daemon that starts waits for.
    pub fn of(config_dir: &Path) -> Presence {
        let Ok(directory) = File::open(config_dir) else { return Presence::Unknown };
        match directory.try_lock_shared() {
            Ok(()) => Presence::Absent,
            Err(TryLockError::WouldBlock) => Presence::Running,
            Err(TryLockError::Error(_)) => Presence::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_there_while_it_holds_the_directory() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(Presence::of(directory.path()), Presence::Absent);
        let daemon = File::open(directory.path()).expect("it is there");
        daemon.try_lock().expect("nobody else has it");
        assert_eq!(Presence::of(directory.path()), Presence::Running);
        drop(daemon);
        assert_eq!(Presence::of(directory.path()), Presence::Absent, "a look leaves no lock behind");
        assert_eq!(Presence::of(&directory.path().join("missing")), Presence::Unknown);
    }
}
