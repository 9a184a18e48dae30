//! What a loop read last, and when: the next tick reuses the fresh part and reads the rest again.

use std::collections::BTreeSet;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::elapsed;
use azlin_fleet::model::{JobId, RepoSlug};
use azlin_fleet::observe::{Freshness, LastLists, Poll, SlowedBy, SlowedPolling, Snapshot};
use azlin_fleet::report::begun;
use azlin_fleet::state::{FleetState, set_ahead};
use jiff::Timestamp;
use tokio::time::{Duration, Instant};

use super::FleetLoop;

/// What a loop read last, and when.
#[derive(Default)]
pub(super) struct LastLook {
    /// When the last poll began.
    pub(super) polled_at: Option<Instant>,
    /// Set while polls are rarer than configured, since GitHub's budget is short.
    pub(super) slowed: Option<SlowedPolling>,
    /// What was observed last.
    pub(super) seen: Option<Snapshot>,
    /// When the lists of runners and VMs in it were read.
    pub(super) lists_at: Timestamp,
    /// When the last look began, by both clocks.
    clocks: Option<(Instant, Timestamp)>,
    /// Jobs that were running on the fleet's runners; `None` before the first look.
    running: Option<BTreeSet<JobId>>,
}

impl LastLook {
    /// Whether it is too early for another poll.
    pub(super) fn is_early(&self, interval: Duration) -> bool {
        let since = self.polled_at.map(|at| at.elapsed());
        let Some((slowed, since)) = self.slowed.as_ref().zip(since) else { return false };
        since + interval / 2 < slowed.every
    }

    /// The poll that is due where a plan changes by itself. While the budget is short there is none: the queue serves
    /// that was read last, and the next poll reads it. Where polls are rarer because of many repositories alone, a wake
    /// may read.
    pub(super) fn poll_of_wake(&self) -> Option<Poll> {
        let is_short = |slowed: &SlowedPolling| matches!(slowed.by, SlowedBy::Budget(_));
        (!self.slowed.as_ref().is_some_and(is_short)).then_some(Poll::Queue)
    }

    /// The observed state and the age of its lists, if both lists were read completely.
    fn lists(
        &self,
        fleet: &Fleet,
        fleet_state: &FleetState,
        now: Timestamp,
    ) -> Option<(&Snapshot, LastLists)> {
        let seen = self.seen.as_ref().filter(|seen| seen.has_whole_lists())?;
        Some((seen, LastLists::new(self.lists_at, fleet_state.changes(), fleet, now)))
    }

    /// How far the wall clock jumped ahead since the last look, if it did. A jump makes lists no older.
    fn clock_was_set_ahead(&mut self, began: Instant, now: Timestamp) -> Option<Duration> {
        let (then, at) = self.clocks.replace((began, now))?;
        let ahead = set_ahead(elapsed(at, now), began - then)?;
        self.lists_at = self.lists_at.checked_add(ahead).unwrap_or(self.lists_at);
        Some(ahead)
    }
}

impl FleetLoop {
    /// What exists, and whether the lists of runners and VMs were read for it.
    pub(super) async fn look(&mut self, began: Instant) -> (Snapshot, bool) {
        let (shared, fleet) = (Arc::clone(&self.shared), Arc::clone(&self.config.fleet));
        let now = shared.context.now();
        if let Some(ahead) = self.last_look.clock_was_set_ahead(began, now) {
            self.fleet_state.clock_was_set_ahead(ahead);
        }
        let schedule = shared.schedule;
        let (poll, since_epoch) = (self.due.take(), began - schedule.epoch);
        let triggered = if poll.is_some() {
            // Only a poll delays the next poll.
            self.last_look.polled_at = Some(began);
            self.trigger_queue.triggers().take_all(since_epoch)
        } else {
            shared.pace.looks(&shared.context, &fleet);
            self.trigger_queue.triggers().take(since_epoch)
        };
        let (last, lists) = self.last_look.lists(&fleet, &self.fleet_state, now).unzip();
        let freshness = Freshness {
            poll,
            interval: schedule.queue,
            slowed_to: self.last_look.slowed.as_ref().map(|slowed| slowed.every),
            triggered: &triggered,
            lists,
            shared_out: shared.observer.shared_out(&fleet, began),
            now: since_epoch,
        };
        let ages = freshness.max_ages();
        let (seen, queue) = shared.observer.look(&fleet, self.fleet_state.groups(), &ages, began, last).await;
        let are_lists_new = ages.lists.is_some();
        if are_lists_new {
            self.last_look.lists_at = now;
        }
        // A queue that was not asked for, even if it was read with the lists, says nothing about a job that may
        // not be listed yet. A poll asks for every queue of the fleet, so it ends the search in all others.
        let shows = |repo: &RepoSlug, job| {
            if !freshness.asks_for(repo) {
                return None;
            }
            queue.shows(repo, job).or(poll.map(|_| true))
        };
        {
            let mut triggers = self.trigger_queue.triggers();
            queue.repo_ids().for_each(|(repo, id)| triggers.knows(repo, id));
            triggers.looked(shows, schedule.epoch.elapsed());
        }
        let running = &mut self.last_look.running;
        for waited in begun(&fleet.name, running, queue.running(), queue.is_whole()) {
            shared.status_store.waited(&fleet.name, waited, now);
        }
        (seen, are_lists_new)
    }
}

#[cfg(test)]
mod tests {
    use azlin_fleet::model::{Budget, Carried};

    use super::*;

    #[test]
    fn many_repositories_make_polls_rarer_and_a_wake_reads_the_queue_all_the_same() {
        let minute = Duration::from_secs(60);
        let budget = Budget { limit: 5_000, remaining: 1, reset: Timestamp::UNIX_EPOCH };
        for (by, holds_back) in
            [(SlowedBy::Budget(budget), true), (SlowedBy::Repositories(Carried::new(1_000, minute)), false)]
        {
            let slowed = SlowedPolling { every: minute * 5, by };
            let look =
                LastLook { slowed: Some(slowed), polled_at: Some(Instant::now()), ..LastLook::default() };
            assert!(look.is_early(minute));
            assert_eq!(look.poll_of_wake().is_none(), holds_back, "{:?}", look.slowed);
        }
    }
}
