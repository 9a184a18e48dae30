//! The daemon: one loop for each fleet, until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::names::PoolName;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::act::Lifecycle;
use crate::fleet_loop::{FleetLoop, Shared};
use crate::observe::Observer;
use crate::outside::Outside;
use crate::report::Board;
use crate::state::StateDir;

/// What failed in a tick, by fleet.
pub type Failures = BTreeMap<PoolName, Vec<String>>;

/// The daemon with its configuration, ready to run.
pub struct Daemon {
    shared: Arc<Shared>,
    fleets: Vec<Fleet>,
}

impl Daemon {
    /// A daemon for these fleets. It stops when `stop` is cancelled.
    pub fn new(
        config: &DaemonConfig,
        fleets: Vec<Fleet>,
        outside: Outside,
        state: StateDir,
        stop: CancellationToken,
    ) -> Self {
        let limit = config.max_concurrent_provisioning as usize;
        let shared = Arc::new(Shared {
            observer: Observer::new(outside.clone(), &fleets, config.poll_queue),
            lifecycle: Lifecycle::new(outside.clone(), stop.clone()),
            provisioning: Arc::new(Semaphore::new(limit)),
            provisioning_of_one: if fleets.len() > 1 { most_of_one(limit) } else { limit },
            board: Board::default(),
            poll_queue: config.poll_queue,
            poll_health: config.poll_health,
            epoch: Instant::now(),
            outside,
            state,
            stop,
        });
        Daemon { shared, fleets }
    }

    /// Each fleet's last tick.
    pub fn board(&self) -> Board {
        self.shared.board.clone()
    }

    /// Runs every fleet's loop until the daemon is told to stop; then what is under way ends.
    pub async fn run(self) {
        let count = self.fleets.len();
        info!(fleets = count, "watching");
        let mut loops = JoinSet::new();
        for fleet in self.fleets {
            loops.spawn(watch(fleet, Arc::clone(&self.shared)));
        }
        // With no fleet there is nothing to do but to wait for the end.
        self.shared.stop.cancelled().await;
        while loops.join_next().await.is_some() {}
        info!("stopped; runners are left as they are");
    }
}

/// How many provisioning operations one of several fleets may hold: a quarter, and at least one, is
/// left to the others.
fn most_of_one(limit: usize) -> usize {
    (limit - (limit / 4).max(1)).max(1)
}

/// Runs a fleet's loop. A panic in it is a bug; it costs this fleet a poll, and the others nothing.
async fn watch(fleet: Fleet, shared: Arc<Shared>) {
    loop {
        // A set, and not a bare task: it ends with whoever waits for it.
        let mut one = JoinSet::new();
        one.spawn(FleetLoop::new(fleet.clone(), Arc::clone(&shared)).run());
        let Some(Err(error)) = one.join_next().await else { return };
        error!(fleet = %fleet.name, reason = %error, "the fleet's loop panicked and starts again; please report this");
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(shared.poll_queue) => {}
        }
    }
}

/// One tick of every fleet, and all that it began.
pub async fn run_once(daemon: Daemon) -> Failures {
    let ticks = daemon.fleets.into_iter().map(|fleet| {
        let shared = Arc::clone(&daemon.shared);
        async move { (fleet.name.clone(), FleetLoop::new(fleet, shared).run_once().await) }
    });
    let failures = futures::future::join_all(ticks).await;
    failures.into_iter().filter(|(_, failed)| !failed.is_empty()).collect()
}
