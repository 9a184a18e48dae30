//! One daemon for each configuration directory, and whether one runs: by a lock that ends with the process, however that
//! ends. The locked file is in the daemon's runtime directory, for its owner and root alone, and named by the path of the
//! configuration: a file that others can open, they can lock, and keep the daemon from starting.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

use crate::lock_file::{self, LockHolder};

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
    /// The file system has no locks, or the directory cannot be found.
    Unknown,
}

impl Presence {
    /// Checks for a running daemon. Holds no lock afterwards.
    pub fn of(config_dir: &Path, runtime_dir: Option<&Path>) -> Presence {
        let Ok(place) = LockPlace::of(config_dir) else { return Presence::Unknown };
        let each = place.files(runtime_dir).into_iter().map(|path| match File::open(&path) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Presence::Absent,
                Err(TryLockError::WouldBlock) => Presence::Running,
                Err(TryLockError::Error(_)) => Presence::Unknown,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Presence::Absent,
            // The file is another user's. Whether it is locked can be seen all the same.
            Err(_) => lock_file::holder(&path).map_or(Presence::Absent, |_| Presence::Running),
        });
        let all: Vec<Presence> = each.collect();
        [Presence::Running, Presence::Unknown]
            .into_iter()
            .find(|one| all.contains(one))
            .unwrap_or(Presence::Absent)
    }
}

/// Why a process cannot be the one daemon of a directory.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The directory cannot be found.
    #[error("{0}")]
    Unreadable(io::Error),
    /// Another process holds the lock.
    #[error("it is locked by {}", holder_in_words(.0.as_ref()))]
    AlreadyRunning(Option<LockHolder>),
}

/// The holder of a lock, who cannot always be seen.
pub fn holder_in_words(holder: Option<&LockHolder>) -> String {
    holder.map_or("another process".to_owned(), ToString::to_string)
}

/// Makes this process the one daemon of a configuration directory, until the process ends.
#[derive(Debug)]
pub struct InstanceLock {
    place: LockPlace,
    runtime_dir: Option<PathBuf>,
    /// The file that is locked; `None` where no runtime directory can be written to.
    opened: Option<(PathBuf, File)>,
}

/// The configuration directory that a lock is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LockPlace {
    /// Its path, with every link followed.
    path: PathBuf,
    /// Its device and inode.
    id: (u64, u64),
}

impl LockPlace {
    fn of(config_dir: &Path) -> io::Result<Self> {
        let path = config_dir.canonicalize()?;
        let found = path.metadata()?;
        Ok(LockPlace { path, id: (found.dev(), found.ino()) })
    }

    /// Where the lock may be, the likelier files first. A daemon that was given another runtime directory is seen where a
    /// service or root's has its lock.
    fn files(&self, runtime_dir: Option<&Path>) -> Vec<PathBuf> {
        let hash = digest(&SHA256, self.path.as_os_str().as_encoded_bytes());
        let hash: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let usual = crate::runtime_dirs(None);
        let named = runtime_dir.map(Path::to_owned).filter(|named| !usual.contains(named));
        named
            .into_iter()
            .chain(usual)
            .map(|directory| directory.join(format!("daemon-{hash}.lock")))
            .collect()
    }
}

impl InstanceLock {
    /// Waits a moment for the lock: a process that asks whether a daemon runs holds it, too.
    ///
    /// # Errors
    /// When the directory cannot be found, or another process holds the lock.
    pub async fn acquire(config_dir: &Path, runtime_dir: Option<&Path>) -> Result<Self, LockError> {
        let (unlocked, start) = (InstanceLock::open(config_dir, runtime_dir)?, Instant::now());
        loop {
            match unlocked.try_lock() {
                Err(LockError::AlreadyRunning(_)) if start.elapsed() < PATIENCE => {
                    tokio::time::sleep(RETRY).await;
                }
                ended => return ended.map(|()| unlocked),
            }
        }
    }

    /// As `acquire`, without a wait.
    pub(crate) fn acquire_now(config_dir: &Path, runtime_dir: Option<&Path>) -> Result<Self, LockError> {
        let unlocked = InstanceLock::open(config_dir, runtime_dir)?;
        unlocked.try_lock().map(|()| unlocked)
    }

    fn open(config_dir: &Path, runtime_dir: Option<&Path>) -> Result<Self, LockError> {
        let place = LockPlace::of(config_dir).map_err(LockError::Unreadable)?;
        let opened = place.files(runtime_dir).into_iter().find_map(|path| {
            let directory = path.parent().unwrap_or(Path::new("/"));
            let file = std::fs::create_dir_all(directory).and_then(|()| lock_file::open(&path)).ok()?;
            Some((path, file))
        });
        if opened.is_none() {
            tracing::warn!(
                "no runtime directory can be written to, so nothing keeps a second daemon from these fleets; --runtime-dir names one"
            );
        }
        Ok(InstanceLock { place, runtime_dir: runtime_dir.map(Path::to_owned), opened })
    }

    fn try_lock(&self) -> Result<(), LockError> {
        // Another daemon may have been given another runtime directory.
        for path in self.place.files(self.runtime_dir.as_deref()) {
            if let Some(holder) = lock_file::holder(&path).filter(|holder| holder.pid != std::process::id()) {
                return Err(LockError::AlreadyRunning(Some(holder)));
            }
        }
        match self.opened.as_ref().map(|(_, file)| file.try_lock()) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(TryLockError::WouldBlock)) => Err(LockError::AlreadyRunning(None)),
            Some(Err(TryLockError::Error(error))) => {
                tracing::debug!(reason = %error, "the daemon's own file cannot be locked: {error}");
                Ok(())
            }
        }
    }

    /// Whether the directory at this path is the locked one; another one may have taken its place.
    pub(crate) fn is_on(&self, config_dir: &Path) -> bool {
        // A directory that is missing for a moment is not another one.
        LockPlace::of(config_dir).map_or(true, |there| there == self.place)
    }

    /// Makes this process the one daemon of the directory that has taken the place of the locked one.
    pub(crate) fn follow(&mut self, config_dir: &Path) -> Result<(), LockError> {
        let there = LockPlace::of(config_dir).map_err(LockError::Unreadable)?;
        if there.path == self.place.path {
            self.place = there;
        } else {
            *self = InstanceLock::acquire_now(config_dir, self.runtime_dir.clone().as_deref())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_there_while_it_holds_its_lock_and_what_others_can_open_means_nothing() {
        let (config, run) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (config, run) = (config.path(), run.path());
        let presence = |config: &Path| Presence::of(config, Some(run));
        assert_eq!(presence(config), Presence::Absent);
        let other = File::open(config).expect("it is there");
        other.try_lock().expect("a local user can lock what he can read");
        assert_eq!(presence(config), Presence::Absent);
        let daemon = InstanceLock::acquire_now(config, Some(run)).expect("nobody else has it");
        assert_eq!(presence(config), Presence::Running);
        assert!(matches!(InstanceLock::acquire_now(config, Some(run)), Err(LockError::AlreadyRunning(_))));
        let (path, _) = daemon.opened.as_ref().expect("the directory can be written to");
        assert!(path.starts_with(run));
        let link = run.join("link");
        std::os::unix::fs::symlink(config, &link).expect("a link can be made");
        assert_eq!(presence(&link), Presence::Running, "by another name");
        drop(daemon);
        assert_eq!(presence(config), Presence::Absent, "asking leaves no lock behind");
        assert_eq!(presence(&config.join("missing")), Presence::Unknown);
    }
}
