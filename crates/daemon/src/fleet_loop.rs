//! The loop of one fleet: observe, decide, act, report.
//!
//! Actions run beside the loop, so that a slow one delays no tick. While one is under way its
//! runner is left alone; when it ends, what came of it is remembered before the next plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::memory::Memory;
use azlin_fleet::milestone::milestones;
use azlin_fleet::pace::Slowed;
use azlin_fleet::plan::{Action, Outcome, Plan, plan};
use azlin_fleet::remedy::Failure;
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::snapshot::{Operation, Snapshot};
use azlin_fleet::status::FleetStatus;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::act::{Lifecycle, Wanted};
use crate::board::Board;
use crate::expiry::Expiry;
use crate::fleet_set::{FleetSet, Fleets};
use crate::observe::Observer;
use crate::outside::Outside;
use crate::pace::Pace;
use crate::places::Book;
use crate::pulse::Pulse;
use crate::report;
use crate::state::StateDir;
use told::next_on_grid;

#[cfg(test)]
mod tests;
mod told;

/// A tick that lasts longer hangs: each request has a limit of its own, far below.
const LONGEST_TICK: Duration = Duration::from_secs(15 * 60);
/// How many ticks in a row are given up at the most: whoever writes without end holds up nobody.
const MOST_GIVEN_UP: u32 = 3;

/// What all loops share.
pub(crate) struct Shared {
    pub(crate) outside: Outside,
    pub(crate) fleets: Fleets,
    pub(crate) observer: Observer,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) places: Arc<Book>,
    pub(crate) pace: Pace,
    pub(crate) expiry: Expiry,
    /// Provisioning operations at once, over all fleets.
    pub(crate) provisioning: Arc<Semaphore>,
    /// How many those are.
    pub(crate) provisioning_limit: usize,
    pub(crate) board: Board,
    pub(crate) state: StateDir,
    pub(crate) poll_queue: Duration,
    pub(crate) poll_health: Duration,
    /// When all loops began: their timers tick together, so that they share what they fetch.
    pub(crate) epoch: Instant,
    pub(crate) pulse: Pulse,
    pub(crate) stop: CancellationToken,
}

/// Something under way beside the loop.
struct InFlight {
    operation: Operation,
    action: Action,
    task: tokio::task::Id,
}

/// The loop of one fleet.
pub struct FleetLoop {
    fleet: Arc<Fleet>,
    /// Whether its file is there. Without one its VMs are left alone.
    is_configured: bool,
    /// A tick was given up, since the configuration changed under it.
    is_behind: bool,
    /// How many in a row.
    given_up: u32,
    configured: watch::Receiver<Arc<FleetSet>>,
    shared: Arc<Shared>,
    memory: Memory,
    saved: Memory,
    /// Provisioning operations of this fleet at once, and how many those are.
    own_provisioning: Arc<Semaphore>,
    share: usize,
    in_flight: BTreeMap<RunnerName, InFlight>,
    operations: JoinSet<(RunnerName, Outcome)>,
    tick: u64,
    /// When the last look began, and whether the next one is put off.
    looked_at: Option<Instant>,
    slowed: Option<Slowed>,
    /// What was seen last, and what was said of it.
    seen: Option<Snapshot>,
    status: Option<FleetStatus>,
    trouble: Option<String>,
    /// What last went wrong with a runner, so that it is told once.
    complaints: BTreeMap<RunnerName, String>,
    /// What failed since the last tick began, for `run --once`.
    failed: Vec<String>,
}

impl FleetLoop {
    /// The loop of a fleet as it was read from this channel.
    pub(crate) fn new(
        fleet: Arc<Fleet>,
        configured: watch::Receiver<Arc<FleetSet>>,
        shared: Arc<Shared>,
    ) -> Self {
        let memory = shared.state.load(&fleet.name);
        let subscription = &fleet.vm.group.subscription_id;
        shared.places.recall(subscription, memory.places.clone(), shared.outside.now());
        let share = share(shared.provisioning_limit, configured.borrow().len());
        FleetLoop {
            saved: memory.clone(),
            memory,
            own_provisioning: Arc::new(Semaphore::new(share)),
            share,
            fleet,
            is_configured: true,
            is_behind: false,
            given_up: 0,
            configured,
            shared,
            in_flight: BTreeMap::new(),
            operations: JoinSet::new(),
            tick: 0,
            looked_at: None,
            slowed: None,
            seen: None,
            status: None,
            trouble: None,
            complaints: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    /// Ticks until it is told to stop, then waits for what is under way.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut heart = shared.pulse.heart(&self.fleet.name);
        let every = |period| {
            let mut timer = interval_at(shared.epoch, period);
            timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
            timer
        };
        let (mut queue, mut health) = (every(shared.poll_queue), every(shared.poll_health));
        loop {
            let (power, is_timer) = tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = std::future::ready(()), if std::mem::take(&mut self.is_behind) => (true, false),
                Some(done) = self.operations.join_next() => {
                    self.ended(done);
                    continue;
                }
                Ok(()) = self.configured.changed() => {
                    if !self.reconfigure() {
                        continue;
                    }
                    (true, false)
                }
                () = heart.beat() => continue,
                // A health tick looks at the queue as well.
                _ = health.tick() => {
                    queue.reset_after(next_on_grid(shared.epoch, shared.poll_queue));
                    (true, true)
                }
                _ = queue.tick() => (false, true),
            };
            if !self.is_configured || is_timer && self.is_early() {
                continue;
            }
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = self.tick(power) => {}
                () = heart.beat_for(LONGEST_TICK) => {}
            }
        }
        tokio::select! {
            biased;
            () = self.settle() => {}
            // Each operation has limits of its own.
            () = heart.beat_for(Duration::MAX) => {}
        }
    }

    /// Whether it is too early for another look, since GitHub's budget is short.
    fn is_early(&mut self) -> bool {
        self.slowed = self.shared.pace.slowed(&self.shared.outside, &self.fleet, self.shared.poll_queue);
        let since = self.looked_at.map(|at| at.elapsed());
        let Some((slowed, since)) = self.slowed.as_ref().zip(since) else { return false };
        since + self.shared.poll_queue / 2 < slowed.every
    }

    /// Takes in that the configuration changed; whether that calls for a tick at once.
    fn reconfigure(&mut self) -> bool {
        let all = Arc::clone(&self.configured.borrow_and_update());
        let before = std::mem::replace(&mut self.share, share(self.shared.provisioning_limit, all.len()));
        if before != self.share {
            self.own_provisioning = Arc::new(Semaphore::new(self.share));
        }
        match all.get(&self.fleet.name) {
            None => {
                if std::mem::take(&mut self.is_configured) {
                    self.shared.board.remove(&self.fleet.name);
                }
                false
            }
            Some(fleet) => {
                let is_new = !self.is_configured || **fleet != *self.fleet;
                (self.fleet, self.is_configured) = (Arc::clone(fleet), true);
                is_new
            }
        }
    }

    /// One tick, and all that it began; what failed in it.
    pub(crate) async fn run_once(mut self) -> Vec<String> {
        let stop = self.shared.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.tick(true) => {}
        }
        self.settle().await;
        self.failed.extend(self.trouble.take());
        self.failed
    }

    /// Observe, decide, act, report.
    async fn tick(&mut self, power: bool) {
        self.failed.clear();
        let (fleet, began) = (Arc::clone(&self.fleet), Instant::now());
        self.looked_at = Some(began);
        let seen = self.shared.observer.observe(&fleet, &self.memory.groups, power).await;
        if self.configured.has_changed().unwrap_or(false) {
            self.reconfigure();
            if !self.is_configured {
                return;
            }
            let shared_since = self.shared.fleets.now().since(&self.fleet.credential);
            let is_elsewhere = (fleet.site(), &fleet.vm.group) != (self.fleet.site(), &self.fleet.vm.group);
            // What was seen was shared out among other fleets, or is not where the fleet is now.
            if is_elsewhere
                || (shared_since.is_some_and(|since| since > began) && self.given_up < MOST_GIVEN_UP)
            {
                self.given_up += 1;
                self.is_behind = true;
                return;
            }
        }
        self.given_up = 0;
        while let Some(done) = self.operations.try_join_next() {
            self.ended(done);
        }
        self.tick += 1;
        let (plan, seen) = self.decide(seen);
        self.report(&plan, &seen);
        let named: Vec<(RunnerName, Action)> =
            plan.actions.into_iter().map(|action| self.name(action)).collect();
        // On disk before anything is sent: what is asked for is known to whoever starts after a crash.
        self.save();
        let begins = !named.is_empty();
        for (name, action) in named {
            self.begin(name, action);
        }
        self.seen = Some(seen);
        if begins {
            self.post_runners();
        }
    }

    fn decide(&mut self, seen: Snapshot) -> (Plan, Snapshot) {
        let now = self.shared.outside.now();
        let seen = Snapshot {
            in_flight: under_way(&self.in_flight),
            slowed: self.slowed.clone(),
            expiring: self.shared.expiry.of(&self.shared.outside, &self.fleet),
            ..seen
        };
        self.memory.places = self.shared.places.of(&self.fleet.vm.group.subscription_id);
        let before = self.memory.clone();
        self.memory = std::mem::take(&mut self.memory).after_seeing(&self.fleet, &seen, now);
        report::happened(&self.fleet.name, &milestones(&before, &self.memory, &seen.unread, now), self.tick);
        let planned = || plan(&self.fleet, &seen, &self.memory, now);
        let plan = planned();
        debug_assert_eq!(plan, planned(), "one plan of one snapshot");
        if plan.scales {
            self.memory.last_scaling = Some(now);
            self.memory.scaled_under = Some(self.fleet.scaling_hash());
        }
        (plan, seen)
    }

    /// The runner that an action is about, which is remembered.
    fn name(&mut self, action: Action) -> (RunnerName, Action) {
        let name = match &action {
            Action::Provision { .. } => self.new_name(),
            Action::Install(install) => install.runner.clone(),
            Action::Destroy(destroy) => destroy.runner.clone(),
        };
        self.memory.begin(&name, &action, self.shared.outside.now());
        (name, action)
    }

    /// Starts an action beside the loop.
    fn begin(&mut self, name: RunnerName, action: Action) {
        let (shared, fleet) = (Arc::clone(&self.shared), Arc::clone(&self.fleet));
        let operation = match &action {
            Action::Provision { replaces, .. } => Operation::Provision { replaces: replaces.clone() },
            Action::Install(_) => Operation::Install,
            Action::Destroy(_) => Operation::Destroy,
        };
        let task = match action.clone() {
            Action::Provision { replaces, places, .. } => {
                let wanted = Wanted { name: name.clone(), replaces, places };
                self.spawn_permitted(name.clone(), async move {
                    shared.lifecycle.provision(&fleet, &wanted).await
                })
            }
            Action::Install(task) => self
                .spawn_permitted(name.clone(), async move { shared.lifecycle.install(&fleet, &task).await }),
            Action::Destroy(task) => {
                let name = name.clone();
                self.operations.spawn(async move { (name, shared.lifecycle.destroy(&fleet, &task).await) })
            }
        };
        self.in_flight.insert(name, InFlight { operation, action, task: task.id() });
    }

    /// Begins a provisioning operation as soon as it may begin.
    fn spawn_permitted(
        &mut self,
        name: RunnerName,
        operation: impl Future<Output = Outcome> + Send + 'static,
    ) -> AbortHandle {
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(&self.own_provisioning));
        let fleet = Arc::clone(&self.fleet);
        self.operations.spawn(async move {
            let allowed = tokio::select! {
                biased;
                () = shared.stop.cancelled() => Err("the daemon is stopping"),
                () = shared.fleets.differs(&fleet) => Err("the configuration changed while it waited"),
                allowed = async { (own.acquire().await, shared.provisioning.acquire().await) } => Ok(allowed),
            };
            let outcome = match &allowed {
                Ok(_) => operation.await,
                Err(why) => Outcome::LeftAlone((*why).to_owned()),
            };
            drop(allowed);
            (name, outcome)
        })
    }

    fn new_name(&self) -> RunnerName {
        loop {
            let name =
                RunnerName::new(&self.fleet.name, self.shared.outside.now(), (self.shared.outside.random)());
            if !self.in_flight.contains_key(&name) && !self.memory.runners.contains_key(&name) {
                return name;
            }
        }
    }

    /// Remembers and tells how an action ended.
    fn ended(&mut self, done: Result<(RunnerName, Outcome), tokio::task::JoinError>) {
        let (name, outcome) = match done {
            Ok(done) => done,
            Err(error) => {
                let panicked = self.in_flight.iter().find(|(_, under_way)| under_way.task == error.id());
                let Some((name, _)) = panicked else { return };
                (name.clone(), Outcome::Failed(Failure::later(format!("a bug, please report it: {error}"))))
            }
        };
        let Some(InFlight { action, .. }) = self.in_flight.remove(&name) else { return };
        self.memory.record(&name, &action, &outcome, self.shared.outside.now());
        self.memory.places = self.shared.places.of(&self.fleet.vm.group.subscription_id);
        self.save();
        let complaint = match &outcome {
            Outcome::Failed(Failure { why, .. })
            | Outcome::NoRoom(why)
            | Outcome::Unclear(why)
            | Outcome::Broken { why, .. } => Some(why.clone()),
            Outcome::Started
            | Outcome::Installed { .. }
            | Outcome::Ended(_)
            | Outcome::Removed
            | Outcome::LeftAlone(_) => None,
        };
        let is_new = complaint.is_none() || self.complaints.get(&name) != complaint.as_ref();
        report::ended(&self.fleet.name, &name, &action, &outcome, is_new, self.tick);
        self.complaints.retain(|runner, _| self.memory.runners.contains_key(runner));
        if let Some(why) = complaint {
            self.failed.push(why.clone());
            self.complaints.insert(name, why);
        }
        self.post_runners();
    }

    /// Waits for what is under way.
    async fn settle(&mut self) {
        while let Some(done) = self.operations.join_next().await {
            self.ended(done);
        }
    }

    fn save(&mut self) {
        if self.memory != self.saved {
            self.shared.state.save(&self.fleet.name, &self.memory);
            self.saved = self.memory.clone();
        }
    }
}

fn under_way(in_flight: &BTreeMap<RunnerName, InFlight>) -> BTreeMap<RunnerName, Operation> {
    in_flight.iter().map(|(name, under_way)| (name.clone(), under_way.operation.clone())).collect()
}

/// How many provisioning operations one of so many fleets may hold: where there are several, a
/// quarter, and at least one, is left to the others.
fn share(limit: usize, fleets: usize) -> usize {
    if fleets > 1 { (limit - (limit / 4).max(1)).max(1) } else { limit }
}
