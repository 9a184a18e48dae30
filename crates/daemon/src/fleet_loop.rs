//! The loop of one fleet: observe, decide, act, report.
//!
//! Operations run beside the loop, so that a slow one delays no tick. While one is under way its runner is
//! left alone; when it ends, its outcome is recorded before the next plan.

use std::pin::Pin;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{Action, RunnerName, elapsed};
use azlin_fleet::observe::{Poll, Snapshot};
use azlin_fleet::plan::{Plan, at_hours, plan, wakes_at};
use azlin_fleet::state::{BootSteps, FleetState, RunnerEvent, runner_events};
use tokio::time::{Duration, Instant, sleep_until};

use crate::fleet_set::FleetsReader;
use crate::report;
use crate::triggers::TriggerQueue;
use last_look::LastLook;
use operations::Operations;
use own_config::OwnConfig;
use reported::Reported;

mod context;
mod last_look;
mod operations;
mod own_config;
mod reported;
#[cfg(test)]
mod tests;

pub(crate) use context::{LoopContext, PollSchedule, ProvisioningLimit};

/// How often a fleet's history is written. What was shown since is lost if the daemon is killed.
const HISTORY_EVERY: Duration = Duration::from_secs(5 * 60);

/// A tick that takes longer is stuck: each request has a far shorter limit.
const LONGEST_TICK: Duration = Duration::from_secs(15 * 60);

/// The loop of one fleet.
pub struct FleetLoop {
    shared: Arc<LoopContext>,
    config: OwnConfig,
    fleet_state: FleetState,
    /// The fleet's state as it was saved last.
    saved: FleetState,
    /// When the fleet's history was saved last.
    history_saved: Instant,
    /// The number of the last tick.
    tick: u64,
    /// The poll that is due, if one is.
    due: Option<Poll>,
    /// Whether the present tick follows an event.
    follows_event: bool,
    /// Whether the last plan lacked the room for another runner.
    lacks_room: bool,
    /// Whether there is room again since.
    has_room_again: bool,
    /// When the last plan changes by itself, or starts are tried again.
    wakes_at: Option<Instant>,
    /// The triggers that the fleet has not followed yet.
    trigger_queue: Arc<TriggerQueue>,
    last_look: LastLook,
    operations: Operations,
    reported: Reported,
}

impl FleetLoop {
    /// The loop of a fleet, with its current configuration.
    pub(crate) fn new(fleet: Arc<Fleet>, configured: FleetsReader, shared: Arc<LoopContext>) -> Self {
        let fleet_state = shared.state.load(&fleet.name);
        let subscription = &fleet.vm.group.subscription_id;
        shared.capacity.recall(subscription, fleet_state.capacity.clone(), shared.context.now());
        shared.recall_history(&fleet.name);
        shared.observer.set_cells().remember(&fleet.name, fleet_state.set_session.clone());
        FleetLoop {
            history_saved: Instant::now(),
            operations: Operations::new(shared.provisioning.limit, shared.fleets.now().len()),
            trigger_queue: shared.trigger_router.trigger_queue(&fleet.name),
            config: OwnConfig::new(fleet, configured),
            saved: fleet_state.clone(),
            fleet_state,
            tick: 0,
            due: None,
            follows_event: false,
            lacks_room: false,
            has_room_again: false,
            wakes_at: None,
            last_look: LastLook::default(),
            reported: Reported::default(),
            shared,
        }
    }

    /// Ticks until the daemon stops, then waits for running operations.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let (schedule, trigger_queue) = (shared.schedule, Arc::clone(&self.trigger_queue));
        let mut probe = shared.liveness.probe(&self.config.fleet.name);
        let (mut queue, mut health) = (schedule.timer(schedule.queue), schedule.timer(schedule.health));
        let first_looks = shared.first_looks.clone();
        // A fleet with runners looks at once.
        let mut turn = self.fleet_state.runners.names().next().is_none().then(|| {
            let (looks, fleet) = (first_looks.clone(), Arc::clone(&self.config.fleet));
            Box::pin(looks.turn(shared.context.clone(), fleet))
        });
        loop {
            let mut has_turn = None;
            let mut follows_event = false;
            let (due, is_timer) = tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = std::future::ready(()), if std::mem::take(&mut self.config.is_behind) => {
                    (Some(Poll::Health), false)
                }
                () = std::future::ready(()), if std::mem::take(&mut self.has_room_again) => {
                    (self.last_look.poll_of_wake(), false)
                }
                () = at(self.operations.posted_at), if self.operations.posted_at.is_some() => {
                    self.post_ended();
                    continue;
                }
                Some(done) = self.operations.tasks.join_next() => {
                    self.ended(done);
                    self.wake_to_try_again();
                    continue;
                }
                () = self.config.reader.changed() => {
                    if !self.reconfigure() {
                        continue;
                    }
                    (Some(Poll::Health), false)
                }
                () = probe.answer() => continue,
                given = comes(&mut turn), if turn.is_some() => {
                    queue.reset_after(schedule.until_queue());
                    health.reset_after(schedule.until_health());
                    (turn, has_turn) = (None, Some(given));
                    (Some(Poll::Health), true)
                }
                // The poll reads the queue as well.
                _ = health.tick(), if turn.is_none() => {
                    queue.reset_after(schedule.until_queue());
                    (Some(Poll::Health), true)
                }
                _ = queue.tick(), if turn.is_none() => (Some(Poll::Queue), true),
                () = at(self.wakes_at), if self.wakes_at.is_some() => {
                    self.wakes_at = None;
                    (self.last_look.poll_of_wake(), false)
                }
                () = trigger_queue.due(|| shared.pace.pause(&shared.context, &self.config.fleet)),
                    if self.config.is_configured =>
                {
                    follows_event = true;
                    (None, false)
                }
            };
            if !self.config.is_configured || is_timer && self.is_early() {
                continue;
            }
            let is_first = self.tick == 0;
            let _turn = has_turn.or_else(|| is_first.then(|| first_looks.begin(&self.config.fleet.name)));
            // A trigger may have come before.
            turn = None;
            (self.due, self.follows_event) = (due, follows_event);
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = self.tick() => {}
                () = probe.answer_for(LONGEST_TICK) => {}
            }
        }
        tokio::select! {
            biased;
            () = self.settle() => {}
            // Each operation has limits of its own.
            () = probe.answer_for(Duration::MAX) => {}
        }
        self.save_history();
    }

    /// Whether it is too early for another poll because GitHub's budget is short.
    fn is_early(&mut self) -> bool {
        let shared = &self.shared;
        let interval = shared.schedule.queue;
        let fleet = &self.config.fleet;
        let repositories = shared.fleets.now().repositories(&fleet.credential);
        self.last_look.slowed =
            shared.pace.slowed(&shared.context, fleet, &shared.first_looks, repositories, interval);
        self.last_look.is_early(interval)
    }

    /// After a start that failed, the next try is due when its wait is over, and not at the next poll.
    fn wake_to_try_again(&mut self) {
        if let Some(left) = self.fleet_state.failures.wait_left(self.shared.context.now()) {
            let at = Instant::now() + left;
            self.wakes_at = Some(self.wakes_at.map_or(at, |wakes_at| wakes_at.min(at)));
        }
    }

    /// Applies a change of the configuration. Returns whether a tick is due at once.
    fn reconfigure(&mut self) -> bool {
        let all = Arc::clone(self.config.reader.latest());
        self.operations.share_among(self.shared.provisioning.limit, all.len());
        let was_configured = self.config.is_configured;
        let calls_for_tick = self.config.update(all.get(&self.config.fleet.name));
        if !was_configured && self.config.is_configured {
            self.shared.recall_history(&self.config.fleet.name);
        }
        if was_configured && !self.config.is_configured {
            self.save_history();
            self.shared.status_store.remove(&self.config.fleet.name);
        }
        calls_for_tick
    }

    /// Runs one tick and every operation that it began. Returns what failed.
    pub(crate) async fn run_once(mut self) -> Vec<String> {
        let stop = self.shared.stop.clone();
        self.due = Some(Poll::Health);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.tick() => {}
        }
        self.settle().await;
        self.save_history();
        let Reported { mut failed, status, .. } = self.reported;
        let errors = status.map(|status| status.errors).unwrap_or_default();
        failed.extend(errors.into_iter().filter(|error| error.about.fails_a_run()).map(|error| error.what));
        failed
    }

    /// Observe, decide, act, report.
    async fn tick(&mut self) {
        self.reported.failed.clear();
        let (fleet, began) = (Arc::clone(&self.config.fleet), Instant::now());
        let (seen, are_lists_new) = self.look(began).await;
        if self.config.reader.has_changed() {
            self.reconfigure();
            if !self.config.is_configured || self.config.gives_up(&fleet, began, &self.shared.fleets) {
                return;
            }
        }
        self.config.kept_up();
        while let Some(done) = self.operations.tasks.try_join_next() {
            self.ended(done);
        }
        self.tick += 1;
        let (configured, now) = (Arc::clone(&self.config.fleet), self.shared.context.now());
        let fleet = at_hours(&configured, self.fleet_state.boots.longest(), now);
        let (plan, seen) = self.decide(&fleet, seen, are_lists_new);
        self.shared.status_store.metrics().ticked(
            &fleet.name,
            self.follows_event,
            began.elapsed(),
            &plan.decision,
        );
        self.report(&fleet, &plan, &seen);
        self.lacks_room = plan.lacks_room;
        let now = self.shared.context.now();
        let wakes_at = wakes_at(&fleet, &plan, &self.fleet_state, now);
        self.wakes_at = wakes_at.map(|at| Instant::now() + elapsed(now, at));
        let named: Vec<(RunnerName, Action)> =
            plan.actions.into_iter().map(|action| self.name(action)).collect();
        // Saved before anything is sent: after a crash, the next daemon knows what was requested.
        self.save();
        if self.history_saved.elapsed() >= HISTORY_EVERY {
            self.save_history();
        }
        let begins = !named.is_empty();
        for (name, action) in named {
            self.begin(name, action);
        }
        self.last_look.seen = Some(seen);
        if begins || self.operations.posted_at.is_some() {
            self.post_ended();
        }
    }

    fn decide(&mut self, fleet: &Fleet, seen: Snapshot, are_lists_new: bool) -> (Plan, Snapshot) {
        let now = self.shared.context.now();
        let seen = Snapshot {
            in_flight: self.operations.under_way(),
            slowed: self.last_look.slowed.clone(),
            expiring: self.shared.token_expiry.of(&self.shared.context, fleet),
            ..seen
        };
        self.fleet_state.capacity = self.shared.capacity.of(fleet);
        self.fleet_state.left_behind = self.shared.left_behind.of(&fleet.name);
        let failed_before = !self.fleet_state.removals.is_empty();
        if are_lists_new {
            let before = self.fleet_state.clone();
            self.fleet_state = std::mem::take(&mut self.fleet_state).after_seeing(fleet, &seen, now);
            let runner_events = runner_events(&before, &self.fleet_state, &seen.unread, now);
            for (name, runner_event) in &runner_events {
                if let RunnerEvent::Online(took) = runner_event {
                    let known = self.fleet_state.runners.get(name);
                    let steps = known.map(|known| BootSteps::of(known, now)).unwrap_or_default();
                    self.shared.status_store.metrics().booted(&fleet.name, *took, steps);
                }
            }
            report::happened(&fleet.name, &runner_events, self.tick);
        }
        report::removals_end(&fleet.name, failed_before && self.fleet_state.removals.is_empty(), self.tick);
        let planned = || plan(fleet, &seen, &self.fleet_state, now);
        let plan = planned();
        debug_assert_eq!(plan, planned(), "one plan of one snapshot");
        if plan.scales {
            self.fleet_state.scaled(fleet, now);
        }
        (plan, seen)
    }

    fn save_history(&mut self) {
        self.history_saved = Instant::now();
        let fleet = &self.config.fleet.name;
        if let Some(history) = self.shared.status_store.history(fleet) {
            self.shared.state.save_history(fleet, &history);
        }
    }

    fn save(&mut self) {
        self.fleet_state.set_session = self.shared.observer.set_cells().session(&self.config.fleet.name);
        if self.fleet_state != self.saved {
            self.shared.state.save(&self.config.fleet.name, &self.fleet_state);
            self.saved = self.fleet_state.clone();
        }
    }
}

/// Waits for the turn, if there is one to wait for.
async fn comes<T>(turn: &mut Option<Pin<Box<impl Future<Output = T>>>>) -> T {
    match turn {
        Some(turn) => turn.await,
        None => std::future::pending().await,
    }
}

/// Waits until then.
async fn at(moment: Option<Instant>) {
    if let Some(moment) = moment {
        sleep_until(moment).await;
    }
}
