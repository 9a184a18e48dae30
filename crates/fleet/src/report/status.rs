//! The status of the fleets, which the daemon writes after each tick and `status` shows.
//!
//! The status is plain values without secrets. docs/reference/schemas/status.schema.json documents version 1.
//! Within a version, keys may be added; no key is removed or changes its meaning.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{DaemonConfig, Fleet, ForgottenFleet};
use crate::model::{
    AzurePortal, Budgets, EphemeralRunner, JobId, NamedJob, Phase, PhaseKind, PoolName, Prices, RunnerId,
    RunnerName, WebLink, ago, counted,
};
use crate::observe::{Operation, QueueMetrics, QueuedJob, ScaleSetStatus, Snapshot};
use crate::plan::{DecisionStatus, NextLimits, Plan, RollStatus, next_limits};
use crate::report::daemon_errors::DaemonError;
use crate::report::errors::{LastingError, lasting};
use crate::report::{Cost, RecentStatus};
use crate::state::{FailingRemoval, FleetState};

/// The version of [`Status`].
pub const VERSION: u32 = 1;

/// The whole status. The daemon, which keeps the status of each fleet, shares it as `F`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status<F = FleetStatus> {
    /// The version of the format: [`VERSION`].
    pub version: u32,
    /// When the status was made.
    pub at: Timestamp,
    /// The daemon that made the status. Absent means that GitHub and Azure were read directly.
    pub daemon: Option<DaemonStatus>,
    /// Each configured fleet that has had a tick, ordered by name.
    pub fleets: Vec<F>,
    /// Files that cannot be used.
    pub bad_files: Vec<BadFileStatus>,
    /// Errors of the daemon itself.
    #[serde(default)]
    pub errors: Vec<DaemonError>,
    /// Fleets whose file is gone, and whose VMs are there. Each is an error of the daemon as well.
    #[serde(default)]
    pub forgotten: Vec<ForgottenFleet>,
    /// The rate limits of GitHub and Azure.
    pub budgets: Budgets,
}

/// The daemon that made a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The daemon's process id.
    pub pid: u32,
    /// The daemon's version.
    pub version: String,
    /// When the daemon was started.
    pub started_at: Timestamp,
    /// The configuration directory, as an absolute path.
    pub config_dir: String,
    /// When the daemon last read that directory. Files written before then are in effect, unless they are
    /// bad.
    pub read_at: Timestamp,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadFileStatus {
    /// The path of the file.
    pub file: String,
    /// All problems of the file.
    pub message: String,
    /// When it was first found bad.
    pub since: Timestamp,
}

/// A fleet, as of its last tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// The name of the fleet.
    pub pool: PoolName,
    /// The scope where its runners are registered: `repo:owner/repo`.
    pub scope: String,
    /// Whether the fleet serves jobs.
    pub enabled: bool,
    /// The tick's number, from 1.
    pub tick: u64,
    /// The time of the tick.
    pub at: Timestamp,
    /// When the next tick is due. Absent if none is planned.
    pub next_poll: Option<Timestamp>,
    /// Whether all of the fleet's jobs could be read. If not, the counts are lower bounds.
    pub jobs_known: bool,
    /// Whether the fleet's runners and VMs could be read.
    pub runners_known: bool,
    /// The counts of the fleet's jobs. Absent if nothing of them is known.
    pub jobs: Option<QueueMetrics>,
    /// The pending job that has waited longest.
    pub oldest_pending: Option<QueuedJob>,
    /// The pending jobs that have waited longest, the oldest first: at most 20.
    #[serde(default)]
    pub queued: Vec<QueuedJob>,
    /// Queued jobs of the fleet's repositories that no fleet serves, and that ask for runners like the fleet's. Each is
    /// counted for one fleet.
    #[serde(default)]
    pub unserved_jobs: u32,
    /// The runner scale set that tells the fleet of its jobs. Absent if it follows queues.
    #[serde(default)]
    pub scale_set: Option<ScaleSetStatus>,
    /// The number of runners that stay available without any job (`min_runners`).
    pub min_runners: u32,
    /// The most VMs that the fleet may have (`max_runners`).
    pub max_runners: u32,
    /// The number of VMs that stay on standby (`standby`).
    #[serde(default)]
    pub standby: u32,
    /// The count that a person set. Absent means that the queue decides.
    pub manual_count: Option<u32>,
    /// The next change of both limits by the fleet's hours. Absent if it has none.
    #[serde(default)]
    pub next_limits: Option<NextLimits>,
    /// The keys of the fleet's configuration that are from `[defaults]` of azlin.toml.
    #[serde(default)]
    pub from_defaults: BTreeSet<String>,
    /// The decision and its reason.
    pub decision: DecisionStatus,
    /// The roll that is under way, if one is.
    #[serde(default)]
    pub rolling: Option<RollStatus>,
    /// When a decision last changed the number of runners.
    pub last_scaling: Option<Timestamp>,
    /// Every runner that exists, is starting or is leaving. Absent if they are not known.
    pub runners: Option<Vec<RunnerRow>>,
    /// Lasting errors, each with its start.
    pub errors: Vec<LastingError>,
    /// Removals that have failed each time so far.
    #[serde(default)]
    pub failing_removals: Vec<RemovalRow>,
    /// How long jobs waited in the last hour and day, and which starts failed. Absent if no daemon has counted.
    #[serde(default)]
    pub recent: Option<RecentStatus>,
    /// The cost of the fleet's VMs. Absent until they have been read once.
    #[serde(default)]
    pub cost: Option<Cost>,
}

/// A runner, as a row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerRow {
    /// The name of the runner and of its VM.
    pub runner_name: RunnerName,
    /// GitHub's id of the runner, if known.
    pub runner_id: Option<RunnerId>,
    /// The runner's phase.
    pub phase: PhaseKind,
    /// What the runner does, for people.
    pub doing: String,
    /// The job that the runner runs. Present if the queue named it.
    pub job: Option<JobId>,
    /// The same job, with what it is called and its page.
    #[serde(default)]
    pub runs: Option<NamedJob>,
    /// When its VM was requested.
    pub created_at: Timestamp,
    /// Jobs that the runner has finished, as far as polls have shown them.
    pub jobs_completed: u32,
    /// The runner's VM. Absent if no list shows it.
    pub vm: Option<VmStatus>,
}

/// A runner's VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmStatus {
    /// The VM's name, as Azure spells it.
    pub name: String,
    /// The VM's size.
    pub size: String,
    /// The VM's resource group.
    pub resource_group: String,
    /// The VM's page in the Azure portal. Absent if the cloud has none.
    #[serde(default)]
    pub link: Option<WebLink>,
}

/// A removal that has failed each time so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalRow {
    /// What azlin cannot remove: the name of a runner, or the kind and the name of a part that a VM left behind.
    pub name: String,
    /// When its removal failed first.
    pub since: Timestamp,
    /// How often its removal has failed.
    pub count: u32,
    /// What the last try met.
    pub error: String,
    /// When it is tried again. Absent if the next search for parts tries.
    pub next_try: Option<Timestamp>,
}

/// What of azlin.toml shapes what is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presentation {
    /// The prices of VMs.
    pub prices: Prices,
    /// The Azure portal. Absent if the cloud has none.
    pub portal: Option<AzurePortal>,
}

impl From<&DaemonConfig> for Presentation {
    fn from(config: &DaemonConfig) -> Self {
        let portal = AzurePortal::of(&config.resource_manager_url);
        Presentation { prices: config.prices.clone(), portal }
    }
}

/// A tick: its number, its time, and the time of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The number of the tick, from 1.
    pub number: u64,
    /// The time of the tick.
    pub at: Timestamp,
    /// When the next tick is due. Absent if none is planned.
    pub next: Option<Timestamp>,
}

impl FleetStatus {
    /// The status after a tick. An error that is in `before` keeps its start.
    pub fn of(
        fleet: &Fleet,
        plan: &Plan,
        seen: &Snapshot,
        fleet_state: &FleetState,
        presentation: &Presentation,
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
            runners_known: seen.has_whole_lists(),
            jobs: plan.demand.known_metrics(),
            oldest_pending: plan.demand.oldest_pending().cloned(),
            queued: plan.demand.pending.clone(),
            unserved_jobs: plan.demand.unserved.as_ref().map_or(0, |unserved| unserved.count),
            scale_set: seen.scale_set.clone(),
            min_runners: fleet.scaling.min_runners,
            max_runners: fleet.scaling.max_runners,
            standby: fleet.warm.standby,
            manual_count: fleet.scaling.manual_count,
            next_limits: next_limits(fleet, tick.at),
            from_defaults: fleet.from_defaults.clone(),
            decision: DecisionStatus::from(&plan.decision),
            rolling: plan.roll.as_ref().map(RollStatus::from),
            last_scaling: fleet_state.scaling.at,
            runners: rows(&plan.runners, seen, fleet_state, presentation, tick.at),
            errors: lasting(fleet, plan, seen, fleet_state, before, tick.at),
            failing_removals: removals(fleet_state),
            recent: None,
            cost: Cost::of(&fleet_state.ledger, seen, &presentation.prices, fleet.vm.os_disk_size_gb),
        }
    }

    /// Updates the runners after an operation has begun or ended.
    pub fn update(
        &mut self,
        runners: &[EphemeralRunner],
        seen: &Snapshot,
        fleet_state: &FleetState,
        presentation: &Presentation,
    ) {
        self.runners = rows(runners, seen, fleet_state, presentation, self.at);
        self.failing_removals = removals(fleet_state);
    }

    /// The runners that are known.
    pub fn known_runners(&self) -> &[RunnerRow] {
        self.runners.as_deref().unwrap_or_default()
    }

    /// The number of known runners in a phase.
    pub fn count(&self, phase: PhaseKind) -> usize {
        self.known_runners().iter().filter(|runner| runner.phase == phase).count()
    }
}

impl RunnerRow {
    /// Whether Azure does not list the VM any more. The runner still counts for a while, because a list can
    /// lag.
    pub fn is_gone(&self) -> bool {
        self.phase == PhaseKind::Destroyed && self.vm.is_none()
    }

    fn of(
        runner: &EphemeralRunner,
        seen: &Snapshot,
        fleet_state: &FleetState,
        portal: Option<AzurePortal>,
        now: Timestamp,
    ) -> Self {
        let name = &runner.runner_name;
        let job = seen.working.get(name.as_str()).map(Arc::as_ref);
        RunnerRow {
            runner_name: name.clone(),
            runner_id: runner.runner_id,
            phase: runner.status.kind(),
            doing: doing(runner, job, seen, fleet_state, now),
            job: job.map(|job| job.id),
            runs: job.cloned(),
            created_at: runner.created_at,
            jobs_completed: runner.jobs_completed,
            vm: runner.vm.as_ref().map(|vm| VmStatus {
                name: vm.name.to_string(),
                size: vm.size.to_string(),
                resource_group: vm.group.name.clone(),
                link: portal.and_then(|portal| portal.vm(&vm.group, &vm.name)),
            }),
        }
    }
}

fn rows(
    runners: &[EphemeralRunner],
    seen: &Snapshot,
    fleet_state: &FleetState,
    presentation: &Presentation,
    now: Timestamp,
) -> Option<Vec<RunnerRow>> {
    let row = |runner| RunnerRow::of(runner, seen, fleet_state, presentation.portal, now);
    seen.has_whole_lists().then(|| runners.iter().map(row).collect())
}

/// Whether its VM was made for standby.
fn is_kept(runner: &EphemeralRunner) -> bool {
    runner.vm.as_ref().is_some_and(|vm| vm.tags.standby.is_some())
}

fn doing(
    runner: &EphemeralRunner,
    job: Option<&NamedJob>,
    seen: &Snapshot,
    fleet_state: &FleetState,
    now: Timestamp,
) -> String {
    let known = fleet_state.runners.get(&runner.runner_name);
    match &runner.status {
        Phase::Provisioning { .. } => match seen.in_flight.get(&runner.runner_name) {
            Some(Operation::Install) => "is being installed over SSH".to_owned(),
            Some(Operation::Provision { replaces: Some(old) }) => format!("is being made, to replace {old}"),
            Some(Operation::Provision { replaces: None })
                if is_kept(runner) || known.is_some_and(|known| known.is_for_standby) =>
            {
                "is being started from standby".to_owned()
            }
            Some(Operation::Provision { replaces: None }) => "is being made".to_owned(),
            _ if runner.vm.is_none() => "awaits its VM".to_owned(),
            _ => "boots".to_owned(),
        },
        Phase::Registered { .. } => match known.and_then(|known| known.offline_since) {
            Some(since) => format!("offline for {}", ago(since, now)),
            None => "idle".to_owned(),
        },
        Phase::Active { .. } => job.map_or_else(|| "runs a job".to_owned(), |job| format!("runs {job}")),
        Phase::Draining { why } => match fleet_state.removals.of(&runner.runner_name) {
            Some(removal) => {
                format!("is to be removed, which failed {}: {why}", counted(removal.count, "time"))
            }
            None => format!("is to be removed: {why}"),
        },
        Phase::Destroyed => "is being deleted".to_owned(),
        Phase::Preparing { .. } => match seen.in_flight.get(&runner.runner_name) {
            Some(Operation::Deallocate) => "is set up for standby, and is being deallocated".to_owned(),
            _ => "is being set up for standby".to_owned(),
        },
        Phase::Standby => "on standby: deallocated".to_owned(),
    }
}

/// What keeps failing: runners, then what the orphan collector found.
fn removals(fleet_state: &FleetState) -> Vec<RemovalRow> {
    let row = |name: &str, removal: &FailingRemoval, next_try| {
        let (count, error) = (removal.count, removal.why.clone());
        Some(RemovalRow { name: name.to_owned(), since: removal.since?, count, error, next_try })
    };
    let runners = fleet_state.removals.iter().map(|(name, one)| row(name, one, one.next_try()));
    runners.chain(fleet_state.left_behind.iter().map(|(name, one)| row(name, one, None))).flatten().collect()
}

#[cfg(test)]
mod tests;
