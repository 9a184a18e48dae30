//! Who is there: a fleet's VMs and GitHub's entries, joined by name, each with its phase.
//!
//! No stored state is needed for it: names hold their age, tags hold the rest. What memory adds is
//! patience with lists that lag behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::job::JobId;
use crate::memory::{Memory, Remembered, list_lag};
use crate::planted::{self, Bug};
use crate::ports::Trouble;
use crate::runner::{DrainReason, EphemeralRunner, Phase, RunnerInfo, RunnerStatus};
use crate::runner_name::RunnerName;
use crate::scaling::{elapsed, in_words};
use crate::snapshot::Operation;
use crate::vm::{PowerState, ProvisioningState, Vm};

/// How long an entry may be missing from a list after it was made.
const ENTRY_LAG: Duration = Duration::from_secs(30);
/// How long an entry that this daemon does not remember may lack its VM.
const ENTRY_GRACE: Duration = Duration::from_secs(180);

/// Both lists, read whole, and what is under way.
pub(crate) struct World<'a> {
    pub(crate) entries: &'a BTreeMap<RunnerName, Arc<RunnerInfo>>,
    pub(crate) vms: &'a BTreeMap<RunnerName, Arc<Vm>>,
    pub(crate) working: &'a BTreeMap<String, JobId>,
    pub(crate) in_flight: &'a BTreeMap<RunnerName, Operation>,
}

/// Every runner of the fleet that is there, is on its way, or is on its way out; by name.
pub(crate) fn roster(
    fleet: &Fleet,
    world: &World<'_>,
    memory: &Memory,
    now: Timestamp,
) -> Vec<EphemeralRunner> {
    let World { vms, entries, in_flight, working } = world;
    let names: BTreeSet<&RunnerName> =
        vms.keys().chain(entries.keys()).chain(in_flight.keys()).chain(memory.runners.keys()).collect();
    let unknown = Remembered::default();
    names
        .into_iter()
        .filter_map(|name| {
            let sight = Sight {
                fleet,
                name,
                vm: vms.get(name),
                entry: entries.get(name),
                working: working.contains_key(name.as_str()),
                operation: in_flight.get(name),
                memory: memory.runners.get(name).unwrap_or(&unknown),
                now,
            };
            sight.runner()
        })
        .collect()
}

/// Everything that is known of one runner.
struct Sight<'a> {
    fleet: &'a Fleet,
    name: &'a RunnerName,
    vm: Option<&'a Arc<Vm>>,
    entry: Option<&'a Arc<RunnerInfo>>,
    working: bool,
    operation: Option<&'a Operation>,
    memory: &'a Remembered,
    now: Timestamp,
}

impl Sight<'_> {
    fn runner(&self) -> Option<EphemeralRunner> {
        let tagged = self.vm.and_then(|vm| vm.tags.runner_id);
        Some(EphemeralRunner {
            runner_name: self.name.clone(),
            vm: self.vm.cloned(),
            runner_id: self.entry.map(|entry| entry.runner_id).or(tagged).or(self.memory.runner_id),
            is_listed: self.entry.is_some(),
            created_at: self.created_at(),
            jobs_completed: if self.entry.is_some() {
                self.memory.jobs.finished()
            } else {
                self.memory.jobs.taken
            },
            status: self.phase()?,
        })
    }

    fn created_at(&self) -> Timestamp {
        self.vm.map_or_else(|| self.name.created_at(), |vm| vm.tags.created_at)
    }

    /// How long ago it was made. What lies as far ahead was made by a clock that was ahead, and is no
    /// younger for it.
    fn age(&self) -> Duration {
        elapsed(self.created_at(), self.now).max(elapsed(self.now, self.created_at()))
    }

    fn asked_within(&self, lag: Duration) -> bool {
        self.memory.asked_for.is_some_and(|at| elapsed(at, self.now) < lag)
    }

    /// Whether a list may be as old as the time before its VM was asked for.
    fn may_not_show_yet(&self) -> bool {
        self.asked_within(list_lag(self.fleet))
    }

    fn is_being_removed(&self) -> bool {
        let lag = list_lag(self.fleet);
        self.memory.removal_asked.is_some_and(|at| elapsed(at, self.now) < lag)
    }

    /// Where the runner stands; `None` when neither side has it any more.
    fn phase(&self) -> Option<Phase> {
        let is_going = self.vm.is_some_and(|vm| vm.provisioning == ProvisioningState::Deleting);
        match self.operation {
            Some(Operation::Provision { .. } | Operation::Install) => return Some(self.in_the_making()),
            Some(Operation::Destroy) => return Some(Phase::Destroyed),
            None if is_going || self.is_being_removed() => {
                let may_be_there = self.vm.is_some() || self.entry.is_some() || self.may_not_show_yet();
                return may_be_there.then_some(Phase::Destroyed);
            }
            None => {}
        }
        match (self.vm, self.entry) {
            (None, None) if self.may_not_show_yet() => Some(self.provisioning()),
            (None, None) => None,
            (None, Some(entry)) => Some(self.without_vm(entry)),
            (Some(vm), None) => Some(self.without_entry(vm)),
            (Some(vm), Some(entry)) => Some(self.with_both(vm, entry)),
        }
    }

    fn provisioning(&self) -> Phase {
        Phase::Provisioning { since: self.created_at() }
    }

    /// Something is under way with it, which ends by itself.
    fn in_the_making(&self) -> Phase {
        match self.entry {
            Some(entry) if entry.busy || self.working => Phase::Active { id: entry.runner_id },
            Some(entry) if entry.status == RunnerStatus::Online => Phase::Registered { id: entry.runner_id },
            _ => self.provisioning(),
        }
    }

    fn without_vm(&self, entry: &RunnerInfo) -> Phase {
        let id = entry.runner_id;
        if entry.busy || self.working {
            // The job may be lost with its VM, or the list may lag. GitHub finds out.
            Phase::Active { id }
        } else if entry.status == RunnerStatus::Online {
            // It runs on a machine, whatever the list of VMs says. Where that is gone, GitHub finds out.
            Phase::Registered { id }
        } else if self.may_not_show_yet() || planted::has(Bug::EntriesStay) {
            self.provisioning()
        } else {
            Phase::Draining { why: DrainReason::Broken("its entry at GitHub has no VM".to_owned()) }
        }
    }

    fn without_entry(&self, vm: &Vm) -> Phase {
        let boot_timeout = self.fleet.lifecycle.boot_timeout;
        let broken = |why: &str| Phase::Draining { why: DrainReason::Broken(why.to_owned()) };
        if vm.tags.github != self.fleet.github && vm.is_dead() {
            broken("it was made for another GitHub, and nothing runs on its VM any more")
        } else if vm.tags.github != self.fleet.github {
            let why = format!(
                "{} was made for the GitHub at {}, and the daemon looks at {}: it is left alone; let it end there, or \
                 delete it by hand",
                vm.name, vm.tags.github, self.fleet.github
            );
            Phase::Draining { why: DrainReason::OutOfSight(why) }
        } else if vm.tags.scope != self.fleet.scope {
            let why =
                format!("it was made for {}, and the fleet is now on {}", vm.tags.scope, self.fleet.scope);
            Phase::Draining { why: DrainReason::Rotated(why) }
        } else if self.working {
            let id = vm.tags.runner_id.or(self.memory.runner_id);
            id.map_or_else(|| self.provisioning(), |id| Phase::Active { id })
        } else if vm.provisioning == ProvisioningState::Failed {
            Phase::Draining { why: not_made(vm) }
        } else if vm.tags.runner_id.is_some() {
            if self.asked_within(ENTRY_LAG.min(boot_timeout)) && !self.memory.entry_seen {
                self.provisioning()
            } else {
                Phase::Draining { why: DrainReason::Finished }
            }
        } else if self.memory.ended || self.memory.entry_seen || self.is_installed_and_gone() {
            Phase::Draining { why: DrainReason::Finished }
        } else if let Some(why) = &self.memory.failed {
            broken(why)
        } else if vm.power == PowerState::Stopped && self.memory.installed.is_some() {
            Phase::Draining { why: DrainReason::Finished }
        } else if vm.power == PowerState::Stopped {
            broken("its VM stopped before it was a runner")
        } else if self.age() > boot_timeout {
            let limit = in_words(boot_timeout);
            broken(&format!("it is no runner at GitHub though it is older than boot_timeout ({limit})"))
        } else {
            self.provisioning()
        }
    }

    /// It was registered, and so long ago that every list would show it.
    fn is_installed_and_gone(&self) -> bool {
        self.memory.installed.is_some_and(|at| elapsed(at, self.now) >= ENTRY_LAG)
    }

    fn with_both(&self, vm: &Vm, entry: &RunnerInfo) -> Phase {
        let id = entry.runner_id;
        if entry.busy || self.working {
            return Phase::Active { id };
        }
        let broken = |why: &str| Phase::Draining { why: DrainReason::Broken(why.to_owned()) };
        if vm.provisioning == ProvisioningState::Failed {
            return Phase::Draining { why: not_made(vm) };
        }
        if vm.power == PowerState::Stopped {
            return broken("its VM is stopped");
        }
        if let (RunnerStatus::Offline, Some(why)) = (entry.status, &self.memory.failed) {
            return broken(why);
        }
        let (finished, most) = (self.memory.jobs.finished(), self.fleet.lifecycle.max_job_count);
        if most > 1 && finished >= most {
            let why = format!("it has had {finished} jobs, and max_job_count is {most}");
            return Phase::Draining { why: DrainReason::Served(why) };
        }
        match (entry.status, self.memory.offline_since) {
            (RunnerStatus::Online, _) => Phase::Registered { id },
            (RunnerStatus::Offline, Some(since)) => {
                let (offline, limit) = (elapsed(since, self.now), self.fleet.lifecycle.offline_timeout);
                if offline <= limit {
                    return Phase::Registered { id };
                }
                let why = format!(
                    "offline for {}, longer than offline_timeout ({})",
                    in_words(offline),
                    in_words(limit)
                );
                Phase::Draining { why: DrainReason::Offline(why) }
            }
            (RunnerStatus::Offline, None) => {
                let (age, limit) = (self.age(), self.fleet.lifecycle.boot_timeout);
                if age <= limit {
                    return self.provisioning();
                }
                let why = format!(
                    "not online {} after it was made, longer than boot_timeout ({})",
                    in_words(age),
                    in_words(limit)
                );
                Phase::Draining { why: DrainReason::BootTimeout(why) }
            }
        }
    }
}

/// Why a VM goes that Azure could not make.
fn not_made(vm: &Vm) -> DrainReason {
    let said = vm.failure.as_ref().map_or(String::new(), |failure| format!(": {failure}"));
    let why = format!("Azure could not make its VM{said}");
    match vm.failure.as_ref().map(|failure| failure.kind) {
        Some(Trouble::NoCapacity | Trouble::NoQuota(_)) => DrainReason::NoRoom(why),
        _ => DrainReason::Broken(why),
    }
}

/// Whether a runner that drains may be removed at once, or has to wait for a list to catch up.
pub(crate) fn may_be_removed(
    fleet: &Fleet,
    runner: &EphemeralRunner,
    memory: &Memory,
    now: Timestamp,
) -> bool {
    if let Phase::Draining { why: DrainReason::OutOfSight(_) } = runner.status {
        return false;
    }
    if let (Some(vm), None) = (&runner.vm, runner.runner_id)
        && vm.tags.host_key.is_some()
        && !vm.is_dead()
    {
        // It may have been registered a moment ago, and GitHub's list, by name too, not show it yet.
        let known = memory.runners.get(&runner.runner_name);
        let since = known.and_then(|known| known.unregistered_since).unwrap_or(now);
        let age = elapsed(runner.created_at, now).max(elapsed(now, runner.created_at));
        // Nobody begins with it any more once boot_timeout is over.
        let is_over = age >= fleet.lifecycle.boot_timeout + list_lag(fleet);
        return is_over || elapsed(since, now) >= ENTRY_LAG;
    }
    let is_remembered = memory.runners.get(&runner.runner_name).is_some_and(|known| known.vm_seen);
    let grace = ENTRY_GRACE.min(fleet.lifecycle.boot_timeout);
    runner.vm.is_some() || is_remembered || elapsed(runner.created_at, now) >= grace
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
