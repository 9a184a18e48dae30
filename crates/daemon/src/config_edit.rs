//! Changing a fleet's file on disk: one writer at a time, and never half a file.
//!
//! - Writers lock `fleets/.lock`, which only they can open; the file is read under that lock, so that no writer undoes
//!   the change of another. The daemon has a lock of its own: the daemon and a writer never wait for each other.
//! - The new text goes to a hidden file beside the old one, which readers ignore, and replaces it in one step
//!   once it is on the disk. A power cut leaves the old file or the new one.
//! - Only a text that makes a good fleet is written.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use azlin_fleet::config::{
    Faulty, Fleet, NamedFiles,
    edit::{KeyChange, edit, new_file},
    name_clash,
};
use azlin_fleet::model::PoolName;

use crate::bounded_file::read_text;
use crate::config_dir;
use crate::instance_lock::holder_in_words;
use crate::lock_file::{self, LockHolder};
use replace::{clear, replace};

mod replace;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do if the fleet has no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfAbsent {
    /// Make one from the documented example.
    Make,
    /// Return an error.
    Refuse,
}

/// Whether a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The file is written.
    Write,
    /// Nothing is written; only the result is worked out.
    DryRun,
}

/// A fleet's file before and after.
#[derive(Debug)]
pub struct Edited {
    /// The file.
    pub path: PathBuf,
    /// Its old text; `None` if there was no file.
    pub before: Option<String>,
    /// Its new text.
    pub after: String,
    /// The fleet that the new text describes.
    pub fleet: Fleet,
    /// Whether the old text describes a fleet that is not enabled.
    pub was_disabled: bool,
}

/// Why a fleet's file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such fleet.
    #[error("there is no pool {pool}")]
    NoSuchPool {
        /// The requested pool.
        pool: PoolName,
        /// The existing pools.
        pools: Vec<PoolName>,
    },
    /// The new text would be bad.
    #[error("{faulty}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Whether the file does not exist yet.
        is_new: bool,
        /// The new text, and what is wrong with it.
        faulty: Faulty,
    },
    /// The name is too similar to that of another pool.
    #[error("{0}; choose another name")]
    Clash(String),
    /// Another writer holds the lock for too long.
    #[error("{} has been locked for {} s by {}: another azlin github-runner enable, disable or scale is at work on it, or was stopped in the middle; end it, or wait, and try again", path.display(), PATIENCE.as_secs(), holder_in_words(holder.as_ref()))]
    Locked {
        /// `fleets/.lock`.
        path: PathBuf,
        /// The other writer.
        holder: Option<LockHolder>,
    },
    /// The system refused.
    #[error("{} cannot be {what}: {error}{}", path.display(), cure(error))]
    Io {
        /// "read", "written" and so on.
        what: &'static str,
        /// The file or directory that it concerns.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run it as the user that owns the configuration, as with sudo",
        io::ErrorKind::NotFound => {
            "; give the configuration directory with --config-dir or AZLIN_CONFIG_DIR, or make it"
        }
        _ => "",
    }
}

/// Changes the keys of a fleet's file in a configuration directory.
///
/// # Errors
/// Why nothing was changed.
pub fn update(
    directory: &Path,
    pool: &PoolName,
    changes: &[KeyChange],
    if_absent: IfAbsent,
    mode: Mode,
) -> Result<Edited, EditError> {
    let fleets = directory.join("fleets");
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |error| EditError::Io { what, path, error }
    };
    std::fs::read_dir(directory).map_err(failed("read", directory))?;
    let pools = config_dir::pools(directory).map_err(failed("read", &fleets))?;
    if if_absent == IfAbsent::Refuse && !pools.contains(pool) {
        return Err(EditError::NoSuchPool { pool: pool.clone(), pools });
    }
    let _alone = match mode {
        Mode::DryRun => None,
        Mode::Write => {
            make(&fleets).map_err(failed("made", &fleets))?;
            Some(lock(&fleets, PATIENCE)?)
        }
    };
    let edited = worked_out(directory, pool, changes, if_absent)?;
    if mode == Mode::Write {
        clear(&edited.path).map_err(failed("written", &edited.path))?;
        if edited.before.as_ref() != Some(&edited.after) {
            replace(&edited.path, &edited.after).map_err(failed("written", &edited.path))?;
        }
    }
    Ok(edited)
}

fn make(fleets: &Path) -> io::Result<()> {
    match std::fs::create_dir(fleets) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The lock of the one writer. It ends with the process, however that ends.
fn lock(fleets: &Path, patience: Duration) -> Result<File, EditError> {
    let path = fleets.join(".lock");
    let failed = |error| EditError::Io { what: "opened", path: path.clone(), error };
    let file = lock_file::open(&path).map_err(failed)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Some network file systems have no locks; writers go on without one there.
            Err(TryLockError::Error(_)) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let holder = lock_file::holder(&path);
                return Err(EditError::Locked { path, holder });
            }
        }
    }
}

fn worked_out(
    directory: &Path,
    pool: &PoolName,
    changes: &[KeyChange],
    if_absent: IfAbsent,
) -> Result<Edited, EditError> {
    let folder = directory.join("fleets");
    let path = folder.join(format!("{pool}.toml"));
    let defaults = config_dir::defaults(directory);
    let read = |error| EditError::Io { what: "read", path: path.clone(), error };
    let before = match read_text(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(read(error)),
    };
    let file = path.display().to_string();
    let named = config_dir::read_named(&folder);
    let files = NamedFiles::Read(&named);
    let made = match &before {
        Some(text) => edit(&file, pool, text, changes, &defaults, files),
        None => {
            let pools = config_dir::pools(directory).map_err(read)?;
            if if_absent == IfAbsent::Refuse {
                return Err(EditError::NoSuchPool { pool: pool.clone(), pools });
            }
            if let Some(other) = name_clash(pool, &pools) {
                return Err(EditError::Clash(config_dir::clash(pool, other)));
            }
            new_file(&file, pool, changes, &defaults, files)
        }
    };
    match made {
        Ok((after, fleet)) => {
            let old =
                before.as_ref().map(|text| Fleet::parse_with(&file, pool.clone(), text, &defaults, files));
            let was_disabled = old.is_some_and(|old| old.is_ok_and(|fleet| !fleet.enabled));
            Ok(Edited { path, before, after, fleet, was_disabled })
        }
        Err(faulty) => Err(EditError::Refused { path, is_new: before.is_none(), faulty }),
    }
}

#[cfg(test)]
mod tests;
