//! The board: each fleet's last tick, for whoever wants to look. It outlives a change of `azlin.toml`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use azlin_fleet::model::PoolName;
use azlin_fleet::report::{BadFileStatus, FleetStatus, History};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Each fleet's last tick, and the state of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Board {
    posted: Arc<watch::Sender<Posted>>,
    history: Arc<Mutex<BTreeMap<PoolName, History>>>,
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
    /// Goes up with everything that is posted.
    stamp: u64,
    /// What it was when a fleet's tick was posted, and when a fleet came or went.
    stamps: BTreeMap<PoolName, u64>,
    fleets_stamp: u64,
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
        self.histories(|histories| histories.entry(status.pool.clone()).or_default().saw(&status));
        self.posted.send_modify(|posted| {
            posted.stamp += 1;
            posted.stamps.insert(status.pool.clone(), posted.stamp);
            if posted.fleets.insert(status.pool.clone(), status).is_none() {
                posted.fleets_stamp = posted.stamp;
            }
        });
    }

    pub(crate) fn remove(&self, fleet: &PoolName) -> Option<FleetStatus> {
        let mut removed = None;
        self.histories(|histories| drop(histories.remove(fleet)));
        self.posted.send_modify(|posted| {
            posted.stamp += 1;
            posted.fleets_stamp = posted.stamp;
            posted.stamps.remove(fleet);
            removed = posted.fleets.remove(fleet);
        });
        removed
    }

    pub(crate) fn configured(&self, bad_files: Vec<BadFileStatus>, read_at: Timestamp) {
        self.posted.send_modify(|posted| {
            posted.stamp += 1;
            (posted.bad_files, posted.read_at) = (bad_files, read_at);
        });
    }

    /// The last hours of a fleet.
    pub(crate) fn history(&self, fleet: &PoolName) -> Option<History> {
        self.histories(|histories| histories.get(fleet).cloned())
    }

    fn histories<T>(&self, take: impl FnOnce(&mut BTreeMap<PoolName, History>) -> T) -> T {
        take(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Posted {
    /// What is known by whoever has taken in all of this.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The fleets whose ticks are not known by whoever has taken in all of an earlier board; and every fleet's
    /// name, if one has come or gone since.
    pub(crate) fn since(mut self, stamp: u64) -> (Posted, Option<Vec<PoolName>>) {
        let names = (self.fleets_stamp > stamp).then(|| self.fleets.keys().cloned().collect());
        self.fleets.retain(|name, _| self.stamps.get(name).is_some_and(|posted| *posted > stamp));
        (self, names)
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
