//! What the loops of all fleets share.

use std::sync::Arc;

use azlin_fleet::model::PoolName;
use azlin_fleet::report::Presentation;
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::act::RunnerLifecycle;
use crate::capacity_cache::CapacityCache;
use crate::context::DaemonContext;
use crate::first_looks::FirstLooks;
use crate::fleet_set::Fleets;
use crate::liveness::Liveness;
use crate::observe::Observer;
use crate::orphan_collector::LeftBehind;
use crate::pace::Pace;
use crate::state::StateDir;
use crate::status_store::StatusStore;
use crate::token_expiry::TokenExpiry;
use crate::triggers::TriggerRouter;

/// What the loops of all fleets share.
pub(crate) struct LoopContext {
    pub(crate) context: DaemonContext,
    pub(crate) fleets: Fleets,
    pub(crate) observer: Observer,
    pub(crate) lifecycle: RunnerLifecycle,
    pub(crate) capacity: Arc<CapacityCache>,
    pub(crate) left_behind: LeftBehind,
    pub(crate) pace: Pace,
    pub(crate) first_looks: FirstLooks,
    pub(crate) token_expiry: TokenExpiry,
    pub(crate) provisioning: ProvisioningLimit,
    pub(crate) status_store: StatusStore,
    pub(crate) state: StateDir,
    pub(crate) presentation: Presentation,
    pub(crate) schedule: PollSchedule,
    pub(crate) liveness: Liveness,
    pub(crate) trigger_router: TriggerRouter,
    pub(crate) stop: CancellationToken,
}

impl LoopContext {
    /// Goes on with the history that an earlier daemon kept of a fleet.
    pub(super) fn recall_history(&self, fleet: &PoolName) {
        self.status_store.recall(fleet, || self.state.load_history(fleet).within_bounds(self.context.now()));
    }
}

/// How many provisioning operations may be under way, over all fleets.
pub(crate) struct ProvisioningLimit {
    pub(crate) limit: usize,
    pub(crate) permits: Semaphore,
}

impl ProvisioningLimit {
    pub(crate) fn new(limit: usize) -> Self {
        ProvisioningLimit { limit, permits: Semaphore::new(limit) }
    }
}

/// When all loops poll. All use one grid, so that one loop's read serves the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollSchedule {
    /// Where the grid begins. The clock of triggers starts here too.
    pub(crate) epoch: Instant,
    /// The time between two polls of the queue.
    pub(crate) queue: Duration,
    /// The time between two polls that read power states too.
    pub(crate) health: Duration,
}

impl PollSchedule {
    /// A timer on the grid.
    pub(super) fn timer(&self, period: Duration) -> Interval {
        let mut timer = interval_at(self.epoch, period);
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        timer
    }

    /// How long from now until the next poll of the queue, if it is not due at this moment.
    pub(super) fn until_queue(&self) -> Duration {
        next_on_grid(self.epoch, self.queue)
    }

    /// How long from now until the next poll that reads power states too, if it is not due at this moment.
    pub(super) fn until_health(&self) -> Duration {
        next_on_grid(self.epoch, self.health)
    }

    /// How long from now until the next poll of either kind.
    pub(super) fn until_next(&self) -> Duration {
        self.until_queue().min(self.until_health())
    }
}

/// How long from now until the next multiple of the period since the epoch.
pub(super) fn next_on_grid(epoch: Instant, period: Duration) -> Duration {
    let since = epoch.elapsed();
    let periods = u32::try_from(since.as_nanos() / period.as_nanos().max(1)).unwrap_or(u32::MAX - 1);
    (period * (periods + 1)).saturating_sub(since)
}
