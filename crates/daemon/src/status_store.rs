//! The status store: each fleet's last tick, for all readers. It outlives a change of `azlin.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::ForgottenFleet;
use azlin_fleet::model::{FailedStart, PoolName};
use azlin_fleet::report::{BadFileStatus, DaemonError, DaemonErrorKind, FleetStatus, History, Recent};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Each fleet's last tick, and the state of the configuration.
#[derive(Debug, Clone, Default)]
pub struct StatusStore {
    view: Arc<watch::Sender<StatusView>>,
    history: Arc<Mutex<BTreeMap<PoolName, History>>>,
    metrics: Metrics,
}

/// The content of the status store.
#[derive(Debug, Clone, Default)]
pub struct StatusView {
    /// Each fleet's last tick.
    pub fleets: BTreeMap<PoolName, Arc<FleetStatus>>,
    /// Files that cannot be used.
    pub bad_files: Vec<BadFileStatus>,
    /// Errors of the daemon itself.
    pub errors: Vec<DaemonError>,
    /// Fleets whose file is gone, and whose VMs are there.
    pub forgotten: Vec<ForgottenFleet>,
    /// When the configuration was last read.
    pub read_at: Timestamp,
    /// Rises with each change.
    revision: u64,
    /// The revision of each fleet's last tick, and of the last change of the set of fleets.
    revisions: BTreeMap<PoolName, u64>,
    fleets_revision: u64,
}

/// Follows the changes of the status store.
pub(crate) struct StatusReader(watch::Receiver<StatusView>);

impl StatusStore {
    /// The current content.
    pub fn read(&self) -> StatusView {
        self.view.borrow().clone()
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn reader(&self) -> StatusReader {
        let mut reader = self.view.subscribe();
        reader.mark_changed();
        StatusReader(reader)
    }

    pub(crate) fn publish(&self, mut status: FleetStatus) {
        status.recent = self.histories(|histories| {
            let history = histories.entry(status.pool.clone()).or_default();
            history.saw(&status);
            Some(history.recent.status(status.at))
        });
        self.view.send_modify(|view| {
            view.revision += 1;
            view.revisions.insert(status.pool.clone(), view.revision);
            if view.fleets.insert(status.pool.clone(), Arc::new(status)).is_none() {
                view.fleets_revision = view.revision;
            }
        });
    }

    pub(crate) fn remove(&self, fleet: &PoolName) {
        self.histories(|histories| drop(histories.remove(fleet)));
        self.view.send_modify(|view| {
            view.revision += 1;
            view.fleets_revision = view.revision;
            view.revisions.remove(fleet);
            view.fleets.remove(fleet);
        });
    }

    pub(crate) fn configured(&self, bad_files: Vec<BadFileStatus>, read_at: Timestamp) {
        self.view.send_modify(|view| {
            view.revision += 1;
            (view.bad_files, view.read_at) = (bad_files, read_at);
        });
    }

    /// An error of the daemon begins.
    pub(crate) fn begins(&self, error: DaemonError) {
        self.view.send_modify(|view| {
            view.revision += 1;
            view.errors.push(error);
            view.errors.sort_by(|a, b| (a.about, &a.of).cmp(&(b.about, &b.of)));
        });
    }

    /// An error of the daemon has ended.
    pub(crate) fn ends(&self, about: DaemonErrorKind, of: &str) {
        self.view.send_modify(|view| {
            view.revision += 1;
            view.errors.retain(|error| error.about != about || error.of != of);
        });
    }

    /// The fleets that are forgotten, each an error of the daemon.
    pub(crate) fn forgotten(&self, found: Vec<ForgottenFleet>) {
        self.view.send_if_modified(|view| {
            let is_new = view.forgotten != found;
            if is_new {
                view.revision += 1;
                view.errors.retain(|error| error.about != DaemonErrorKind::Forgotten);
                view.errors.extend(found.iter().map(DaemonError::from));
                view.errors.sort_by(|a, b| (a.about, &a.of).cmp(&(b.about, &b.of)));
                view.forgotten = found;
            }
            is_new
        });
    }

    /// A runner of a fleet has begun a job that waited so long.
    pub(crate) fn waited(&self, fleet: &PoolName, waited: Duration, now: Timestamp) {
        self.metrics.waited(fleet, waited);
        self.recent(fleet, |recent| recent.begun(waited, now));
    }

    /// A start of a fleet has failed.
    pub(crate) fn start_failed(&self, fleet: &PoolName, why: FailedStart, now: Timestamp) {
        self.recent(fleet, |recent| recent.start_failed(why, now));
    }

    /// Of a fleet that has no history, as one whose file is gone, nothing is counted.
    fn recent(&self, fleet: &PoolName, count: impl FnOnce(&mut Recent)) {
        self.histories(|histories| {
            if let Some(history) = histories.get_mut(fleet) {
                count(&mut history.recent);
            }
        });
    }

    /// Takes in what was kept of a fleet's history, unless the fleet has one.
    pub(crate) fn recall(&self, fleet: &PoolName, kept: impl FnOnce() -> History) {
        self.histories(|histories| {
            histories.entry(fleet.clone()).or_insert_with(kept);
        });
    }

    /// The history of a fleet.
    pub(crate) fn history(&self, fleet: &PoolName) -> Option<History> {
        self.histories(|histories| histories.get(fleet).cloned())
    }

    fn histories<T>(&self, take: impl FnOnce(&mut BTreeMap<PoolName, History>) -> T) -> T {
        take(&mut self.history.lock())
    }
}

impl StatusView {
    /// The revision of this content.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The content with only the fleets that ticked after a revision; and the names of all fleets, if one was
    /// added or removed since.
    pub(crate) fn since(mut self, revision: u64) -> (StatusView, Option<Vec<PoolName>>) {
        let names = (self.fleets_revision > revision).then(|| self.fleets.keys().cloned().collect());
        self.fleets.retain(|name, _| self.revisions.get(name).is_some_and(|ticked| *ticked > revision));
        (self, names)
    }
}

impl StatusReader {
    /// The current content: at once the first time, then after each change.
    pub(crate) async fn next(&mut self) -> StatusView {
        if self.0.changed().await.is_err() {
            // The store is gone, so nothing will change.
            std::future::pending::<()>().await;
        }
        self.0.borrow_and_update().clone()
    }
}
