//! Checks the invariants after everything that happens in the world, and reports the first violation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use azlin_daemon::StatusStore;
use azlin_simcloud::azure::{SimPower, SimVm};
use azlin_simcloud::fault::FaultKind;
use azlin_simcloud::github::SimJob;
use azlin_simcloud::{Occurrence, World, WorldEvent, WorldObserver};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::bystanders::Bystanders;
use super::fault_schedule::FaultSchedule;
use super::invariants::{Invariant, Violation};
use super::raw_text;
use super::scenario::{FileChange, FleetSpec, Scenario};
use super::trace::Trace;

mod answers;
mod churn;
mod flood;
mod liveness;
mod memory;
mod ownership;
mod reaction;
mod readiness;
mod standby;

use flood::Flood;
use ownership::{age, open_jobs};

const MINUTE: Duration = Duration::from_secs(60);
/// Liveness is checked once in this time.
const EVERY: Duration = Duration::from_secs(15);
/// What was decided before a change can still have its effect for this time after it.
const ON_ITS_WAY: Duration = Duration::from_secs(300);
/// In calm, a job waits no longer than this once its fleet could have more VMs: the longest backoff after
/// failures, and one round of boots.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60);
/// The same where Azure had no capacity: the longest backoff of an offering that had none.
const LONGEST_WAIT_FOR_ROOM: Duration = Duration::from_secs(40 * 60);
/// What is due within this time may be done. To a daemon whose clock was ten minutes behind and is now ten
/// minutes ahead, its requests are 20 minutes older.
const SOON: Duration = Duration::from_secs(26 * 60);

/// Watches the world and keeps the first violation. Clones share both.
#[derive(Clone)]
pub struct Checker {
    state: Arc<Mutex<CheckerState>>,
    found: Arc<Notify>,
}

struct CheckerState {
    fleets: Vec<FleetSpec>,
    /// The maximum of each fleet over time: from when, and how many VMs.
    most: Vec<Vec<(Duration, u32)>>,
    /// How many VMs of each fleet may be on standby over time.
    most_standby: Vec<Vec<(Duration, u32)>>,
    provisioning: u32,
    longest_wait: Duration,
    /// The longest time that a call takes, there and back.
    answer: Duration,
    /// Whether the daemon is the only one that uses GitHub's rate limit.
    is_alone: bool,
    /// How much longer things may take: polls are rarer than configured where GitHub's limit is short.
    slack: Duration,
    fault_schedule: FaultSchedule,
    /// When each fleet's hours begin, and how many runners have to be there then.
    hours: Vec<Vec<(Duration, u32)>>,
    flood: Flood,
    bystanders: Bystanders,
    trace: Trace,
    board: StatusStore,
    checked_at: Duration,
    /// When each VM or runner entry became useless, by name.
    useless: BTreeMap<String, Duration>,
    left: BTreeMap<String, Duration>,
    /// How many requests to GitHub were not sent, and when the last one was held back.
    held_back: u64,
    spent_at: Duration,
    /// When a job of another fleet last waited that this fleet's runners can run, for each fleet.
    crowded: Vec<Duration>,
    /// When each fleet last had its maximum of VMs, and when a job that its runners can run last existed.
    full: Vec<Duration>,
    /// Whether each fleet has its maximum of VMs; `None` where that must be counted again.
    is_full: Vec<Option<bool>>,
    worked: Vec<Duration>,
    /// When each fleet's file was last changed.
    edited: Vec<Duration>,
    /// When each fleet last scaled, as its status says.
    scaled: BTreeMap<String, jiff::Timestamp>,
    /// When each VM was first asked to drain, and the VMs whose deletion was requested.
    asked: BTreeMap<String, Duration>,
    deleted: BTreeSet<String>,
    /// How far the daemon's clock is ahead.
    clock_ahead: jiff::SignedDuration,
    /// Jobs that wait, of which an event has reached the daemon; and since when each fleet without VMs has been told of
    /// enough of them to act.
    told: BTreeSet<u64>,
    acts_since: Vec<Option<Duration>>,
    /// Since when GitHub would have removed each entry that it kept without a VM, by name.
    removable: BTreeMap<String, Duration>,
    /// Whether no daemon runs.
    is_down: bool,
    /// Whether no call may change anything any more.
    is_settled: bool,
    violation: Option<Violation>,
}

impl WorldObserver for Checker {
    fn happened(&mut self, world: &World, what: &Occurrence<'_>) {
        let mut state = self.state();
        if state.violation.is_some() {
            return;
        }
        state.check(world, what);
        if state.violation.is_some() {
            self.found.notify_one();
        }
    }
}

impl Checker {
    /// A checker for a world that runs this scenario.
    pub fn of(scenario: &Scenario, bystanders: Bystanders, trace: Trace) -> Self {
        let most = scenario.fleets.iter().map(|fleet| vec![(Duration::ZERO, fleet.most())]).collect();
        let on_standby = |fleet: &FleetSpec| vec![(Duration::ZERO, fleet.most_on_standby())];
        let most_standby = scenario.fleets.iter().map(on_standby).collect();
        let count = scenario.fleets.len();
        let slack = scenario.poll * 5 + if scenario.rate_limit < 5000 { 15 * MINUTE } else { Duration::ZERO };
        let state = CheckerState {
            fleets: scenario.fleets.clone(),
            most,
            most_standby,
            provisioning: scenario.provisioning,
            longest_wait: if scenario.has_fault(|what| matches!(what, FaultKind::NoCapacity(_))) {
                LONGEST_WAIT_FOR_ROOM
            } else {
                LONGEST_WAIT
            },
            answer: scenario.answer.to,
            is_alone: !scenario.has_fault(|what| matches!(what, FaultKind::BudgetGone)),
            slack,
            fault_schedule: FaultSchedule::of(scenario),
            hours: readiness::begins(scenario),
            flood: Flood::of(scenario),
            bystanders,
            trace,
            board: StatusStore::default(),
            checked_at: Duration::ZERO,
            useless: BTreeMap::new(),
            left: BTreeMap::new(),
            held_back: 0,
            spent_at: Duration::ZERO,
            crowded: vec![Duration::ZERO; count],
            full: vec![Duration::ZERO; count],
            is_full: vec![None; count],
            worked: vec![Duration::ZERO; count],
            edited: vec![Duration::ZERO; count],
            scaled: BTreeMap::new(),
            asked: BTreeMap::new(),
            deleted: BTreeSet::new(),
            clock_ahead: jiff::SignedDuration::ZERO,
            told: BTreeSet::new(),
            acts_since: vec![None; count],
            removable: BTreeMap::new(),
            is_down: false,
            is_settled: false,
            violation: None,
        };
        Checker { state: Arc::new(Mutex::new(state)), found: Arc::default() }
    }

    /// A daemon has started, and posts its status on this board.
    pub fn daemon_began(&self, at: Duration, board: StatusStore) {
        let mut state = self.state();
        state.fault_schedule.disturbed(at);
        state.is_down = false;
        state.board = board;
        state.scaled.clear();
        state.told.clear();
    }

    /// The daemon has died.
    pub fn daemon_died(&self) {
        self.state().is_down = true;
    }

    /// An event has reached the daemon that says that a job waits.
    pub fn told_of(&self, job: u64) {
        self.state().told_of(job);
    }

    /// The daemon's clock was set.
    pub fn clock_set(&self, at: Duration, ahead_s: i64) {
        let mut state = self.state();
        state.fault_schedule.disturbed(at);
        state.clock_ahead = jiff::SignedDuration::from_secs(ahead_s);
    }

    /// A fleet's file was changed.
    pub fn edited(&self, at: Duration, fleet: usize, change: &FileChange) {
        let mut state = self.state();
        state.fleets[fleet].change(change);
        state.is_full[fleet] = None;
        if matches!(change, FileChange::Hours(_)) {
            // Other fleets feel nothing of it.
            (state.worked[fleet], state.full[fleet]) = (at, at);
        } else {
            state.fault_schedule.disturbed(at);
            state.edited[fleet] = at;
        }
        let max = state.fleets[fleet].most();
        state.most[fleet].push((at, max));
        let most = state.fleets[fleet].most_on_standby();
        state.most_standby[fleet].push((at, most));
    }

    /// The fleets whose files exist.
    pub fn fleets(&self) -> Vec<FleetSpec> {
        self.state().fleets.iter().filter(|fleet| fleet.is_present).cloned().collect()
    }

    /// From now on no call may change anything for this time. Returns false, and does not hold it, where a
    /// rotation is due within it.
    pub fn settled(&self, world: &World, time: Duration) -> bool {
        let mut state = self.state();
        let is_due = (0..state.fleets.len()).any(|number| {
            let interval = Duration::from_secs(state.fleets[number].rotation_min * 60);
            state.vms(world, number).any(|vm| age(world, vm) + time + SOON > interval)
        });
        state.is_settled = !is_due;
        !is_due
    }

    /// Waits for the first violation.
    pub async fn violated(&self) {
        self.found.notified().await;
    }

    /// The first violation, if there was one.
    pub fn violation(&self) -> Option<Violation> {
        self.state().violation.clone()
    }

    /// Reports a violation that was seen elsewhere.
    pub fn violate(&self, at: Duration, invariant: Invariant, what: String) {
        self.state().violate(at, invariant, what);
    }

    /// Whether the world is as it must be without jobs; if not, what is wrong.
    pub fn at_rest(&self, world: &World) -> Result<(), String> {
        let state = self.state();
        let can_run = |job: &&SimJob| (0..state.fleets.len()).any(|number| state.can_run(world, number, job));
        if let Some(job) = open_jobs(world).find(can_run) {
            return Err(format!("job {} is {:?}", job.id, job.state));
        }
        for (number, plan) in state.fleets.iter().enumerate() {
            state.rests(world, number).map_err(|why| format!("{}: {why}", plan.name))?;
        }
        if let Some(entry) = state.kept_entries(world).next() {
            return Err(format!("{} is kept by GitHub as busy", entry.name));
        }
        let left = world.state.azure.left.values().find(|part| !state.bystanders.has_name(part.name()));
        left.map_or(Ok(()), |part| Err(format!("{} was left behind", part.name())))
    }

    fn state(&self) -> MutexGuard<'_, CheckerState> {
        self.state.lock()
    }
}

impl CheckerState {
    fn violate(&mut self, at: Duration, invariant: Invariant, what: String) {
        let violation = Violation { at, invariant, what };
        self.trace.line(at, format_args!("VIOLATION {}: {}", invariant.name(), violation.what));
        self.violation.get_or_insert(violation);
    }

    fn check(&mut self, world: &World, what: &Occurrence<'_>) {
        let at = world.age();
        match what {
            Occurrence::Event(event) => self.trace.line(at, format_args!("world {event:?}")),
            Occurrence::Step { vm, step } => self.trace.line(at, format_args!("ssh {vm} {step}")),
            Occurrence::Call { method, path, refused, .. } => {
                let refused = refused.map_or(String::new(), |why| format!(": {why}"));
                self.trace.line(at, format_args!("call {method} {path}{refused}"));
            }
        }
        self.check_statistics(world, at);
        if let Some(said) = raw_text::said() {
            self.violate(at, Invariant::NothingRaw, format!("the journal has {said}"));
        }
        self.check_answer(world, at, what);
        self.note_look(at, what);
        let is_look = matches!(what, Occurrence::Call { method: "GET", .. });
        self.check_vms(world, at, is_look);
        self.note_work(world, at, what);
        if let Occurrence::Call { method, path, refused, is_awaited, .. } = *what
            && method != "GET"
        {
            self.check_change(world, at, (method, path), refused.is_some(), is_awaited);
        }
        if at >= self.checked_at + EVERY {
            self.checked_at = at;
            self.check_liveness(world, at);
            self.check_reaction(world, at);
            self.check_flood(world, at);
            self.check_readiness(world, at);
            self.check_status(at);
        }
    }

    /// Notes when each fleet last had a job that its runners can run. All jobs are looked at once in a while only, since a
    /// flood has hundreds; one that has just come may be over by then.
    fn note_work(&mut self, world: &World, at: Duration, what: &Occurrence<'_>) {
        let is_new = |job: &&SimJob| job.queued_at == world.now();
        let has_work = |number: usize| match what {
            _ if at >= self.checked_at + EVERY => {
                open_jobs(world).any(|job| self.can_run(world, number, job))
            }
            Occurrence::Event(WorldEvent::Release(_)) => {
                open_jobs(world).filter(is_new).any(|job| self.can_run(world, number, job))
            }
            Occurrence::Event(_) => {
                let mut newest = world.state.github.jobs.values().rev().take_while(is_new);
                newest.any(|job| self.can_run(world, number, job))
            }
            _ => false,
        };
        for number in (0..self.fleets.len()).filter(|number| has_work(*number)).collect::<Vec<_>>() {
            // It may go on until the next look.
            self.worked[number] = at + EVERY;
        }
    }

    /// Checks that the status has no text as it came from outside.
    fn check_status(&mut self, at: Duration) {
        let posted = self.board.read();
        let raw = serde_json::to_value(&posted.fleets).ok().as_ref().and_then(raw_text::in_value);
        if let Some(raw) = raw {
            self.violate(at, Invariant::NothingRaw, format!("the status has {raw:?}"));
        }
    }

    /// Checks what the world's statistics count.
    fn check_statistics(&mut self, world: &World, at: Duration) {
        let statistics = &world.statistics;
        if statistics.jobs_killed > 0 {
            let what = "the VM or the entry of a runner was removed while its job ran";
            self.violate(at, Invariant::NoJobKilled, what.to_owned());
        }
        if statistics.vms_used_again > 0 {
            let what = "a VM became a second ephemeral runner";
            self.violate(at, Invariant::UsedOnce, what.to_owned());
        }
        if statistics.overwrites > 0 || statistics.names_reused > 0 {
            self.violate(at, Invariant::NamesOnce, "a VM's name was used twice".to_owned());
        }
        if statistics.peak_open_starts > self.provisioning {
            let (open, limit) = (statistics.peak_open_starts, self.provisioning);
            self.violate(
                at,
                Invariant::Provisioning,
                format!("{open} requests that make something at the same time, of {limit}"),
            );
        }
        if statistics.requests_beyond_limit > 0 && self.is_alone {
            self.violate(at, Invariant::Budget, "GitHub refused a request beyond its limit".to_owned());
        }
    }

    /// Counts the VMs of each fleet. A call that only reads changes none.
    fn check_vms(&mut self, world: &World, at: Duration, is_look: bool) {
        for number in 0..self.fleets.len() {
            if is_look && let Some(is_full) = self.is_full[number] {
                if is_full {
                    self.full[number] = at;
                }
                continue;
            }
            let mine = self.running(world, number).count();
            let since = at.saturating_sub(ON_ITS_WAY);
            let most = &self.most[number];
            let before = most.iter().rposition(|(from, _)| *from <= since).unwrap_or(0);
            let most = most[before..].iter().map(|(_, max)| *max).max().unwrap_or_default() as usize;
            let is_full = mine >= self.fleets[number].full_with() as usize;
            if is_full {
                self.full[number] = at;
            }
            self.is_full[number] = Some(is_full);
            // VMs that existed before the maximum was lowered are no violation. One more VM is.
            let began = |vm: &SimVm| match vm.power {
                Some(SimPower::Starting) => vm.changed_at,
                _ => vm.created_at,
            };
            let youngest = self.running(world, number).map(began).max();
            if mine > most && youngest == Some(world.now()) {
                let name = self.fleets[number].name;
                self.violate(at, Invariant::Maximum, format!("{name} has {mine} VMs, and may have {most}"));
            }
        }
    }

    /// Checks a call that changed something, or tried to.
    fn check_change(
        &mut self,
        world: &World,
        at: Duration,
        (method, path): (&str, &str),
        is_refused: bool,
        is_awaited: bool,
    ) {
        if self.bystanders.has_path(path) {
            self.violate(at, Invariant::OthersUntouched, format!("{method} {path}"));
        }
        // A session goes on at rest, and changes nothing but itself.
        let is_of_session = path.starts_with("/_actions/") && !path.ends_with("/generatejitconfig");
        if is_refused || is_of_session || path.ends_with("/registration-token") {
            return;
        }
        if self.is_settled {
            self.violate(at, Invariant::Settles, format!("{method} {path}, though the world was at rest"));
        }
        if path.ends_with("/deallocate") {
            self.check_deallocation(world, at, path);
        }
        // The status says nothing about a call that its sender gave up. No fleet deletes NICs, addresses and
        // disks.
        let (kind, name) = path.rsplit_once('/').unwrap_or_default();
        if !is_awaited || !kind.ends_with("/virtualMachines") {
            return;
        }
        let posted = self.board.read();
        // The status shows no runner while the runners cannot be read.
        if posted.fleets.values().any(|fleet| !fleet.runners_known) {
            return;
        }
        let shown = posted.fleets.values().find_map(|fleet| {
            let shown = fleet.known_runners().iter().find(|runner| runner.runner_name.as_str() == name)?;
            Some((shown.doing.clone(), fleet.decision.reason.clone()))
        });
        let is_said = shown.as_ref().is_some_and(|(doing, reason)| {
            let begins = |words: &[&str]| words.iter().any(|word| doing.starts_with(word));
            let is_for_standby =
                world.state.azure.vms.values().any(|vm| vm.name == name && vm.is_for_standby);
            !reason.is_empty()
                && match method {
                    "PUT" if is_for_standby => begins(&["is being set up for standby"]),
                    "PUT" => begins(&["is being made", "is being installed", "awaits its VM"]),
                    // It becomes a runner, or its runner is online.
                    "PATCH" if is_for_standby && !answers::is_asked_to_drain(world, name) => begins(&[
                        "is being started from standby",
                        "idle",
                        "runs",
                        "offline",
                        "is to be removed",
                    ]),
                    // The word that a registration is sent to it.
                    "PATCH" if !answers::is_asked_to_drain(world, name) => {
                        begins(&["is being made", "is being installed", "boots"])
                    }
                    _ => begins(&["is to be removed", "is being deleted"]),
                }
        });
        let is_configured = world.state.azure.vms.values().any(|vm| {
            vm.name == name
                && self
                    .fleets
                    .iter()
                    .any(|fleet| fleet.is_present && ownership::pool(&vm.name) == Some(fleet.name))
        });
        if !is_said && is_configured {
            self.violate(at, Invariant::Said, format!("{method} of {name}, but the status says {shown:?}"));
        }
    }
}
