//! The state directory: memory that is useful after a restart. Deleting it harms nothing. Without one, the
//! state lives as long as the process.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azlin_fleet::model::PoolName;
use azlin_fleet::report::History;
use azlin_fleet::state::FleetState;
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use crate::bounded_file::{LARGE, SMALL, read_bounded};

/// One small JSON file for each fleet and one with its history, or no files.
#[derive(Debug, Clone, Default)]
pub struct StateDir {
    directory: Option<PathBuf>,
    /// What this process has saved.
    saved: Arc<Mutex<BTreeMap<PoolName, FleetState>>>,
    /// Whether a failed write was reported, so that it is reported once.
    is_told: Arc<AtomicBool>,
}

impl StateDir {
    /// Keeps state in this directory; `None` keeps none.
    pub fn new(directory: Option<PathBuf>) -> Self {
        StateDir { directory, ..StateDir::default() }
    }

    /// Whether state is kept over a restart.
    pub(crate) fn is_kept(&self) -> bool {
        self.directory.is_some()
    }

    /// The state of a fleet. A file that cannot be read counts as none.
    pub(crate) fn load(&self, pool: &PoolName) -> FleetState {
        if let Some(fleet_state) = self.saved().get(pool) {
            return fleet_state.clone();
        }
        let Some(path) = self.path(pool) else { return FleetState::default() };
        match read_bounded(&path, LARGE) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let path = path.display();
                tracing::warn!(fleet = %pool, %path, reason = %error, "{pool}: state file {path} ignored: {error}");
                FleetState::default()
            }),
            Err(_) => FleetState::default(),
        }
    }

    /// What is kept of a fleet's history. A file that cannot be read counts as none, and is replaced.
    pub(crate) fn load_history(&self, pool: &PoolName) -> History {
        let Some(path) = self.history_path(pool) else { return History::default() };
        let read = match read_bounded(&path, SMALL) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return History::default(),
            Err(error) => Err(error.to_string()),
        };
        read.unwrap_or_else(|reason| {
            let path = path.display();
            tracing::warn!(fleet = %pool, %path, %reason, "{pool}: the history in {path} cannot be read, and begins anew: {reason}");
            History::default()
        })
    }

    /// Replaces the file with a fleet's history atomically.
    pub(crate) fn save_history(&self, pool: &PoolName, history: &History) {
        if let Some(path) = self.history_path(pool) {
            self.write(pool, &path, history);
        }
    }

    /// The pools that have a state: in a file, or in this process.
    pub(crate) fn pools(&self) -> BTreeSet<PoolName> {
        let mut pools: BTreeSet<PoolName> = self.saved().keys().cloned().collect();
        let files = self.directory.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
        pools.extend(files.filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_state = path.extension().is_some_and(|extension| extension == "json");
            path.file_stem().filter(|_| is_state)?.to_str()?.parse().ok()
        }));
        pools
    }

    /// Replaces a fleet's file atomically.
    pub(crate) fn save(&self, pool: &PoolName, fleet_state: &FleetState) {
        self.saved().insert(pool.clone(), fleet_state.clone());
        if let Some(path) = self.path(pool) {
            self.write(pool, &path, fleet_state);
        }
    }

    fn write(&self, pool: &PoolName, path: &Path, value: &impl Serialize) {
        let write = || -> std::io::Result<()> {
            let directory = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(directory)?;
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(&serde_json::to_vec(value)?)?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        let path = path.display();
        match write() {
            Err(error) if !self.is_told.swap(true, Ordering::Relaxed) => {
                tracing::warn!(fleet = %pool, %path, reason = %error, "state files cannot be written, as {path}: {error}");
            }
            Ok(()) if self.is_told.swap(false, Ordering::Relaxed) => {
                tracing::info!(fleet = %pool, %path, "state files can be written again, as {path}");
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn saved(&self) -> MutexGuard<'_, BTreeMap<PoolName, FleetState>> {
        self.saved.lock()
    }

    fn path(&self, pool: &PoolName) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(format!("{pool}.json")))
    }

    fn history_path(&self, pool: &PoolName) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join("history").join(format!("{pool}.json")))
    }
}
