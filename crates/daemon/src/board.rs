//! The board: each fleet's last tick, for whoever wants to look. It outlives a change of `azlin.toml`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azlin_fleet::names::PoolName;
use azlin_fleet::status::{BadFileStatus, FleetStatus};
use jiff::Timestamp;
use tokio::sync::Notify;

/// Each fleet's last tick, and the state of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    posted: Mutex<Posted>,
    changed: Notify,
}

/// What is on the board.
#[derive(Debug, Clone, Default)]
pub struct Posted {
    /// Each fleet's last tick.
    pub fleets: BTreeMap<PoolName, FleetStatus>,
    /// Files that cannot be used.
    pub bad_files: Vec<BadFileStatus>,
    /// When the configuration was last read.
    pub read_at: Timestamp,
}

impl Board {
    /// All of it.
    pub fn read(&self) -> Posted {
        self.posted().clone()
    }

    /// Waits until something is posted; what was posted before anybody waited counts too.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    pub(crate) fn post(&self, status: FleetStatus) {
        self.posted().fleets.insert(status.pool.clone(), status);
        self.0.changed.notify_one();
    }

    pub(crate) fn remove(&self, fleet: &PoolName) -> Option<FleetStatus> {
        let removed = self.posted().fleets.remove(fleet);
        self.0.changed.notify_one();
        removed
    }

    pub(crate) fn configured(&self, bad_files: Vec<BadFileStatus>, read_at: Timestamp) {
        let mut posted = self.posted();
        (posted.bad_files, posted.read_at) = (bad_files, read_at);
        drop(posted);
        self.0.changed.notify_one();
    }

    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.0.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
