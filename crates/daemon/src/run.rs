//! The daemon: one loop for each fleet, until it is told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::names::PoolName;
use azlin_fleet::seeded_bug;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::act::Lifecycle;
use crate::board::Board;
use crate::expiry::Expiry;
use crate::fleet_loop::{FleetLoop, Shared};
use crate::fleet_set::{Fleets, Reader};
use crate::hints::Hinter;
use crate::observe::Observer;
use crate::outside::Outside;
use crate::pace::Pace;
use crate::places::Book;
use crate::pulse::Pulse;
use crate::state::StateDir;
use crate::sweep::sweep;

/// What failed in a tick, by fleet.
pub type Failures = BTreeMap<PoolName, Vec<String>>;

/// The daemon with its configuration, ready to run.
pub struct Daemon {
    pub(crate) shared: Arc<Shared>,
}

impl Daemon {
    /// A daemon for these fleets, which posts what it sees on the board. It stops when `stop` is
    /// cancelled.
    pub fn new(
        config: &DaemonConfig,
        fleets: Vec<Fleet>,
        outside: Outside,
        state: StateDir,
        board: Board,
        stop: CancellationToken,
    ) -> Self {
        let limit = config.max_concurrent_provisioning as usize;
        let limit = seeded_bug!(NoLimit, limit, 1000);
        let (fleets, epoch) = (Fleets::new(fleets), Instant::now());
        let places = Arc::new(Book::default());
        let shared = Arc::new(Shared {
            observer: Observer::of(outside.clone(), fleets.clone(), Arc::clone(&places), config.poll_queue),
            lifecycle: Lifecycle::new(outside.clone(), Arc::clone(&places), stop.clone()),
            places,
            pace: Pace::default(),
            expiry: Expiry::default(),
            provisioning: Arc::new(Semaphore::new(limit)),
            provisioning_limit: limit,
            hinter: Hinter::new(fleets.clone(), epoch),
            fleets,
            board,
            prices: config.prices.clone(),
            poll_queue: config.poll_queue,
            poll_health: config.poll_health,
            epoch,
            pulse: Pulse::default(),
            outside,
            state,
            stop,
        });
        Daemon { shared }
    }

    /// Says which fleets there are, while it runs.
    pub fn fleets(&self) -> Fleets {
        self.shared.fleets.clone()
    }

    /// Tells its fleets of hints.
    pub fn hinter(&self) -> Hinter {
        self.shared.hinter.clone()
    }

    /// Says whether its loops live.
    pub fn pulse(&self) -> Pulse {
        self.shared.pulse.clone()
    }

    /// Runs every fleet's loop until the daemon is told to stop; then what is under way ends.
    pub async fn run(self) {
        let shared = self.shared;
        let mut configured = shared.fleets.reader();
        let mut known = BTreeSet::new();
        let mut loops = JoinSet::new();
        // It ends with this function: what it asks Azure for may be cut short at any moment.
        let mut sweeper = JoinSet::new();
        sweeper.spawn(sweep(Arc::clone(&shared)));
        loop {
            let fleets = Arc::clone(configured.latest());
            for name in fleets.names() {
                // A loop whose fleet is taken away waits for it to come back, so there is one for each.
                if known.insert(name.clone()) {
                    loops.spawn(watch(name.clone(), Arc::clone(&shared)));
                }
            }
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = configured.changed() => {}
            }
        }
        sweeper.shutdown().await;
        while loops.join_next().await.is_some() {}
    }
}

/// Runs a fleet's loop. A panic in it is a bug; it costs this fleet a poll, and the others nothing.
async fn watch(name: PoolName, shared: Arc<Shared>) {
    while let Some((fleet, fleets)) = configured(&name, &shared).await {
        // A set, and not a bare task: it ends with whoever waits for it.
        let mut one = JoinSet::new();
        let own = Arc::clone(&shared);
        one.spawn(async move { FleetLoop::new(fleet, fleets, own).run().await });
        let Some(Err(error)) = one.join_next().await else { return };
        error!(fleet = %name, reason = %error, "{name}: the fleet's loop panicked and starts again; please report this: {error}");
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(shared.poll_queue) => {}
        }
    }
}

/// The fleet, once it is configured, and who read it; `None` when the daemon stops
/// first.
async fn configured(name: &PoolName, shared: &Shared) -> Option<(Arc<Fleet>, Reader)> {
    let mut fleets = shared.fleets.reader();
    loop {
        let fleet = fleets.latest().get(name).cloned();
        if let Some(fleet) = fleet {
            return Some((fleet, fleets));
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return None,
            () = fleets.changed() => {}
        }
    }
}

/// One tick of every fleet, and all that it began.
pub async fn run_once(daemon: Daemon) -> Failures {
    let fleets = daemon.shared.fleets.now();
    let ticks = fleets.names().filter_map(|name| fleets.get(name)).map(|fleet| {
        let (fleet, shared) = (Arc::clone(fleet), Arc::clone(&daemon.shared));
        let configured = shared.fleets.reader();
        async move { (fleet.name.clone(), FleetLoop::new(fleet, configured, shared).run_once().await) }
    });
    let failures = futures::future::join_all(ticks).await;
    failures.into_iter().filter(|(_, failed)| !failed.is_empty()).collect()
}
