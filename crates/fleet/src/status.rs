//! The status of the fleets, which the daemon writes after each tick and `status` shows.
//!
//! It is plain values without secrets. Version 1 is documented in docs/reference/schemas/status.schema.json; keys
//! may be added to a version, and none is removed or changes its meaning.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::Budgets;
use crate::config::Fleet;
use crate::cost::Cost;
use crate::decision::DecisionStatus;
use crate::demand::{OldestPending, QueueMetrics};
use crate::job::JobId;
use crate::memory::Memory;
use crate::names::PoolName;
use crate::plan::Plan;
use crate::prices::Prices;
use crate::runner::{EphemeralRunner, Phase, PhaseKind, RunnerId};
use crate::runner_name::RunnerName;
use crate::snapshot::{Operation, Snapshot};
use crate::time::in_words;

/// The version of [`Status`].
pub const VERSION: u32 = 1;

/// The whole status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// When the status was made.
    pub at: Timestamp,
    /// The daemon that made it; absent where GitHub and Azure were read directly.
    pub daemon: Option<DaemonStatus>,
    /// Each configured fleet that has had a tick, by name.
    pub fleets: Vec<FleetStatus>,
    /// Files that cannot be used.
    pub bad_files: Vec<BadFileStatus>,
    /// What is left of the rate limits.
    pub budgets: Budgets,
}

/// A daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it was started.
    pub started_at: Timestamp,
    /// Its configuration directory, as an absolute path.
    pub config_dir: String,
    /// When it last read that directory: files written before then are in force, unless they are bad.
    pub read_at: Timestamp,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadFileStatus {
    /// Its path.
    pub file: String,
    /// All problems of the file.
    pub message: String,
    /// When it was first found bad.
    pub since: Timestamp,
}

/// A fleet, as its last tick left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// The fleet.
    pub pool: PoolName,
    /// Where its runners are registered: `repo:owner/repo`.
    pub scope: String,
    /// Whether it serves jobs.
    pub enabled: bool,
    /// The tick's number, from 1.
    pub tick: u64,
    /// When the tick was.
    pub at: Timestamp,
    /// When the next tick is due, if there is to be one.
    pub next_poll: Option<Timestamp>,
    /// Whether all of its jobs could be read. If not, the counts are lower bounds.
    pub jobs_known: bool,
    /// Whether its runners and VMs could be read. If not, `runners` is empty.
    pub runners_known: bool,
    /// Its jobs.
    pub jobs: QueueMetrics,
    /// The pending job that has waited longest.
    pub oldest_pending: Option<OldestPending>,
    /// The least number of runners that it keeps available.
    pub min_runners: u32,
    /// The most VMs that it may have.
    pub max_runners: u32,
    /// The count that was set by hand.
    pub manual_count: Option<u32>,
    /// What was decided, and why.
    pub decision: DecisionStatus,
    /// When a decision last changed the number of runners.
    pub last_scaling: Option<Timestamp>,
    /// Every runner that exists, is starting or is leaving.
    pub runners: Vec<RunnerRow>,
    /// Errors that last, and since when.
    pub errors: Vec<LastingError>,
    /// What its VMs cost; absent until they have been read once.
    #[serde(default)]
    pub cost: Option<Cost>,
}

/// A runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerRow {
    /// Its name, which is also that of its VM.
    pub runner_name: RunnerName,
    /// GitHub's number, if known.
    pub runner_id: Option<RunnerId>,
    /// Its phase.
    pub phase: PhaseKind,
    /// What it does, for people.
    pub doing: String,
    /// The job that it runs, where the queue named it.
    pub job: Option<JobId>,
    /// When its VM was asked for.
    pub created_at: Timestamp,
    /// Jobs that it has finished, as far as polls have shown them.
    pub jobs_completed: u32,
    /// Its VM, if a list shows it.
    pub vm: Option<VmStatus>,
}

/// A runner's VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmStatus {
    /// Azure's spelling of its name.
    pub name: String,
    /// Its size.
    pub size: String,
    /// Its resource group.
    pub resource_group: String,
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetErrorKind {
    /// Something could not be read.
    Seeing,
    /// Runners that only a person can remove.
    LeftAlone,
    /// Runners that cannot be started.
    Starting,
    /// A credential that expires.
    Credential,
}

impl FleetErrorKind {
    /// All of them.
    pub const ALL: [FleetErrorKind; 4] = [
        FleetErrorKind::Seeing,
        FleetErrorKind::LeftAlone,
        FleetErrorKind::Starting,
        FleetErrorKind::Credential,
    ];

    /// Its name in JSON and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            FleetErrorKind::Seeing => "seeing",
            FleetErrorKind::LeftAlone => "left_alone",
            FleetErrorKind::Starting => "starting",
            FleetErrorKind::Credential => "credential",
        }
    }
}

/// An error that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastingError {
    /// What it is about.
    pub about: FleetErrorKind,
    /// For people.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
}

/// A tick: its number, when it was, and when the next one is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// From 1.
    pub number: u64,
    /// When it was.
    pub at: Timestamp,
    /// When the next one is due.
    pub next: Option<Timestamp>,
}

impl FleetStatus {
    /// The status after a tick. Errors that already lasted `before` keep their start.
    pub fn of(
        fleet: &Fleet,
        plan: &Plan,
        seen: &Snapshot,
        memory: &Memory,
        prices: &Prices,
        tick: Tick,
        before: &[LastingError],
    ) -> Self {
        FleetStatus {
            pool: fleet.name.clone(),
            scope: fleet.scope.to_string(),
            enabled: fleet.enabled,
            tick: tick.number,
            at: tick.at,
            next_poll: tick.next,
            jobs_known: plan.demand.missing.is_empty(),
            runners_known: seen.entries.is_ok() && seen.vms.is_ok(),
            jobs: plan.demand.metrics,
            oldest_pending: plan.demand.oldest_pending.clone(),
            min_runners: fleet.scaling.min_runners,
            max_runners: fleet.scaling.max_runners,
            manual_count: fleet.scaling.manual_count,
            decision: DecisionStatus::from(&plan.decision),
            last_scaling: memory.last_scaling,
            runners: plan.runners.iter().map(|runner| RunnerRow::of(runner, seen, memory)).collect(),
            errors: lasting(errors(plan, seen, memory), before, tick.at),
            cost: Cost::of(&memory.ledger, seen, prices),
        }
    }

    /// Updates the runners after an operation has begun or ended.
    pub fn update(&mut self, runners: &[EphemeralRunner], seen: &Snapshot, memory: &Memory) {
        self.runners = runners.iter().map(|runner| RunnerRow::of(runner, seen, memory)).collect();
    }

    /// How many runners are in a phase.
    pub fn count(&self, phase: PhaseKind) -> usize {
        self.runners.iter().filter(|runner| runner.phase == phase).count()
    }
}

impl RunnerRow {
    /// Whether Azure no longer lists its VM. It still counts for a while, since a list can lag.
    pub fn is_gone(&self) -> bool {
        self.phase == PhaseKind::Destroyed && self.vm.is_none()
    }

    fn of(runner: &EphemeralRunner, seen: &Snapshot, memory: &Memory) -> Self {
        let name = &runner.runner_name;
        let job = seen.working.get(name.as_str()).copied();
        RunnerRow {
            runner_name: name.clone(),
            runner_id: runner.runner_id,
            phase: runner.status.kind(),
            doing: doing(runner, job, seen, memory),
            job,
            created_at: runner.created_at,
            jobs_completed: runner.jobs_completed,
            vm: runner.vm.as_ref().map(|vm| VmStatus {
                name: vm.name.clone(),
                size: vm.size.clone(),
                resource_group: vm.group.name.clone(),
            }),
        }
    }
}

fn doing(runner: &EphemeralRunner, job: Option<JobId>, seen: &Snapshot, memory: &Memory) -> String {
    let known = memory.runners.get(&runner.runner_name);
    match &runner.status {
        Phase::Provisioning { .. } => match seen.in_flight.get(&runner.runner_name) {
            Some(Operation::Install) => "is being installed over SSH".to_owned(),
            Some(Operation::Provision { replaces: Some(old) }) => format!("is being made, to replace {old}"),
            Some(Operation::Provision { replaces: None }) => "is being made".to_owned(),
            Some(Operation::Destroy) | None if runner.vm.is_none() => "awaits its VM".to_owned(),
            Some(Operation::Destroy) | None => "boots".to_owned(),
        },
        Phase::Registered { .. } => match known.and_then(|known| known.offline_since) {
            Some(since) => format!("offline since {since}"),
            None => "idle".to_owned(),
        },
        Phase::Active { .. } => job.map_or_else(|| "runs a job".to_owned(), |job| format!("runs job {job}")),
        Phase::Draining { why } => format!("is to be removed: {why}"),
        Phase::Destroyed => "is being removed".to_owned(),
    }
}

/// The errors of this tick.
fn errors(plan: &Plan, seen: &Snapshot, memory: &Memory) -> Vec<(FleetErrorKind, String)> {
    let failures = &memory.failures;
    let starting = (failures.count > 0).then(|| {
        let again = failures.wait_left(plan.demand.metrics.timestamp);
        let next = again.map_or(String::new(), |left| format!("; next try in {}", in_words(left)));
        let stopped = if failures.is_stopped() { "stopped until somebody acts: " } else { "" };
        format!("{stopped}{} starts failed in a row: {}{next}", failures.count, failures.why)
    });
    let told = [
        (FleetErrorKind::Seeing, seen.trouble()),
        (FleetErrorKind::LeftAlone, plan.left_alone.as_ref().map(ToString::to_string)),
        (FleetErrorKind::Starting, starting),
        (FleetErrorKind::Credential, seen.expiring.clone()),
    ];
    told.into_iter().filter_map(|(about, what)| Some((about, what?))).collect()
}

fn lasting(
    errors: Vec<(FleetErrorKind, String)>,
    before: &[LastingError],
    now: Timestamp,
) -> Vec<LastingError> {
    let since = |about| before.iter().find(|error| error.about == about).map_or(now, |error| error.since);
    errors.into_iter().map(|(about, what)| LastingError { about, what, since: since(about) }).collect()
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
