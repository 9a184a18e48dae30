//! The daemon: one loop for each fleet, until it is stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::model::PoolName;
use azlin_fleet::report::DaemonStatus;
use azlin_fleet::seeded_bug;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::act::RunnerLifecycle;
use crate::capacity_cache::CapacityCache;
use crate::context::DaemonContext;
use crate::first_looks::FirstLooks;
use crate::fleet_loop::{FleetLoop, LoopContext, PollSchedule, ProvisioningLimit};
use crate::fleet_set::{Fleets, FleetsReader};
use crate::forgotten::follow_forgotten;
use crate::http::{Doors, Health, Listener, StatusPage};
use crate::liveness::Liveness;
use crate::observe::Observer;
use crate::orphan_collector::{LeftBehind, collect_orphans};
use crate::pace::Pace;
use crate::questions::Desk;
use crate::scale_set::follow_scale_set;
use crate::size_facts::follow_sizes;
use crate::state::StateDir;
use crate::status_store::StatusStore;
use crate::token_expiry::TokenExpiry;
use crate::triggers::TriggerRouter;

/// What failed in a tick, by fleet.
pub type TickFailures = BTreeMap<PoolName, Vec<String>>;

/// The daemon with its configuration, ready to run.
pub struct Daemon {
    pub(crate) shared: Arc<LoopContext>,
}

impl Daemon {
    /// A daemon for these fleets, which publishes their status in the store. It stops when `stop` is
    /// cancelled.
    pub fn new(
        config: &DaemonConfig,
        fleets: Vec<Fleet>,
        context: DaemonContext,
        state: StateDir,
        status_store: StatusStore,
        stop: CancellationToken,
    ) -> Self {
        let limit = config.max_concurrent_provisioning as usize;
        let limit = seeded_bug!(NoLimit, limit, 1000);
        let (fleets, epoch) = (Fleets::new(fleets), Instant::now());
        let capacity = Arc::new(CapacityCache::default());
        let shared = Arc::new(LoopContext {
            observer: Observer::of(context.clone(), fleets.clone(), Arc::clone(&capacity), config.poll_queue),
            lifecycle: RunnerLifecycle::new(context.clone(), Arc::clone(&capacity), stop.clone()),
            capacity,
            left_behind: LeftBehind::default(),
            pace: Pace::default(),
            first_looks: FirstLooks::new(fleets.now().names()),
            token_expiry: TokenExpiry::default(),
            provisioning: ProvisioningLimit::new(limit),
            trigger_router: TriggerRouter::new(fleets.clone(), epoch),
            fleets,
            status_store,
            presentation: config.into(),
            schedule: PollSchedule { epoch, queue: config.poll_queue, health: config.poll_health },
            liveness: Liveness::default(),
            context,
            state,
            stop,
        });
        Daemon { shared }
    }

    /// Its fleets. They can be replaced while it runs.
    pub fn fleets(&self) -> Fleets {
        self.shared.fleets.clone()
    }

    /// Wakes its fleets after webhooks.
    pub fn trigger_router(&self) -> TriggerRouter {
        self.shared.trigger_router.clone()
    }

    /// Checks whether its loops are alive.
    pub(crate) fn liveness(&self) -> Liveness {
        self.shared.liveness.clone()
    }

    /// The first looks of its fleets.
    pub(crate) fn first_looks(&self) -> FirstLooks {
        self.shared.first_looks.clone()
    }

    /// Stops it when it is cancelled.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.shared.stop.clone()
    }

    /// What operators see of the daemon under an address or one of these names. A fleet whose last tick is
    /// older than `patience` counts as stuck.
    pub fn operators_listener(
        &self,
        this_daemon: DaemonStatus,
        patience: Duration,
        hosts: Vec<String>,
        desk: Option<Desk>,
    ) -> Listener {
        let (status_store, context) = (self.shared.status_store.clone(), self.shared.context.clone());
        let doors = Doors::new(status_store.metrics().clone());
        let page =
            StatusPage { status_store: status_store.clone(), context: context.clone(), daemon: this_daemon };
        let (fleets, stop, first_looks) = (self.fleets(), self.stop(), self.shared.first_looks.clone());
        let health = Health { status_store, context, fleets, first_looks, patience, stop };
        Listener::for_operators(page, health, hosts, doors, desk)
    }

    /// Runs one tick of every fleet, and every operation that began in it.
    pub(crate) async fn run_once(self) -> TickFailures {
        let fleets = self.shared.fleets.now();
        let ticks = fleets.names().filter_map(|name| fleets.get(name)).map(|fleet| {
            let (fleet, shared) = (Arc::clone(fleet), Arc::clone(&self.shared));
            let configured = shared.fleets.reader();
            async move { (fleet.name.clone(), FleetLoop::new(fleet, configured, shared).run_once().await) }
        });
        let failures = futures::future::join_all(ticks).await;
        failures.into_iter().filter(|(_, failed)| !failed.is_empty()).collect()
    }

    /// Runs every fleet's loop until the daemon is stopped; then running operations end.
    pub async fn run(self) {
        let shared = self.shared;
        let mut configured = shared.fleets.reader();
        let mut known = BTreeSet::new();
        let (mut loops, mut sessions) = (JoinSet::new(), JoinSet::new());
        // The task ends with this function. Its requests to Azure may be cut off at any moment.
        let mut collector = JoinSet::new();
        collector.spawn(collect_orphans(Arc::clone(&shared)));
        collector.spawn(follow_sizes(Arc::clone(&shared)));
        collector.spawn(follow_forgotten(Arc::clone(&shared)));
        loop {
            let fleets = Arc::clone(configured.latest());
            for name in fleets.names() {
                // The loop of a removed fleet waits for the fleet to come back, so a second loop never
                // starts.
                if known.insert(name.clone()) {
                    loops.spawn(watch(name.clone(), Arc::clone(&shared)));
                    sessions.spawn(follow_scale_set(name.clone(), Arc::clone(&shared)));
                }
            }
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = configured.changed() => {}
            }
        }
        collector.shutdown().await;
        while sessions.join_next().await.is_some() {}
        while loops.join_next().await.is_some() {}
    }
}

/// Runs a fleet's loop. A panic in it is a bug; it costs this fleet a poll, and the others nothing.
async fn watch(name: PoolName, shared: Arc<LoopContext>) {
    while let Some((fleet, fleets)) = configured(&name, &shared).await {
        // A set, not a bare task, so that it ends with its parent.
        let mut one = JoinSet::new();
        let own = Arc::clone(&shared);
        one.spawn(async move { FleetLoop::new(fleet, fleets, own).run().await });
        let Some(Err(error)) = one.join_next().await else { return };
        error!(fleet = %name, reason = %error, "{name}: the fleet's loop panicked and starts again; please report this: {error}");
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(shared.schedule.queue) => {}
        }
    }
}

/// The fleet and its reader, once it is configured; `None` when the daemon stops first.
async fn configured(name: &PoolName, shared: &LoopContext) -> Option<(Arc<Fleet>, FleetsReader)> {
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
