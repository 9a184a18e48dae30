//! One daemon for each configuration directory, and whether there is one: by a lock on the directory,
//! which ends with the process, however it ends.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a start waits for whoever only looks whether a daemon runs.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether a daemon runs on a configuration directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// One does.
    Running,
    /// None does.
    Absent,
    /// The file system knows no locks, or the directory cannot be opened.
    Unknown,
}

impl Presence {
    /// Looks, and holds nothing afterwards.
    pub fn of(config_dir: &Path) -> Presence {
        let Ok(directory) = File::open(config_dir) else { return Presence::Unknown };
        match directory.try_lock_shared() {
            Ok(()) => Presence::Absent,
            Err(TryLockError::WouldBlock) => Presence::Running,
            Err(TryLockError::Error(_)) => Presence::Unknown,
        }
    }
}

/// Why a process may not be the one daemon of a directory.
#[derive(Debug, thiserror::Error)]
pub enum NotAlone {
    /// The directory cannot be opened.
    #[error("{0}")]
    Unreadable(io::Error),
    /// Another process has it.
    #[error("it is locked by another process")]
    Locked,
}

/// Whether the directory at this path is the one that is held; another one may have taken its place.
pub(crate) fn is_held(config_dir: &Path, held: &File) -> bool {
    let which = |found: io::Result<Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
    let there = which(std::fs::metadata(config_dir));
    // One that is gone for a moment is no other one.
    there.is_none() || there == which(held.metadata())
}

/// Becomes the one daemon of a directory that took the place of another one.
pub(crate) fn hold(config_dir: &Path) -> Result<File, NotAlone> {
    let directory = File::open(config_dir).map_err(NotAlone::Unreadable)?;
    match directory.try_lock() {
        Err(TryLockError::WouldBlock) => Err(NotAlone::Locked),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(directory),
    }
}

/// Becomes the one daemon of a configuration directory, as long as what is returned lives.
///
/// # Errors
/// When the directory cannot be opened, or another one has it.
pub async fn alone(config_dir: &Path) -> Result<File, NotAlone> {
    let directory = File::open(config_dir).map_err(NotAlone::Unreadable)?;
    let start = std::time::Instant::now();
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(NotAlone::Locked),
            Err(TryLockError::Error(error)) => {
                // Some network file systems know no locks; the listener's port still keeps two apart.
                tracing::debug!(reason = %error, "the configuration cannot be locked: {error}");
                return Ok(directory);
            }
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
