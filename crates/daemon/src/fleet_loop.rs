//! The loop of one fleet: observe, decide, act, report.
//!
//! Actions run beside the loop, so that a slow one delays no tick. While one is under way its
//! runner is left alone; when it ends, what came of it is remembered before the next plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::job::JobId;
use azlin_fleet::memory::{Memory, set_ahead};
use azlin_fleet::milestone::{BootSteps, Milestone, milestones};
use azlin_fleet::names::RepoSlug;
use azlin_fleet::pace::Slowed;
use azlin_fleet::plan::{Action, Outcome, Plan, plan};
use azlin_fleet::prices::Prices;
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::scaling::elapsed;
use azlin_fleet::snapshot::Snapshot;
use azlin_fleet::status::FleetStatus;
use azlin_fleet::wait::begun;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::act::RunnerLifecycle;
use crate::capacity_cache::CapacityCache;
use crate::fleet_set::{Fleets, FleetsReader};
use crate::hints::{Hinter, Inbox};
use crate::liveness::Liveness;
use crate::observe::{Observer, Told};
use crate::outside::Outside;
use crate::pace::Pace;
use crate::report;
use crate::state::StateDir;
use crate::status_store::StatusStore;
use crate::token_expiry::TokenExpiry;
use told::next_on_grid;
use under_way::{InFlight, share, under_way};

#[cfg(test)]
mod tests;
mod told;
mod under_way;

/// A tick that lasts longer hangs: each request has a limit of its own, far below.
const LONGEST_TICK: Duration = Duration::from_secs(15 * 60);
/// How many ticks in a row are given up at the most: whoever writes without end holds up nobody.
const MOST_GIVEN_UP: u32 = 3;

/// What a tick reads anew.
enum Look {
    /// Everything; and power states, if they are wanted.
    Whole { power: bool },
    /// What the fleet was hinted at, and what that makes necessary.
    Hinted,
}

/// What all loops share.
pub(crate) struct Shared {
    pub(crate) outside: Outside,
    pub(crate) fleets: Fleets,
    pub(crate) observer: Observer,
    pub(crate) lifecycle: RunnerLifecycle,
    pub(crate) capacity: Arc<CapacityCache>,
    pub(crate) pace: Pace,
    pub(crate) token_expiry: TokenExpiry,
    /// Provisioning operations at once, over all fleets.
    pub(crate) provisioning: Arc<Semaphore>,
    /// How many those are.
    pub(crate) provisioning_limit: usize,
    pub(crate) status_store: StatusStore,
    pub(crate) state: StateDir,
    pub(crate) prices: Prices,
    pub(crate) poll_queue: Duration,
    pub(crate) poll_health: Duration,
    /// When all loops began: their timers tick together, so that they share what they fetch.
    pub(crate) epoch: Instant,
    pub(crate) liveness: Liveness,
    pub(crate) hinter: Hinter,
    pub(crate) stop: CancellationToken,
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
    configured: FleetsReader,
    shared: Arc<Shared>,
    memory: Memory,
    saved: Memory,
    /// Provisioning operations of this fleet at once, and how many those are.
    own_provisioning: Arc<Semaphore>,
    share: usize,
    in_flight: BTreeMap<RunnerName, InFlight>,
    operations: JoinSet<(RunnerName, Outcome)>,
    tick: u64,
    /// What it is hinted at.
    inbox: Arc<Inbox>,
    /// When the last whole look began, and whether the next one is put off.
    looked_at: Option<Instant>,
    slowed: Option<Slowed>,
    /// What was seen last, when its lists were read, and what was said of it.
    seen: Option<Snapshot>,
    lists_at: Timestamp,
    /// When it looked last, by both clocks.
    clocks: Option<(Instant, Timestamp)>,
    /// Jobs on its runners, as far as they were seen; `None` until they were.
    running: Option<BTreeSet<JobId>>,
    status: Option<FleetStatus>,
    trouble: Option<String>,
    /// What last went wrong with a runner, so that it is told once.
    complaints: BTreeMap<RunnerName, String>,
    /// What failed since the last tick began, for `run --once`.
    failed: Vec<String>,
}

impl FleetLoop {
    /// The loop of a fleet as it was read here.
    pub(crate) fn new(fleet: Arc<Fleet>, configured: FleetsReader, shared: Arc<Shared>) -> Self {
        let memory = shared.state.load(&fleet.name);
        let subscription = &fleet.vm.group.subscription_id;
        shared.capacity.recall(subscription, memory.places.clone(), shared.outside.now());
        let share = share(shared.provisioning_limit, shared.fleets.now().len());
        let inbox = shared.hinter.inbox(&fleet.name);
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
            inbox,
            looked_at: None,
            slowed: None,
            seen: None,
            lists_at: Timestamp::UNIX_EPOCH,
            clocks: None,
            running: None,
            status: None,
            trouble: None,
            complaints: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    /// Ticks until it is told to stop, then waits for what is under way.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut probe = shared.liveness.probe(&self.fleet.name);
        let every = |period| {
            let mut timer = interval_at(shared.epoch, period);
            timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
            timer
        };
        let inbox = Arc::clone(&self.inbox);
        let (mut queue, mut health) = (every(shared.poll_queue), every(shared.poll_health));
        loop {
            let pause = self.slowed.as_ref().map(|slowed| slowed.every);
            let (look, is_timer) = tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = std::future::ready(()), if std::mem::take(&mut self.is_behind) => {
                    (Look::Whole { power: true }, false)
                }
                Some(done) = self.operations.join_next() => {
                    self.ended(done);
                    continue;
                }
                () = self.configured.changed() => {
                    if !self.reconfigure() {
                        continue;
                    }
                    (Look::Whole { power: true }, false)
                }
                () = probe.answer() => continue,
                // A health tick looks at the queue as well.
                _ = health.tick() => {
                    queue.reset_after(next_on_grid(shared.epoch, shared.poll_queue));
                    (Look::Whole { power: true }, true)
                }
                _ = queue.tick() => (Look::Whole { power: false }, true),
                () = inbox.due(shared.poll_queue, pause), if self.is_configured => (Look::Hinted, false),
            };
            if !self.is_configured || is_timer && self.is_early() {
                continue;
            }
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                () = self.tick(look) => {}
                () = probe.answer_for(LONGEST_TICK) => {}
            }
        }
        tokio::select! {
            biased;
            () = self.settle() => {}
            // Each operation has limits of its own.
            () = probe.answer_for(Duration::MAX) => {}
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
        let all = Arc::clone(self.configured.latest());
        let before = std::mem::replace(&mut self.share, share(self.shared.provisioning_limit, all.len()));
        if before != self.share {
            self.own_provisioning = Arc::new(Semaphore::new(self.share));
        }
        match all.get(&self.fleet.name) {
            None => {
                if std::mem::take(&mut self.is_configured) {
                    self.shared.status_store.remove(&self.fleet.name);
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
            () = self.tick(Look::Whole { power: true }) => {}
        }
        self.settle().await;
        self.failed.extend(self.trouble.take());
        self.failed
    }

    /// Observe, decide, act, report.
    async fn tick(&mut self, look: Look) {
        self.failed.clear();
        let (fleet, began) = (Arc::clone(&self.fleet), Instant::now());
        let is_hinted = matches!(look, Look::Hinted);
        let (seen, are_lists_new) = self.look(look, began).await;
        if self.configured.has_changed() {
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
        let (plan, seen) = self.decide(seen, are_lists_new);
        self.shared.status_store.metrics().ticked(&fleet.name, is_hinted, began.elapsed(), &plan.decision);
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

    /// What there is, and whether the lists of runners and VMs were read for it.
    async fn look(&mut self, look: Look, began: Instant) -> (Snapshot, bool) {
        let (shared, fleet, now) =
            (Arc::clone(&self.shared), Arc::clone(&self.fleet), self.shared.outside.now());
        self.mind_the_clock(began, now);
        let since_epoch = began - shared.epoch;
        let is_hinted = matches!(look, Look::Hinted);
        let wanted = if is_hinted {
            self.inbox.hints().take(shared.poll_queue, since_epoch)
        } else {
            // Hints put off no poll.
            self.looked_at = Some(began);
            self.inbox.hints().take_all(since_epoch)
        };
        let at = |told: Duration| shared.epoch + told;
        let repos = wanted.repos.into_iter().map(|(repo, told)| (repo, at(told))).collect();
        let told = Told { repos, lists: wanted.lists.map(at) };
        let serve = |seen: &&Snapshot| {
            is_hinted
                && seen.entries.is_ok()
                && seen.vms.is_ok()
                && told.lists.is_none()
                && self.memory.is_told_by_lists_of(self.lists_at, &fleet, now)
        };
        let earlier = self.seen.as_ref().filter(serve).cloned();
        let are_lists_new = earlier.is_none();
        let (seen, queue) = match earlier {
            Some(seen) => {
                let queue = shared.observer.queue_after(&fleet, &told).await;
                let demand = queue.demand(&fleet, shared.outside.now());
                (Snapshot { demand, working: queue.working(), ..seen }, queue)
            }
            None => {
                let power = matches!(look, Look::Whole { power: true });
                self.lists_at = now;
                shared.observer.observe_after(&fleet, &self.memory.groups, power, &told).await
            }
        };
        // What was not read now tells nothing of jobs that it may not have shown yet.
        let shows = |repo: &RepoSlug, job| match is_hinted {
            true if !told.repos.contains_key(repo) => None,
            true => queue.shows(repo, job),
            false => queue.shows(repo, job).or(Some(true)),
        };
        self.inbox.hints().looked(shows, shared.epoch.elapsed());
        let begun = begun(&fleet.name, &mut self.running, queue.running(), queue.is_whole());
        for waited in begun {
            shared.status_store.metrics().waited(&fleet.name, waited);
        }
        (seen, are_lists_new)
    }

    /// A clock that was set ahead makes nothing older.
    fn mind_the_clock(&mut self, began: Instant, now: Timestamp) {
        let last = self.clocks.replace((began, now));
        let ahead = last.and_then(|(then, at)| set_ahead(elapsed(at, now), began - then));
        if let Some(ahead) = ahead {
            self.memory.clock_was_set_ahead(ahead);
            self.lists_at = self.lists_at.checked_add(ahead).unwrap_or(self.lists_at);
        }
    }

    fn decide(&mut self, seen: Snapshot, are_lists_new: bool) -> (Plan, Snapshot) {
        let now = self.shared.outside.now();
        let seen = Snapshot {
            in_flight: under_way(&self.in_flight),
            slowed: self.slowed.clone(),
            expiring: self.shared.token_expiry.of(&self.shared.outside, &self.fleet),
            ..seen
        };
        self.memory.places = self.shared.capacity.of(&self.fleet.vm.group.subscription_id);
        if are_lists_new {
            let before = self.memory.clone();
            self.memory = std::mem::take(&mut self.memory).after_seeing(&self.fleet, &seen, now);
            let milestones = milestones(&before, &self.memory, &seen.unread, now);
            for (name, milestone) in &milestones {
                if let Milestone::Online(took) = milestone {
                    let known = self.memory.runners.get(name);
                    let steps = known.map(|known| BootSteps::of(known, now)).unwrap_or_default();
                    self.shared.status_store.metrics().booted(&self.fleet.name, *took, steps);
                }
            }
            report::happened(&self.fleet.name, &milestones, self.tick);
        }
        let planned = || plan(&self.fleet, &seen, &self.memory, now);
        let plan = planned();
        debug_assert_eq!(plan, planned(), "one plan of one snapshot");
        if plan.scales {
            self.memory.last_scaling = Some(now);
            self.memory.scaled_under = Some(self.fleet.scaling_hash());
        }
        (plan, seen)
    }

    fn save(&mut self) {
        if self.memory != self.saved {
            self.shared.state.save(&self.fleet.name, &self.memory);
            self.saved = self.memory.clone();
        }
    }
}
