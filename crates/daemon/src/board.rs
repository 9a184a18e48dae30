//! The board: each fleet's last tick, for whoever wants to look. It outlives a change of `azlin.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::names::PoolName;
use azlin_fleet::status::{BadFileStatus, FleetStatus};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Each fleet's last tick, and the state of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Board {
    posted: Arc<watch::Sender<Posted>>,
    metrics: Metrics,
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

/// Looks at the board again and again.
pub(crate) struct Reader(watch::Receiver<Posted>);

impl Board {
    /// All of it.
    pub fn read(&self) -> Posted {
        self.posted.borrow().clone()
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn reader(&self) -> Reader {
        let mut reader = self.posted.subscribe();
        reader.mark_changed();
        Reader(reader)
    }

    pub(crate) fn post(&self, status: FleetStatus) {
        self.posted.send_modify(|posted| drop(posted.fleets.insert(status.pool.clone(), status)));
    }

    pub(crate) fn remove(&self, fleet: &PoolName) -> Option<FleetStatus> {
        let mut removed = None;
        self.posted.send_modify(|posted| removed = posted.fleets.remove(fleet));
        removed
    }

    pub(crate) fn configured(&self, bad_files: Vec<BadFileStatus>, read_at: Timestamp) {
        self.posted.send_modify(|posted| (posted.bad_files, posted.read_at) = (bad_files, read_at));
    }
}

impl Reader {
    /// What is on the board now, and at once the first time; then each time that something was posted.
    pub(crate) async fn next(&mut self) -> Posted {
        if self.0.changed().await.is_err() {
            // Nobody has the board any more, so nothing will be posted.
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }
}
