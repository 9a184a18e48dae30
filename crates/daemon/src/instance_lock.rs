//! One daemon for each configuration directory, and whether one runs: by a lock on the directory, which
//! ends with the process, however that ends.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a start waits for a process that only asks whether a daemon runs.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(20);

/// Whether a daemon runs on a configuration directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A daemon runs.
    Running,
    /// No daemon runs.
    Absent,
    /// The file system has no locks, or the directory cannot be opened.
    Unknown,
}

impl Presence {
    /// Checks for a running daemon. Holds no lock afterwards.
    pub fn of(config_dir: &Path) -> Presence {
        let Ok(directory) = File::open(config_dir) else { return Presence::Unknown };
        match directory.try_lock_shared() {
            Ok(()) => Presence::Absent,
            Err(TryLockError::WouldBlock) => Presence::Running,
            Err(TryLockError::Error(_)) => Presence::Unknown,
        }
    }
}

/// Why a process cannot be the one daemon of a directory.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The directory cannot be opened.
    #[error("{0}")]
    Unreadable(io::Error),
    /// Another process holds the lock.
    #[error("it is locked by another process")]
    AlreadyRunning,
}

/// Makes this process the one daemon of a configuration directory, until the process ends.
#[derive(Debug)]
pub struct InstanceLock(File);

impl InstanceLock {
    /// Waits a moment for the lock: a process that asks whether a daemon runs holds it, too.
    ///
    /// # Errors
    /// When the directory cannot be opened, or another process holds the lock.
    pub async fn acquire(config_dir: &Path) -> Result<Self, LockError> {
        let directory = File::open(config_dir).map_err(LockError::Unreadable)?;
        let start = Instant::now();
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(InstanceLock(directory)),
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                    tokio::time::sleep(RETRY).await;
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::AlreadyRunning),
                Err(TryLockError::Error(error)) => {
                    // Some network file systems have no locks; the listener's port still keeps two apart.
                    tracing::debug!(reason = %error, "the configuration cannot be locked: {error}");
                    return Ok(InstanceLock(directory));
                }
            }
        }
    }

    /// Locks a directory that took the place of another one.
    pub(crate) fn acquire_now(config_dir: &Path) -> Result<Self, LockError> {
        let directory = File::open(config_dir).map_err(LockError::Unreadable)?;
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => Err(LockError::AlreadyRunning),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(InstanceLock(directory)),
        }
    }

    /// Whether the directory at this path is the locked one; another one may have taken its place.
    pub(crate) fn is_on(&self, config_dir: &Path) -> bool {
        let which = |found: io::Result<Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
        let there = which(std::fs::metadata(config_dir));
        // A directory that is missing for a moment is not another one.
        there.is_none() || there == which(self.0.metadata())
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
        assert_eq!(Presence::of(directory.path()), Presence::Absent, "asking leaves no lock behind");
        assert_eq!(Presence::of(&directory.path().join("missing")), Presence::Unknown);
    }
}
