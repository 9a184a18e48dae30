//! What a fleet's loop tells: the journal's lines of a tick, and its status on the status store.

use azlin_fleet::plan::{Plan, runners};
use azlin_fleet::snapshot::Snapshot;
use azlin_fleet::status::{FleetStatus, Tick};
use jiff::Timestamp;
use tokio::time::{Duration, Instant};

use super::{FleetLoop, Shared, under_way};
use crate::report;

impl FleetLoop {
    /// Says what was decided, and posts it.
    pub(super) fn report(&mut self, plan: &Plan, seen: &Snapshot) {
        let trouble = report::trouble(plan, seen);
        report::trouble_changed(&self.fleet, self.trouble.as_deref(), trouble.as_deref(), self.tick);
        report::decided(&self.fleet, plan, self.tick);
        let tick = Tick { number: self.tick, at: self.shared.outside.now(), next: Some(self.next_poll()) };
        let errors = self.status.as_ref().map_or(&[][..], |status| &status.errors);
        let prices = &self.shared.prices;
        let status = FleetStatus::of(&self.fleet, plan, seen, &self.memory, prices, tick, errors);
        self.shared.status_store.publish(status.clone());
        self.status = Some(status);
        self.trouble = trouble;
    }

    fn next_poll(&self) -> Timestamp {
        let Shared { epoch, poll_queue, poll_health, .. } = *self.shared;
        let wait = next_on_grid(epoch, poll_queue).min(next_on_grid(epoch, poll_health));
        let wait = self.slowed.as_ref().map_or(wait, |slowed| wait.max(slowed.every));
        self.shared.outside.now() + wait
    }

    /// Who is there, now that something began or ended.
    pub(super) fn post_runners(&mut self) {
        let (Some(seen), Some(status)) = (&mut self.seen, &mut self.status) else { return };
        seen.in_flight = under_way(&self.in_flight);
        let there = runners(&self.fleet, seen, &self.memory, self.shared.outside.now());
        status.update(&there, seen, &self.memory);
        if self.is_configured {
            self.shared.status_store.publish(status.clone());
        }
    }
}

/// How long from now until the next multiple of the period since the epoch.
pub(super) fn next_on_grid(epoch: Instant, period: Duration) -> Duration {
    let since = epoch.elapsed();
    let periods = u32::try_from(since.as_nanos() / period.as_nanos().max(1)).unwrap_or(u32::MAX - 1);
    (period * (periods + 1)).saturating_sub(since)
}
