//! The simulated world: a state machine with its own random source, and a clock that it is given.
//!
//! It does nothing by itself. [`World::advance`] runs the events that are due, in order. One seed and one
//! sequence of calls always make the same world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use azlin_fleet::model::JobChange;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::account::Account;
use crate::azure::{AzureState, VmKey};
use crate::fault::{CallFaults, CallTarget, FaultKind, Faults, Lag, Side, random_duration};
use crate::github::{Conclusion, GitHubState, JobState};
use crate::http::InstallationToken;
use crate::operations::SimOperations;
use crate::package::Package;
use crate::rate_limit::RateLimit;
use crate::refusals::Buckets;
use crate::registration::RunnerToken;
use crate::scale_sets::ScaleSetService;
use crate::secondary_limit::SecondaryLimits;
use crate::settings::WorldSettings;
use crate::statistics::Statistics;
use crate::webhooks::SimWebhooks;
use crate::workload::{Arrival, Workload};

/// Both sides of the world at one moment.
#[derive(Debug, Clone, Default)]
pub struct WorldState {
    /// GitHub's side.
    pub github: GitHubState,
    /// Azure's side.
    pub azure: AzureState,
}

/// Receives everything that happens in a world, as it happens.
pub trait WorldObserver: Send {
    /// Something has happened; `world` is the state after it.
    fn happened(&mut self, world: &World, what: &Occurrence<'_>);
}

impl WorldState {
    /// This state, with about half of the VMs, runners and runs as they are in the other one.
    fn mixed_with(mut self, other: &WorldState, rng: &mut StdRng) -> WorldState {
        swap_some(&mut self.azure.vms, &other.azure.vms, rng);
        swap_some(&mut self.github.runners, &other.github.runners, rng);
        for (repo, active) in &other.github.active {
            let mine = self.github.active.entry(repo.clone()).or_default();
            let all: BTreeSet<u64> = mine.union(active).copied().collect();
            for run in all {
                if !rng.random_bool(0.5) {
                    continue;
                }
                if active.contains(&run) {
                    mine.insert(run)
                } else {
                    mine.remove(&run)
                };
                let Some(theirs) = other.github.runs.get(&run) else { continue };
                let jobs = theirs.jobs.iter().filter_map(|id| other.github.jobs.get_key_value(id));
                self.github.jobs.extend(jobs.map(|(id, job)| (*id, job.clone())));
                self.github.runs.insert(run, theirs.clone());
            }
        }
        self
    }
}

/// Replaces about half of the entries by the other map's.
fn swap_some<K: Ord + Clone, V: Clone>(mine: &mut BTreeMap<K, V>, other: &BTreeMap<K, V>, rng: &mut StdRng) {
    let keys: BTreeSet<K> = mine.keys().chain(other.keys()).cloned().collect();
    for key in keys {
        if rng.random_bool(0.5) {
            match other.get(&key) {
                Some(value) => drop(mine.insert(key, value.clone())),
                None => drop(mine.remove(&key)),
            }
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone, Copy)]
pub enum Occurrence<'a> {
    /// An event of the world itself.
    Event(WorldEvent),
    /// A call had its effect, or was refused.
    Call {
        /// The service.
        side: Side,
        /// The HTTP method.
        method: &'a str,
        /// The path without the query.
        path: &'a str,
        /// Why it was refused; `None` if it was not.
        refused: Option<&'a str>,
        /// Whether its sender still waits for the answer.
        is_awaited: bool,
    },
    /// A step over SSH had its effect, or a part of it.
    Step {
        /// The name of the VM.
        vm: &'a str,
        /// The name of the step.
        step: &'a str,
    },
}

/// An event that the world runs at its time. Numbers are ids of jobs and runners, and numbers of VMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorldEvent {
    /// A run of this arrival is created.
    Arrive(usize),
    /// A job is no longer held back.
    Release(u64),
    /// A waiting job is cancelled.
    Cancel(u64),
    /// A job ends.
    Done(u64),
    /// Azure has created a VM, or has failed to.
    Made(u64),
    /// Azure has started, stopped or deallocated a VM.
    Changed(u64),
    /// A VM has booted.
    Booted(u64),
    /// The runner on a VM is online.
    Online(u64, u64),
    /// Azure calls a VM failed, which goes on running.
    Impaired(u64),
    /// A VM powers off.
    Off(u64),
    /// A VM checks whether it has had a job lately (the dead man's switch).
    Watch(u64),
    /// A VM dies.
    Dies(u64),
    /// Azure evicts a VM.
    Evicted(u64),
    /// Azure has deleted a VM.
    Gone(u64),
    /// GitHub gives up a runner that lost its connection.
    Lost(u64),
    /// A job reaches GitHub's limit for waiting.
    Expire(u64),
    /// A runner on a real machine may have gone silent.
    Silent(u64),
    /// A runner's entry reaches GitHub's limit without a connection.
    Forget(u64),
    /// A VM reads its user data.
    Drain(u64),
    /// GitHub notices that a runner's program has ended.
    Offline(u64),
    /// GitHub takes back a job that a runner was given and never acquired.
    TakeBack(u64, u64),
    /// An assignment of a job to a scale set lapses, after so many before.
    Lapse(u64, u32),
    /// The entry of a runner vanishes.
    Vanish(u64),
}

/// The simulated world.
pub struct World {
    /// How it behaves without faults.
    pub settings: WorldSettings,
    /// What is permitted and what exists.
    pub account: Account,
    /// Its present state.
    pub state: WorldState,
    /// Counts of what has happened so far.
    pub statistics: Statistics,
    pub(crate) rng: StdRng,
    /// A random source for jobs alone, so that a seed has the same jobs whatever clients do.
    pub(crate) arrivals_rng: StdRng,
    /// The faults.
    pub faults: Faults,
    /// GitHub's webhooks.
    pub webhooks: SimWebhooks,
    pub(crate) now: Timestamp,
    start: Timestamp,
    pub(crate) events: BTreeMap<(Timestamp, u64), WorldEvent>,
    sequence: u64,
    pub(crate) arrivals: Vec<Arrival>,
    history: VecDeque<(Timestamp, WorldState)>,
    /// What lists with a partial lag show.
    patchwork: Option<Box<WorldState>>,
    watch: Option<Box<dyn WorldObserver>>,
    pub(crate) limit: RateLimit,
    /// The limit of clients that are not signed in.
    pub(crate) anonymous: RateLimit,
    pub(crate) secondary: SecondaryLimits,
    /// Requests to GitHub under way; in-process calls only.
    pub(crate) open_requests: u32,
    /// Requests under way that create a VM or a runner; in-process calls only.
    pub(crate) open_starts: u32,
    /// Whether the call that is under way is answered with odd texts; in-process calls only.
    pub(crate) is_odd: bool,
    pub(crate) tokens: BTreeMap<String, Timestamp>,
    /// GitHub's tokens for the app's installation, with their expiry.
    pub(crate) installation_tokens: BTreeMap<String, InstallationToken>,
    /// GitHub's tokens for `config.sh`.
    pub(crate) runner_tokens: BTreeMap<String, RunnerToken>,
    /// Where runners on real machines find GitHub: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The runner's program, where VMs are real machines.
    pub(crate) package: Option<Package>,
    /// Azure's long operations.
    pub(crate) operations: SimOperations,
    /// What is left of Azure's limits.
    pub(crate) buckets: Buckets,
    pub(crate) names_used: BTreeSet<VmKey>,
    pub(crate) by_uid: BTreeMap<u64, VmKey>,
    /// GitHub's service of runner scale sets.
    pub scale_sets: ScaleSetService,
}

impl World {
    /// A world that starts at this time with this workload.
    pub fn new(workload: &Workload, start: Timestamp) -> Self {
        let settings = workload.settings.settings();
        let mut world = World {
            rng: StdRng::seed_from_u64(settings.seed),
            arrivals_rng: StdRng::seed_from_u64(!settings.seed),
            faults: Faults::new(workload.faults.clone()),
            webhooks: SimWebhooks::default(),
            state: WorldState::default(),
            statistics: Statistics::default(),
            now: start,
            start,
            events: BTreeMap::new(),
            sequence: 0,
            arrivals: workload.arrivals.clone(),
            history: VecDeque::new(),
            patchwork: None,
            watch: None,
            limit: RateLimit::default(),
            anonymous: RateLimit::default(),
            secondary: SecondaryLimits::default(),
            open_requests: 0,
            open_starts: 0,
            is_odd: false,
            tokens: BTreeMap::new(),
            installation_tokens: BTreeMap::new(),
            runner_tokens: BTreeMap::new(),
            url: "http://127.0.0.1".to_owned(),
            package: None,
            operations: SimOperations::default(),
            buckets: Buckets::default(),
            names_used: BTreeSet::new(),
            by_uid: BTreeMap::new(),
            scale_sets: ScaleSetService::default(),
            account: workload.account.clone(),
            settings,
        };
        for (old, new) in &workload.renamed {
            world.state.github.add_repo(old);
            world.rename_repo(old, new);
        }
        for repo in &workload.repositories {
            world.state.github.add_repo(repo);
        }
        for (number, arrival) in workload.arrivals.iter().enumerate() {
            world.state.github.add_repo(&arrival.repo);
            world.after(arrival.at, WorldEvent::Arrive(number));
        }
        world
    }

    /// Sets the observer of everything that happens.
    pub fn watch(&mut self, watch: Box<dyn WorldObserver>) {
        self.watch = Some(watch);
    }

    pub(crate) fn notify(&mut self, what: &Occurrence<'_>) {
        if let Some(mut watch) = self.watch.take() {
            watch.happened(self, what);
            self.watch = Some(watch);
        }
    }

    /// The world's time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the world started.
    pub fn began_at(&self) -> Timestamp {
        self.start
    }

    /// How long the world has existed.
    pub fn age(&self) -> Duration {
        Duration::try_from(self.now.duration_since(self.start)).unwrap_or_default()
    }

    /// Runs all events that are due by `now`. Time never goes back.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((&(at, sequence), &event)) = self.events.first_key_value()
            && at <= now
        {
            self.events.remove(&(at, sequence));
            self.move_to(at);
            self.run_event(event);
        }
        self.move_to(now);
    }

    fn move_to(&mut self, next: Timestamp) {
        if next > self.now {
            self.remember(next);
            self.now = next;
        }
    }

    /// When the next event is due.
    pub fn next_event(&self) -> Option<Timestamp> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn after(&mut self, delay: Duration, event: WorldEvent) {
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    pub(crate) fn strikes(&mut self, is_it: impl FnMut(&FaultKind) -> bool) -> bool {
        let age = self.age();
        self.faults.strikes(is_it, age, &mut self.rng)
    }

    /// What faults do to a call at this time.
    pub fn call_faults(&mut self, call: CallTarget<'_>) -> CallFaults {
        let age = self.age();
        let mut call_faults = self.faults.call_faults(call, age, &mut self.rng);
        if !self.settings.answer.is_empty() {
            call_faults.latency += random_duration(self.settings.answer.clone(), &mut self.rng);
        }
        if call_faults.stale.is_patchy {
            let past = self.past(call_faults.stale.ago).clone();
            self.patchwork = Some(Box::new(past.mixed_with(&self.state, &mut self.rng)));
        }
        call_faults
    }

    /// The state that lists with this lag show.
    pub fn seen(&self, lag: Lag) -> &WorldState {
        match &self.patchwork {
            Some(patchwork) if lag.is_patchy => patchwork,
            _ => self.past(lag.ago),
        }
    }

    fn past(&self, ago: Duration) -> &WorldState {
        if ago.is_zero() {
            return &self.state;
        }
        let then = self.now - ago;
        let past = self.history.iter().rev().find(|(at, _)| *at <= then).or(self.history.front());
        past.map_or(&self.state, |(_, moment)| moment)
    }

    /// Keeps the state before time moves on, if lists can lag. States are a quarter of a second apart.
    fn remember(&mut self, next: Timestamp) {
        let longest = self.faults.longest_stale(self.age());
        if longest.is_zero() {
            self.history.clear();
            return;
        }
        let is_long = |from: Timestamp, to: Timestamp| to.duration_since(from).as_millis() >= 250;
        let last = self.history.back().map(|(at, _)| *at);
        if last.is_none_or(|last| is_long(last, self.now)) || is_long(self.now, next) {
            self.history.push_back((self.now, self.state.clone()));
        }
        let too_old = next - longest - Duration::from_secs(1);
        while self.history.len() > 1 && self.history[1].0 < too_old {
            self.history.pop_front();
        }
    }

    fn run_event(&mut self, event: WorldEvent) {
        let now = self.now;
        match event {
            WorldEvent::Arrive(number) => self.arrive(number),
            WorldEvent::Release(id) => {
                if let Some(job) = self.state.github.jobs.get_mut(&id)
                    && job.state.is_held()
                {
                    job.state = JobState::Queued;
                    job.queued_at = now;
                    self.state.github.queued.insert(id);
                    self.state.github.record_event(id, JobChange::Queued);
                    self.after(self.settings.queue_limit, WorldEvent::Expire(id));
                }
            }
            WorldEvent::Cancel(id) => {
                let waits = self.state.github.jobs.get(&id);
                if waits.is_some_and(|job| job.state == JobState::Queued || job.state.is_held()) {
                    self.statistics.jobs_cancelled += 1;
                    self.complete(id, Conclusion::Cancelled);
                }
            }
            WorldEvent::Done(id) => self.done(id),
            WorldEvent::Made(uid) => self.made(uid),
            WorldEvent::Changed(uid) => self.changed(uid),
            WorldEvent::Booted(uid) => self.booted(uid),
            WorldEvent::Online(uid, runner) => self.online(uid, runner),
            WorldEvent::Impaired(uid) => self.impaired(uid),
            WorldEvent::Off(uid) => self.off(uid),
            WorldEvent::Watch(uid) => self.has_had_no_job(uid),
            WorldEvent::Dies(uid) => self.dies(uid),
            WorldEvent::Evicted(uid) => self.evicted(uid),
            WorldEvent::Gone(uid) => self.gone(uid),
            WorldEvent::Lost(runner) => self.lost(runner),
            WorldEvent::Expire(job) => self.expired(job),
            WorldEvent::Silent(runner) => self.silent(runner),
            WorldEvent::Forget(runner) => self.forget(runner),
            WorldEvent::Drain(uid) => self.drains(uid),
            WorldEvent::Offline(runner) => {
                self.disconnect(Some(runner));
            }
            WorldEvent::Vanish(runner) => self.vanishes(runner),
            WorldEvent::Lapse(job, lapses) => self.lapses(job, lapses),
            WorldEvent::TakeBack(job, runner) => self.state.github.take_back(job, runner),
        }
        self.assign();
        self.notify(&Occurrence::Event(event));
    }
}
