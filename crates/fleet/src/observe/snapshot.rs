//! What one fleet observes in one tick: its demand, its runners and VMs, and what the daemon has under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{
    ForeignText, Job, JobStatus, NamedJob, PoolName, Queue, ResourceGroup, RunnerInfo, RunnerName, Scope, Vm,
    counted, runner_name,
};
use crate::observe::{Demand, ScaleSetStatus, SlowedPolling};
use crate::seeded_bug;

/// How long a list may lack a VM that was asked for, or still show one that was removed. A fleet whose VMs have to be
/// up within minutes is in a quicker cloud.
pub(crate) fn list_lag(fleet: &Fleet) -> Duration {
    let lag = Duration::from_secs(120).min(fleet.lifecycle.boot_timeout / 2);
    seeded_bug!(ListsAreTrue, lag, Duration::ZERO)
}

/// Something that was read whole, or why it was not. There is no third case.
pub type Seen<T> = Result<T, String>;

/// Running jobs by the name of the runner that they say they run on.
pub type Working = BTreeMap<ForeignText, Arc<NamedJob>>;

/// What a source of demand shows of one fleet's jobs.
///
/// This is the seam between the source and the plan: a snapshot takes nothing else of it. The queues of the fleet's
/// repositories are one source, and the session of a runner scale set is the other.
#[derive(Debug, Clone)]
pub struct ObservedDemand {
    /// How many jobs there are and which waits longest; the error says why nothing is known.
    pub demand: Seen<Demand>,
    /// Running jobs by the name of the runner that they say they run on.
    pub working: Working,
    /// The scale set that shows it, if one does.
    pub scale_set: Option<ScaleSetStatus>,
}

/// The lists of runners and VMs, as far as they are one fleet's. They are read together, since they are compared.
#[derive(Debug, Clone)]
pub struct Lists {
    /// GitHub's entries of its runners.
    pub entries: Seen<BTreeMap<RunnerName, Arc<RunnerInfo>>>,
    /// Its VMs.
    pub vms: Seen<BTreeMap<RunnerName, Arc<Vm>>>,
    /// Resource groups beside its own that could not be read, and why. VMs may be left there.
    pub unread: BTreeMap<ResourceGroup, String>,
}

/// What one fleet observes in one tick.
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
    pub working: Working,
    /// The scale set that shows its jobs, if one does.
    pub scale_set: Option<ScaleSetStatus>,
    /// Set while polls are rarer than configured.
    pub slowed: Option<SlowedPolling>,
    /// The warning about a token that ends soon.
    pub expiring: Option<String>,
    /// What the daemon has under way with its runners at this moment.
    pub in_flight: BTreeMap<RunnerName, Operation>,
}

impl Snapshot {
    /// What was observed; nothing is under way.
    pub fn new(ObservedDemand { demand, working, scale_set }: ObservedDemand, lists: Lists) -> Self {
        let Lists { entries, vms, unread } = lists;
        let in_flight = BTreeMap::new();
        Snapshot { demand, entries, vms, unread, working, scale_set, slowed: None, expiring: None, in_flight }
    }

    /// Says that GitHub counts more runners of the scope than it lists, and that the list is used nevertheless.
    pub fn note_uncounted(&mut self, scope: &Scope, count: u64) {
        if let Ok(demand) = &mut self.demand {
            demand.notes.push(format!(
                "GitHub counts {} of {scope} more than it lists, by the same number in look after look: the list is used",
                counted(count, "runner")
            ));
        }
    }

    /// Whether both lists, of runners and of VMs, were read whole.
    pub fn has_whole_lists(&self) -> bool {
        self.entries.is_ok() && self.vms.is_ok()
    }

    /// The lists of runners and VMs.
    pub fn lists(&self) -> Lists {
        Lists { entries: self.entries.clone(), vms: self.vms.clone(), unread: self.unread.clone() }
    }

    /// What could not be read, in one sentence; each reason once.
    pub fn trouble(&self) -> Option<String> {
        let troubles = [self.demand.as_ref().err(), self.entries.as_ref().err(), self.vms.as_ref().err()];
        let left = self.unread.iter().map(|(group, why)| {
            format!(
                "VMs may be left in {group}, which cannot be read: {why}; let the daemon read it, or delete the fleet's \
                 file in the state directory once none is left there"
            )
        });
        let missing = self.demand.iter().flat_map(|demand| &demand.missing);
        let mut reasons: Vec<&str> = Vec::new();
        for trouble in troubles.into_iter().flatten().chain(missing) {
            if !reasons.contains(&trouble.as_str()) {
                reasons.push(trouble);
            }
        }
        let reasons: Vec<String> = reasons.into_iter().map(str::to_owned).chain(left).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// What the daemon has under way with a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The runner and its VM are being created.
    Provision {
        /// The runner that it replaces.
        replaces: Option<RunnerName>,
    },
    /// The VM exists, and the runner is being installed over SSH.
    Install,
    /// The runner and its VM are being removed.
    Destroy,
    /// A VM is being created for standby.
    Prepare,
    /// A VM is being deallocated for standby.
    Deallocate,
    /// The user data of its VM are being removed.
    ClearUserData,
}

/// Entries of a scope by the prefix of their names, so that each fleet finds its own without a search through all.
pub fn entries_by_prefix(entries: Vec<RunnerInfo>) -> BTreeMap<String, Vec<Arc<RunnerInfo>>> {
    let mut shared = BTreeMap::<String, Vec<Arc<RunnerInfo>>>::new();
    for entry in entries {
        if let Some((prefix, _)) = entry.runner_name.rsplit_once('-') {
            shared.entry(prefix.to_owned()).or_default().push(Arc::new(entry));
        }
    }
    shared
}

/// The entries whose names say that they are the fleet's.
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

/// Jobs by the name of the runner that they say they run on. GitHub shows some as queued for a while after it has given
/// them to a runner.
pub fn working(queue: &Queue) -> Working {
    let has_begun = |job: &&Job| matches!(job.status, JobStatus::InProgress | JobStatus::Queued);
    let running = queue.jobs.iter().filter(has_begun);
    running.filter_map(|job| Some((job.runner_name.clone()?, Arc::new(job.into())))).collect()
}

/// A fleet's demand when the queue could not be read: no jobs, marked as a lower bound.
pub fn unknown_demand(why: &str, now: Timestamp) -> Demand {
    Demand { missing: vec![why.to_owned()], ..Demand::none(now) }
}

#[cfg(test)]
mod tests;
