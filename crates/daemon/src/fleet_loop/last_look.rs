//! What a loop read last, and when: what the next tick may take from it, and what it has to read anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::freshness::{Freshness, LastLists};
use azlin_fleet::job::JobId;
use azlin_fleet::memory::{Memory, set_ahead};
use azlin_fleet::names::RepoSlug;
use azlin_fleet::pace::Slowed;
use azlin_fleet::scaling::elapsed;
use azlin_fleet::snapshot::Snapshot;
use azlin_fleet::wait::begun;
use jiff::Timestamp;
use tokio::time::{Duration, Instant};

use super::FleetLoop;

/// What a loop read last, and when.
#[derive(Default)]
pub(super) struct LastLook {
    /// When the last poll began.
    pub(super) polled_at: Option<Instant>,
    /// Set while polls are rarer than configured, since GitHub's budget is short.
    pub(super) slowed: Option<Slowed>,
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

    /// The observed state, and the age of its lists, when both were read whole.
    fn lists(&self, fleet: &Fleet, memory: &Memory, now: Timestamp) -> Option<(&Snapshot, LastLists)> {
        let seen = self.seen.as_ref().filter(|seen| seen.has_whole_lists())?;
        Some((seen, LastLists::new(self.lists_at, memory.changes(), fleet, now)))
    }

    /// How far the wall clock was set ahead since the last look, if it was. It makes lists no older.
    fn clock_was_set_ahead(&mut self, began: Instant, now: Timestamp) -> Option<Duration> {
        let (then, at) = self.clocks.replace((began, now))?;
        let ahead = set_ahead(elapsed(at, now), began - then)?;
        self.lists_at = self.lists_at.checked_add(ahead).unwrap_or(self.lists_at);
        Some(ahead)
    }
}

impl FleetLoop {
    /// What there is, and whether the lists of runners and VMs were read for it.
    pub(super) async fn look(&mut self, began: Instant) -> (Snapshot, bool) {
        let (shared, fleet) = (Arc::clone(&self.shared), Arc::clone(&self.config.fleet));
        let now = shared.outside.now();
        if let Some(ahead) = self.last_look.clock_was_set_ahead(began, now) {
            self.memory.clock_was_set_ahead(ahead);
        }
        let schedule = shared.schedule;
        let (poll, since_epoch) = (self.due.take(), began - schedule.epoch);
        let triggered = if poll.is_some() {
            // Only a poll puts off the next one.
            self.last_look.polled_at = Some(began);
            self.inbox.hints().take_all(since_epoch)
        } else {
            self.inbox.hints().take(schedule.queue, since_epoch)
        };
        let (last, lists) = self.last_look.lists(&fleet, &self.memory, now).unzip();
        let freshness = Freshness {
            poll,
            interval: schedule.queue,
            triggered: &triggered,
            lists,
            shared_out: shared.observer.shared_out(&fleet, began),
            now: since_epoch,
        };
        let ages = freshness.max_ages();
        let (seen, queue) = shared.observer.look(&fleet, &self.memory.groups, &ages, began, last).await;
        let are_lists_new = ages.lists.is_some();
        if are_lists_new {
            self.last_look.lists_at = now;
        }
        // A queue that was not asked for says nothing of a job that it may not show yet. A poll asks for all that are
        // the fleet's, so it ends the search in any other.
        let shows = |repo: &RepoSlug, job| {
            if !freshness.asks_for(repo) {
                return None;
            }
            queue.shows(repo, job).or(poll.map(|_| true))
        };
        self.inbox.hints().looked(shows, schedule.epoch.elapsed());
        let running = &mut self.last_look.running;
        for waited in begun(&fleet.name, running, queue.running(), queue.is_whole()) {
            shared.board.metrics().waited(&fleet.name, waited);
        }
        (seen, are_lists_new)
    }
}
