//! What one fleet sees of the world in one tick.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{
    JobId, JobStatus, PoolName, Queue, ResourceGroup, RunnerInfo, RunnerName, Vm, runner_name,
};
use crate::observe::{Demand, SlowedPolling};
use crate::planted::{self, Bug};

/// How long a list may lack a VM that was asked for, or still show one that was removed. A fleet whose VMs have to be
/// up within minutes is in a quicker cloud.
pub(crate) fn list_lag(fleet: &Fleet) -> Duration {
    if planted::has(Bug::ListsAreTrue) {
        return Duration::ZERO;
    }
    Duration::from_secs(120).min(fleet.lifecycle.boot_timeout / 2)
}

/// Something that was read whole, or why it was not: there is no third.
pub type Seen<T> = Result<T, String>;

/// What one fleet sees of the world in one tick.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its jobs.
    pub demand: Seen<Demand>,
    /// GitHub's entries of its runners.
    pub entries: Seen<BTreeMap<RunnerName, Arc<RunnerInfo>>>,
    /// Its VMs.
    pub vms: Seen<BTreeMap<RunnerName, Arc<Vm>>>,
    /// Resource groups beside its own that could not be read, and why. VMs may be left there.
    pub unread: BTreeMap<ResourceGroup, String>,
    /// Running jobs by the name of the runner that they say they run on.
    pub working: BTreeMap<String, JobId>,
    /// Whether looks are rarer than they should be.
    pub slowed: Option<SlowedPolling>,
    /// What is to be said of a token that ends.
    pub expiring: Option<String>,
    /// What the daemon is doing with its runners this moment.
    pub in_flight: BTreeMap<RunnerName, Operation>,
}

impl Snapshot {
    /// What could not be read, in a sentence; the same trouble once.
    pub fn trouble(&self) -> Option<String> {
        let troubles = [self.demand.as_ref().err(), self.entries.as_ref().err(), self.vms.as_ref().err()];
        let left = self.unread.iter().map(|(group, why)| {
            format!(
                "VMs may be left in {group}, which cannot be read: {why}; let the daemon read it, or delete the fleet's \
                 file in the state directory once none is left there"
            )
        });
        let missing = self.demand.iter().flat_map(|demand| &demand.missing);
        let mut told: Vec<&str> = Vec::new();
        for trouble in troubles.into_iter().flatten().chain(missing) {
            if !told.contains(&trouble.as_str()) {
                told.push(trouble);
            }
        }
        let told: Vec<String> = told.into_iter().map(str::to_owned).chain(left).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// Something that the daemon has under way with a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// It is being made.
    Provision {
        /// The runner that it is to take the place of.
        replaces: Option<RunnerName>,
    },
    /// Its VM is there, and is being made a runner over SSH.
    Install,
    /// It is being removed.
    Destroy,
}

/// Entries of a scope by the prefix of their names, so that each fleet takes its own without
/// reading all.
pub fn entries_by_prefix(entries: Vec<RunnerInfo>) -> BTreeMap<String, Vec<Arc<RunnerInfo>>> {
    let mut shared = BTreeMap::<String, Vec<Arc<RunnerInfo>>>::new();
    for entry in entries {
        if let Some((prefix, _)) = entry.runner_name.rsplit_once('-') {
            shared.entry(prefix.to_owned()).or_default().push(Arc::new(entry));
        }
    }
    shared
}

/// The entries that the fleet's own names mark as its own.
pub fn entries_of(
    fleet: &Fleet,
    shared: &BTreeMap<String, Vec<Arc<RunnerInfo>>>,
) -> BTreeMap<RunnerName, Arc<RunnerInfo>> {
    let candidates = shared.get(&runner_name::prefix(&fleet.name)).into_iter().flatten();
    let named = |entry: &Arc<RunnerInfo>| {
        Some((RunnerName::of_pool(&fleet.name, &entry.runner_name)?, Arc::clone(entry)))
    };
    candidates.filter_map(named).collect()
}

/// VMs by the fleet that their tags name.
pub fn vms_by_pool(vms: Vec<Vm>) -> BTreeMap<PoolName, BTreeMap<RunnerName, Arc<Vm>>> {
    let mut shared = BTreeMap::<PoolName, BTreeMap<RunnerName, Arc<Vm>>>::new();
    for vm in vms {
        let own = match shared.get_mut(&vm.tags.pool) {
            Some(own) => own,
            None => shared.entry(vm.tags.pool.clone()).or_default(),
        };
        own.insert(vm.tags.runner_name.clone(), Arc::new(vm));
    }
    shared
}

/// Running jobs by the name of their runner, by what the jobs say.
pub fn working(queue: &Queue) -> BTreeMap<String, JobId> {
    let running = queue.jobs.iter().filter(|job| job.status == JobStatus::InProgress);
    running.filter_map(|job| Some((job.runner_name.clone()?, job.id))).collect()
}

/// A fleet's demand where the queue could not be read: no jobs, known to be a lower bound.
pub fn unknown_demand(why: &str, now: Timestamp) -> Demand {
    Demand { missing: vec![why.to_owned()], ..Demand::none(now) }
}

#[cfg(test)]
mod tests;
