//! The fleet's runners: its VMs and GitHub's entries, joined by name, each with its phase.
//!
//! No stored state is needed: names hold the age, tags hold the rest. The state only adds patience with lists
//! that lag behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{
    BrokenReason, CallErrorKind, DrainReason, EphemeralRunner, OtherGitHub, Phase, PowerState,
    ProvisioningState, RotationReason, RunnerInfo, RunnerName, RunnerStatus, StandbyTag, Vm, elapsed,
};
use crate::observe::{Operation, Working, list_lag};
use crate::plan::WORD_LASTS;
use crate::seeded_bug;
use crate::state::{FleetState, RunnerState};

/// How long a list may lack an entry after it was made.
const ENTRY_LAG: Duration = Duration::from_secs(30);

/// Both lists, read whole, and what is under way.
pub(crate) struct Observed<'a> {
    pub(crate) entries: &'a BTreeMap<RunnerName, Arc<RunnerInfo>>,
    pub(crate) vms: &'a BTreeMap<RunnerName, Arc<Vm>>,
    pub(crate) working: &'a Working,
    pub(crate) in_flight: &'a BTreeMap<RunnerName, Operation>,
    /// Since when the fleet's scale set is there, if it has one.
    pub(crate) set_made_at: Option<Timestamp>,
}

/// Every runner of the fleet that exists, is starting or is leaving, by name.
pub(crate) fn inventory(
    fleet: &Fleet,
    observed: &Observed<'_>,
    fleet_state: &FleetState,
    now: Timestamp,
) -> Vec<EphemeralRunner> {
    let Observed { vms, entries, in_flight, working, set_made_at } = observed;
    let names: BTreeSet<&RunnerName> =
        vms.keys().chain(entries.keys()).chain(in_flight.keys()).chain(fleet_state.runners.names()).collect();
    let unknown = RunnerState::default();
    names
        .into_iter()
        .filter_map(|name| {
            let view = RunnerView {
                fleet,
                name,
                vm: vms.get(name),
                entry: entries.get(name),
                working: working.contains_key(name.as_str()),
                operation: in_flight.get(name),
                known: fleet_state.runners.get(name).unwrap_or(&unknown),
                set_made_at: *set_made_at,
                now,
            };
            view.runner()
        })
        .collect()
}

/// Everything that is known of one runner.
struct RunnerView<'a> {
    fleet: &'a Fleet,
    name: &'a RunnerName,
    vm: Option<&'a Arc<Vm>>,
    entry: Option<&'a Arc<RunnerInfo>>,
    working: bool,
    operation: Option<&'a Operation>,
    known: &'a RunnerState,
    set_made_at: Option<Timestamp>,
    now: Timestamp,
}

impl RunnerView<'_> {
    fn runner(&self) -> Option<EphemeralRunner> {
        let tagged = self.vm.and_then(|vm| vm.tags.runner_id);
        Some(EphemeralRunner {
            runner_name: self.name.clone(),
            vm: self.vm.cloned(),
            runner_id: self.entry.map(|entry| entry.runner_id).or(tagged).or(self.known.runner_id),
            is_listed: self.entry.is_some(),
            created_at: self.created_at(),
            jobs_completed: if self.entry.is_some() {
                self.known.jobs.finished()
            } else {
                self.known.jobs.taken
            },
            status: self.phase()?,
        })
    }

    fn created_at(&self) -> Timestamp {
        let Some(vm) = self.vm else { return self.name.created_at() };
        let is_being_taken = || matches!(self.operation, Some(Operation::Provision { .. }));
        match self.used(vm) {
            Some(at) => at,
            None if self.standby(vm).is_some() && is_being_taken() => {
                self.known.asked_for.unwrap_or(vm.tags.created_at)
            }
            None => vm.tags.created_at,
        }
    }

    /// When its VM was taken from standby, if it was. A list may not show that yet.
    fn used(&self, vm: &Vm) -> Option<Timestamp> {
        match self.standby(vm)? {
            StandbyTag::Used(at) => Some(at),
            StandbyTag::Kept => self.known.used,
        }
    }

    /// What its VM is, if it was made for standby. A policy may have taken the tag.
    fn standby(&self, vm: &Vm) -> Option<StandbyTag> {
        vm.tags.standby.or_else(|| self.known.is_for_standby.then_some(StandbyTag::Kept))
    }

    /// Whether its VM is for standby, and has had no runner.
    fn is_kept(&self, vm: &Vm) -> bool {
        self.standby(vm).is_some() && self.used(vm).is_none()
    }

    /// Whether its VM has stopped. One that was taken from standby a moment ago was deallocated before, and a list may
    /// lag.
    fn has_stopped(&self, vm: &Vm) -> bool {
        let is_recent = |at| elapsed(at, self.now) < list_lag(self.fleet);
        let may_lag = is_deallocated(vm) && self.known.failed.is_none() && !self.known.was_online;
        vm.has_powered_off() && !(may_lag && self.used(vm).is_some_and(is_recent))
    }

    /// Whether its VM was taken from standby and never ran.
    fn never_started(&self, vm: &Vm) -> bool {
        self.used(vm).is_some() && is_deallocated(vm) && !self.known.was_online && self.has_stopped(vm)
    }

    /// How long ago it was made. A time ahead of now comes from a clock that was ahead: the distance counts.
    fn age(&self) -> Duration {
        elapsed(self.created_at(), self.now).max(elapsed(self.now, self.created_at()))
    }

    fn asked_within(&self, lag: Duration) -> bool {
        self.known.asked_for.is_some_and(|at| elapsed(at, self.now) < lag)
    }

    /// Whether a list may be older than the request for its VM.
    fn may_not_show_yet(&self) -> bool {
        self.asked_within(list_lag(self.fleet))
    }

    fn is_being_removed(&self) -> bool {
        let lag = list_lag(self.fleet);
        self.known.removal_asked.is_some_and(|at| elapsed(at, self.now) < lag)
    }

    /// The runner's phase; `None` when neither GitHub nor Azure has it any more.
    fn phase(&self) -> Option<Phase> {
        if self.known.is_gone && self.entry.is_none() {
            return None;
        }
        let is_going = self.vm.is_some_and(|vm| vm.provisioning == ProvisioningState::Deleting);
        match self.operation {
            Some(Operation::Provision { .. } | Operation::Install) => return Some(self.in_the_making()),
            Some(Operation::Destroy) => return Some(Phase::Destroyed),
            Some(Operation::Prepare | Operation::Deallocate) => return Some(self.preparing()),
            // Azure has said that there is no such VM: the entry takes no room from the next one.
            None | Some(Operation::ClearUserData)
                if self.known.is_gone && self.vm.is_none() && self.entry.is_some_and(|entry| entry.busy) =>
            {
                return Some(broken(BrokenReason::BusyWithoutVm));
            }
            None | Some(Operation::ClearUserData) if is_going || self.is_being_removed() => {
                let may_be_there = self.vm.is_some() || self.entry.is_some() || self.may_not_show_yet();
                return may_be_there.then_some(Phase::Destroyed);
            }
            None | Some(Operation::ClearUserData) => {}
        }
        match (self.vm, self.entry) {
            (None, None) if self.may_not_show_yet() && self.known.is_for_standby => Some(self.preparing()),
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

    fn preparing(&self) -> Phase {
        Phase::Preparing { since: self.created_at() }
    }

    /// The phase of a VM for standby that has had no runner.
    fn kept(&self, vm: &Vm) -> Phase {
        let limit = self.fleet.lifecycle.boot_timeout;
        // Azure tells no power of a VM that it could not make, and none while it cannot be asked.
        let untold = self.known.unregistered_since.is_some_and(|since| elapsed(since, self.now) > limit);
        let is_late = match vm.power {
            PowerState::Starting | PowerState::Running => self.age() > limit,
            PowerState::Unknown => self.age() > limit && untold,
            PowerState::Stopping
            | PowerState::Stopped
            | PowerState::Deallocating
            | PowerState::Deallocated => false,
        };
        if vm.provisioning == ProvisioningState::Withheld {
            self.preparing()
        } else if self.known.standby_since.is_some() {
            Phase::Standby
        } else if vm.provisioning == ProvisioningState::Failed {
            Phase::Draining { why: not_made(vm) }
        } else if is_late {
            broken(BrokenReason::NotPrepared { limit })
        } else {
            self.preparing()
        }
    }

    /// The phase of a runner that is being provisioned or installed, which ends by itself.
    fn in_the_making(&self) -> Phase {
        match self.entry {
            Some(entry) if entry.busy || self.working => Phase::Active { id: entry.runner_id },
            Some(entry) if entry.status == RunnerStatus::Online => Phase::Registered { id: entry.runner_id },
            _ => self.provisioning(),
        }
    }

    fn without_vm(&self, entry: &RunnerInfo) -> Phase {
        let id = entry.runner_id;
        if self.is_stuck() && entry.busy {
            broken(BrokenReason::BusyWithoutVm)
        } else if entry.busy || self.working {
            // Its job may be lost with its VM, or the list may lag. GitHub will report it.
            Phase::Active { id }
        } else if entry.status == RunnerStatus::Online {
            // It runs on a machine, whatever the list of VMs says. If that is gone, GitHub will report it.
            Phase::Registered { id }
        } else if seeded_bug!(EntriesStay, self.may_not_show_yet(), true) {
            self.provisioning()
        } else {
            broken(BrokenReason::NoVm)
        }
    }

    fn without_entry(&self, vm: &Vm) -> Phase {
        let boot_timeout = self.fleet.lifecycle.boot_timeout;
        if vm.tags.github != self.fleet.github && vm.runs_nothing() {
            broken(BrokenReason::OtherGitHub)
        } else if vm.tags.github != self.fleet.github {
            let (name, github) = (vm.name.clone(), vm.tags.github.clone());
            let other = OtherGitHub { vm: name, github, configured: self.fleet.github.clone() };
            Phase::Draining { why: DrainReason::OutOfSight(other) }
        } else if vm.tags.scope != self.fleet.scope {
            let (from, to) = (vm.tags.scope.clone(), self.fleet.scope.clone());
            Phase::Draining { why: DrainReason::Rotated(RotationReason::ScopeChanged { from, to }) }
        } else if self.is_kept(vm) {
            self.kept(vm)
        } else if self.works() && !self.has_stopped(vm) {
            let id = vm.tags.runner_id.or(self.known.runner_id);
            id.map_or_else(|| self.provisioning(), |id| Phase::Active { id })
        } else if vm.provisioning == ProvisioningState::Withheld {
            self.provisioning()
        } else if vm.provisioning == ProvisioningState::Failed && !self.known.was_online {
            Phase::Draining { why: not_made(vm) }
        } else if vm.tags.runner_id.is_some() {
            let may_lag = self.asked_within(ENTRY_LAG.min(boot_timeout)) && !self.known.entry_seen;
            if may_lag && !self.has_stopped(vm) {
                self.provisioning()
            } else if self.known.failed.is_some() && self.never_started(vm) {
                broken(BrokenReason::NotStarted)
            } else {
                Phase::Draining { why: DrainReason::Finished }
            }
        } else if self.known.ended || self.known.entry_seen || self.is_installed_and_gone() {
            Phase::Draining { why: DrainReason::Finished }
        } else if let Some(why) = &self.known.failed {
            broken(BrokenReason::InstallFailed(why.clone()))
        } else if self.has_stopped(vm) && self.known.installed.is_some() {
            Phase::Draining { why: DrainReason::Finished }
        } else if self.never_started(vm) {
            broken(BrokenReason::NotStarted)
        } else if self.has_stopped(vm) {
            broken(BrokenReason::StoppedEarly)
        } else if self.age() > boot_timeout {
            broken(BrokenReason::NotRegistered { limit: boot_timeout })
        } else {
            self.provisioning()
        }
    }

    /// Whether a queue or its VM says that it runs a job.
    fn works(&self) -> bool {
        let said = self.known.said_busy.is_some_and(|at| elapsed(at, self.now) < WORD_LASTS);
        self.working || said
    }

    /// The phase of a runner whose VM was asked to drain, and may power off at any moment.
    fn asked(&self) -> Phase {
        Phase::Draining { why: DrainReason::Asked(self.known.drain.why.clone()) }
    }

    /// Whether its entry has been busy and offline without a VM for longer than lists lag.
    fn is_stuck(&self) -> bool {
        let lag = list_lag(self.fleet);
        self.known.entry_refused.since.is_some_and(|since| elapsed(since, self.now) >= lag)
    }

    /// Whether it was registered long enough ago that every list would show it.
    fn is_installed_and_gone(&self) -> bool {
        self.known.installed.is_some_and(|at| elapsed(at, self.now) >= ENTRY_LAG)
    }

    fn with_both(&self, vm: &Vm, entry: &RunnerInfo) -> Phase {
        let id = entry.runner_id;
        if vm.provisioning == ProvisioningState::Withheld {
            return Phase::Registered { id };
        }
        if self.is_kept(vm) {
            // It was about to be taken from standby.
            let may_lag = self.asked_within(list_lag(self.fleet));
            return if may_lag { self.provisioning() } else { broken(BrokenReason::NotStarted) };
        }
        if self.never_started(vm) && vm.provisioning != ProvisioningState::Failed {
            return broken(BrokenReason::NotStarted);
        }
        if self.never_started(vm) {
            return Phase::Draining { why: not_made(vm) };
        }
        if self.has_stopped(vm) {
            // Whatever GitHub still says: what has stopped runs no job.
            return broken(BrokenReason::Stopped);
        }
        if entry.busy || self.works() {
            return Phase::Active { id };
        }
        let was_online = self.known.was_online || entry.status == RunnerStatus::Online;
        if vm.provisioning == ProvisioningState::Failed && !was_online {
            return Phase::Draining { why: not_made(vm) };
        }
        if seeded_bug!(FailedIsReplaced, false, vm.provisioning == ProvisioningState::Impaired) {
            return broken(BrokenReason::Stopped);
        }
        if let (RunnerStatus::Offline, Some(why)) = (entry.status, &self.known.failed) {
            return broken(BrokenReason::InstallFailed(why.clone()));
        }
        let (jobs, limit) = (self.known.jobs.finished(), self.fleet.lifecycle.max_job_count);
        if limit > 1 && jobs >= limit {
            return Phase::Draining { why: DrainReason::Served { jobs, limit } };
        }
        match (entry.status, self.known.offline_since) {
            _ if self.known.drain.asked.is_some() => self.asked(),
            // GitHub gives it no job of the set that is there now.
            _ if self.set_made_at.is_some_and(|made| self.created_at() < made) => {
                Phase::Draining { why: DrainReason::Rotated(RotationReason::OtherScaleSet) }
            }
            (RunnerStatus::Online, _) => Phase::Registered { id },
            (RunnerStatus::Offline, Some(since)) => {
                let (lasted, limit) = (elapsed(since, self.now), self.fleet.lifecycle.offline_timeout);
                if lasted <= limit {
                    return Phase::Registered { id };
                }
                Phase::Draining { why: DrainReason::Offline { lasted, limit } }
            }
            (RunnerStatus::Offline, None) => {
                let (age, limit) = (self.age(), self.fleet.lifecycle.boot_timeout);
                if age <= limit {
                    return self.provisioning();
                }
                Phase::Draining { why: DrainReason::BootTimeout { age, limit } }
            }
        }
    }
}

fn is_deallocated(vm: &Vm) -> bool {
    matches!(vm.power, PowerState::Deallocating | PowerState::Deallocated)
}

fn broken(why: BrokenReason) -> Phase {
    Phase::Draining { why: DrainReason::Broken(why) }
}

/// Why a VM is removed that Azure could not make.
fn not_made(vm: &Vm) -> DrainReason {
    match &vm.failure {
        Some(error)
            if matches!(
                error.kind,
                CallErrorKind::NoCapacity | CallErrorKind::NoQuota(_) | CallErrorKind::Unfit(_)
            ) =>
        {
            DrainReason::NoCapacity(error.clone())
        }
        failure => DrainReason::Broken(BrokenReason::VmFailed(failure.clone())),
    }
}

#[cfg(test)]
mod tests;
