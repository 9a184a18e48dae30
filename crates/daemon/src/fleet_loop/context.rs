//! What the loops of all fleets share.

use std::sync::Arc;

use azlin_fleet::prices::Prices;
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::act::Lifecycle;
use crate::board::Board;
use crate::expiry::Expiry;
use crate::fleet_set::Fleets;
use crate::hints::Hinter;
use crate::observe::Observer;
use crate::outside::Outside;
use crate::pace::Pace;
use crate::places::Book;
use crate::pulse::Pulse;
use crate::state::StateDir;

/// What the loops of all fleets share.
pub(crate) struct LoopContext {
    pub(crate) outside: Outside,
    pub(crate) fleets: Fleets,
    pub(crate) observer: Observer,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) places: Arc<Book>,
    pub(crate) pace: Pace,
    pub(crate) expiry: Expiry,
    pub(crate) provisioning: ProvisioningLimit,
    pub(crate) board: Board,
    pub(crate) state: StateDir,
    pub(crate) prices: Prices,
    pub(crate) schedule: PollSchedule,
    pub(crate) pulse: Pulse,
    pub(crate) hinter: Hinter,
    pub(crate) stop: CancellationToken,
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

/// When all loops poll: on one grid, so that what one of them reads serves the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollSchedule {
    /// Where the grid begins, and the clock of triggers too.
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

    /// How long from now until the next poll of either kind.
    pub(super) fn until_next(&self) -> Duration {
        self.until_queue().min(next_on_grid(self.epoch, self.health))
    }
}

/// How long from now until the next multiple of the period since the epoch.
pub(super) fn next_on_grid(epoch: Instant, period: Duration) -> Duration {
    let since = epoch.elapsed();
    let periods = u32::try_from(since.as_nanos() / period.as_nanos().max(1)).unwrap_or(u32::MAX - 1);
    (period * (periods + 1)).saturating_sub(since)
}
