//! Looks at the world after everything that happens, and says when a promise is broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_daemon::Board;
use azlin_simcloud::fault::FaultKind;
use azlin_simcloud::github::SimJob;
use azlin_simcloud::{Occurrence, World, WorldEvent, WorldObserver};
use tokio::sync::Notify;

use super::bystanders::Bystanders;
use super::fault_schedule::FaultSchedule;
use super::invariants::{Invariant, Violation};
use super::scenario::{FileChange, FleetSpec, Scenario};
use super::trace::Trace;

mod liveness;
mod ownership;

use ownership::{age, open_jobs};

const MINUTE: Duration = Duration::from_secs(60);
/// What takes time is looked at this often.
const EVERY: Duration = Duration::from_secs(15);
/// What was decided before a change can still arrive for so long after it.
const ON_ITS_WAY: Duration = Duration::from_secs(300);
/// In calm a job waits no longer than this once its fleet could have more VMs: the longest backoff after
/// failures, and a round of boots.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60);
/// The same where Azure had no room: the longest time for which a place that had none is not asked again.
const LONGEST_WAIT_FOR_ROOM: Duration = Duration::from_secs(40 * 60);
/// What is due by then may be done: to a daemon whose clock was ten minutes behind and is ten minutes ahead, what it
/// asked for is 20 minutes older.
const SOON: Duration = Duration::from_secs(26 * 60);

/// Looks at the world, and shares what it finds.
#[derive(Clone)]
pub struct Checker {
    state: Arc<Mutex<CheckerState>>,
    found: Arc<Notify>,
}

struct CheckerState {
    fleets: Vec<FleetSpec>,
    /// How many VMs each fleet may have had, since when.
    most: Vec<Vec<(Duration, u32)>>,
    provisioning: u32,
    longest_wait: Duration,
    /// Whether nobody else uses GitHub's limit.
    is_alone: bool,
    /// Polls may be rarer than configured where GitHub's limit is short.
    slack: Duration,
    fault_schedule: FaultSchedule,
    bystanders: Bystanders,
    trace: Trace,
    board: Board,
    looked: Duration,
    /// Since when what has been without a use, by its name.
    useless: BTreeMap<String, Duration>,
    left: BTreeMap<String, Duration>,
    /// Requests to GitHub that were not sent, and when the last one was not.
    held_back: u64,
    spent_at: Duration,
    /// When there was last a job that could be given to a runner of a fleet, though it is none of its jobs.
    crowded: Vec<Duration>,
    /// When each fleet last had all VMs that it may have, and when there was last a job for it.
    full: Vec<Duration>,
    /// Whether it has, where nothing has changed since they were counted.
    is_full: Vec<Option<bool>>,
    worked: Vec<Duration>,
    /// When each fleet last took a scaling action.
    scaled: BTreeMap<String, jiff::Timestamp>,
    /// When something was last changed by a call, once nothing should be any more.
    is_settled: bool,
    violation: Option<Violation>,
}

impl WorldObserver for Checker {
    fn happened(&mut self, world: &World, what: &Occurrence<'_>) {
        let mut state = self.state();
        if state.violation.is_some() {
            return;
        }
        state.look(world, what);
        if state.violation.is_some() {
            self.found.notify_one();
        }
    }
}

impl Checker {
    /// For a scenario in a world.
    pub fn of(scenario: &Scenario, bystanders: Bystanders, trace: Trace) -> Self {
        let most = scenario.fleets.iter().map(|fleet| vec![(Duration::ZERO, fleet.max)]).collect();
        let count = scenario.fleets.len();
        let slack = scenario.poll * 5 + if scenario.rate_limit < 5000 { 15 * MINUTE } else { Duration::ZERO };
        let state = CheckerState {
            fleets: scenario.fleets.clone(),
            most,
            provisioning: scenario.provisioning,
            longest_wait: if scenario.has_fault(|what| matches!(what, FaultKind::NoCapacity(_))) {
                LONGEST_WAIT_FOR_ROOM
            } else {
                LONGEST_WAIT
            },
            is_alone: !scenario.has_fault(|what| matches!(what, FaultKind::BudgetGone)),
            slack,
            fault_schedule: FaultSchedule::of(scenario),
            bystanders,
            trace,
            board: Board::default(),
            looked: Duration::ZERO,
            useless: BTreeMap::new(),
            left: BTreeMap::new(),
            held_back: 0,
            spent_at: Duration::ZERO,
            crowded: vec![Duration::ZERO; count],
            full: vec![Duration::ZERO; count],
            is_full: vec![None; count],
            worked: vec![Duration::ZERO; count],
            scaled: BTreeMap::new(),
            is_settled: false,
            violation: None,
        };
        Checker { state: Arc::new(Mutex::new(state)), found: Arc::default() }
    }

    /// A daemon is born, with that board.
    pub fn daemon_began(&self, at: Duration, board: Board) {
        let mut state = self.state();
        state.fault_schedule.disturbed(at);
        state.board = board;
        state.scaled.clear();
    }

    /// The clock was set.
    pub fn clock_set(&self, at: Duration) {
        self.state().fault_schedule.disturbed(at);
    }

    /// The configuration changed.
    pub fn edited(&self, at: Duration, fleet: usize, change: &FileChange) {
        let mut state = self.state();
        state.fault_schedule.disturbed(at);
        state.fleets[fleet].change(change);
        state.is_full[fleet] = None;
        let max = state.fleets[fleet].max;
        state.most[fleet].push((at, max));
    }

    /// The fleets whose files are there.
    pub fn fleets(&self) -> Vec<FleetSpec> {
        self.state().fleets.iter().filter(|fleet| fleet.is_present).cloned().collect()
    }

    /// From now on nothing is to be changed any more for so long; false if something will be due by then.
    pub fn settled(&self, world: &World, time: Duration) -> bool {
        let mut state = self.state();
        let is_due = (0..state.fleets.len()).any(|number| {
            let interval = Duration::from_secs(state.fleets[number].rotation_min * 60);
            state.vms(world, number).any(|vm| age(world, vm) + time + SOON > interval)
        });
        state.is_settled = !is_due;
        !is_due
    }

    /// Waits for a breach.
    pub async fn violated(&self) {
        self.found.notified().await;
    }

    /// The first promise that was broken.
    pub fn violation(&self) -> Option<Violation> {
        self.state().violation.clone()
    }

    /// A promise is broken, as others see.
    pub fn violate(&self, at: Duration, invariant: Invariant, what: String) {
        self.state().violate(at, invariant, what);
    }

    /// Whether everything is as it is to be without jobs; if not, what is not.
    pub fn at_rest(&self, world: &World) -> Result<(), String> {
        let state = self.state();
        let can_run = |job: &&SimJob| (0..state.fleets.len()).any(|number| state.can_run(world, number, job));
        if let Some(job) = open_jobs(world).find(can_run) {
            return Err(format!("job {} is {:?}", job.id, job.state));
        }
        for (number, plan) in state.fleets.iter().enumerate() {
            state.rests(world, number).map_err(|why| format!("{}: {why}", plan.name))?;
        }
        let left = world.state.azure.left.values().find(|part| !state.bystanders.is_one(part.name()));
        left.map_or(Ok(()), |part| Err(format!("{} was left behind", part.name())))
    }

    fn state(&self) -> MutexGuard<'_, CheckerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CheckerState {
    fn violate(&mut self, at: Duration, invariant: Invariant, what: String) {
        let violation = Violation { at, invariant, what };
        self.trace.line(at, format_args!("BREACH {}: {}", invariant.name(), violation.what));
        self.violation.get_or_insert(violation);
    }

    fn look(&mut self, world: &World, what: &Occurrence<'_>) {
        let at = world.age();
        match what {
            Occurrence::Event(event) => self.trace.line(at, format_args!("world {event:?}")),
            Occurrence::Step { vm, step } => self.trace.line(at, format_args!("ssh {vm} {step}")),
            Occurrence::Call { method, path, refused, .. } => {
                let refused = refused.map_or(String::new(), |why| format!(": {why}"));
                self.trace.line(at, format_args!("call {method} {path}{refused}"));
            }
        }
        self.count(world, at);
        let is_look = matches!(what, Occurrence::Call { method: "GET", .. });
        self.count_vms(world, at, is_look);
        if is_of_jobs(what) || at >= self.looked + EVERY {
            for number in 0..self.fleets.len() {
                if open_jobs(world).any(|job| self.can_run(world, number, job)) {
                    self.worked[number] = at;
                }
            }
        }
        if let Occurrence::Call { method, path, refused, is_awaited, .. } = *what
            && method != "GET"
        {
            self.changed(world, at, (method, path), refused.is_some(), is_awaited);
        }
        if at >= self.looked + EVERY {
            self.looked = at;
            self.look_around(world, at);
        }
    }

    /// What the world has counted.
    fn count(&mut self, world: &World, at: Duration) {
        let statistics = &world.statistics;
        if statistics.jobs_killed > 0 {
            self.violate(at, Invariant::NoJobKilled, "the VM of a running job was removed".to_owned());
        }
        if statistics.overwrites > 0 || statistics.names_reused > 0 {
            self.violate(at, Invariant::NamesOnce, "a VM's name was used twice".to_owned());
        }
        if statistics.peak_open_starts > self.provisioning {
            let (open, limit) = (statistics.peak_open_starts, self.provisioning);
            self.violate(
                at,
                Invariant::Provisioning,
                format!("{open} requests to make something at once, of {limit}"),
            );
        }
        if statistics.requests_beyond_limit > 0 && self.is_alone {
            self.violate(at, Invariant::Budget, "GitHub refused a request beyond its limit".to_owned());
        }
    }

    /// The VMs of each fleet. A look changes nothing.
    fn count_vms(&mut self, world: &World, at: Duration, is_look: bool) {
        for number in 0..self.fleets.len() {
            if is_look && let Some(is_full) = self.is_full[number] {
                if is_full {
                    self.full[number] = at;
                }
                continue;
            }
            let mine = self.vms(world, number).count();
            let since = at.saturating_sub(ON_ITS_WAY);
            let most = &self.most[number];
            let before = most.iter().rposition(|(from, _)| *from <= since).unwrap_or(0);
            let most = most[before..].iter().map(|(_, max)| *max).max().unwrap_or_default() as usize;
            let is_full = mine >= self.fleets[number].max as usize;
            if is_full {
                self.full[number] = at;
            }
            self.is_full[number] = Some(is_full);
            // Those that were there before the maximum was lowered are no breach; one more is.
            let youngest = self.vms(world, number).map(|vm| vm.created_at).max();
            if mine > most && youngest == Some(world.now()) {
                let name = self.fleets[number].name;
                self.violate(at, Invariant::Maximum, format!("{name} has {mine} VMs, and may have {most}"));
            }
        }
    }

    /// A call has changed something, or tried to.
    fn changed(
        &mut self,
        world: &World,
        at: Duration,
        (method, path): (&str, &str),
        is_refused: bool,
        is_awaited: bool,
    ) {
        if self.bystanders.has(path) {
            self.violate(at, Invariant::OthersUntouched, format!("{method} {path}"));
        }
        if is_refused || path.ends_with("/registration-token") {
            return;
        }
        if self.is_settled {
            self.violate(at, Invariant::Settles, format!("{method} {path}, though all was as it is to be"));
        }
        // Of what nobody waits for any more nothing is said, and parts are removed by none of the fleets.
        let (kind, name) = path.rsplit_once('/').unwrap_or_default();
        if !is_awaited || !kind.ends_with("/virtualMachines") {
            return;
        }
        let posted = self.board.read();
        // Where the runners cannot be seen, none is shown.
        if posted.fleets.values().any(|fleet| !fleet.runners_known) {
            return;
        }
        let shown = posted.fleets.values().find_map(|fleet| {
            let shown = fleet.runners.iter().find(|runner| runner.runner_name.as_str() == name)?;
            Some((shown.doing.clone(), fleet.decision.reason.clone()))
        });
        let is_said = shown.as_ref().is_some_and(|(doing, reason)| {
            let begins = |words: [&str; 3]| words.iter().any(|word| doing.starts_with(word));
            !reason.is_empty()
                && match method {
                    "PUT" => begins(["is being made", "is being installed", "awaits its VM"]),
                    _ => begins(["is to be removed", "is being removed", "is being removed"]),
                }
        });
        let is_configured = world.state.azure.vms.values().any(|vm| {
            vm.name == name
                && self
                    .fleets
                    .iter()
                    .any(|fleet| fleet.is_present && vm.tag("azlin-pool") == Some(fleet.name))
        });
        if !is_said && is_configured {
            self.violate(
                at,
                Invariant::Said,
                format!("{method} of {name}, of which the board says {shown:?}"),
            );
        }
    }
}

/// Whether jobs may have come or gone by themselves.
fn is_of_jobs(what: &Occurrence<'_>) -> bool {
    use WorldEvent::{Arrive, Cancel, Done, Expire, Release};
    let Occurrence::Event(event) = what else { return false };
    matches!(event, Arrive(_) | Release(_) | Cancel(_) | Done(_) | Expire(_))
}
