//! VMs on standby: which are made, deallocated, started and removed.
//!
//! A VM that was made for standby sets itself up and powers off. Then it is deallocated, and costs its disk alone. Until
//! then it runs, so it takes room of `max_runners`; after that it counts towards `standby` alone. One that was given a
//! runner is never on standby again.

use std::collections::BTreeSet;

use crate::model::{
    Action, DrainReason, EphemeralRunner, Offering, Outdated, Phase, PowerState, ProvisioningState,
    RunnerName, ScalingReason, StandbySurplus, StandbyTag, StandbyVm, StartReason, Vm, elapsed,
};
use crate::observe::{Operation, list_lag};

use super::PlanBuilder;

impl<'a> PlanBuilder<'a> {
    /// Starts the runners that are wanted: from standby first, then with new VMs.
    pub(super) fn add(&mut self, why: &ScalingReason, tries: usize) {
        let wanted = why.target.saturating_sub(why.available) as usize;
        let ready = self.ready_on_standby();
        let mut ready = ready.into_iter();
        for _ in 0..wanted.min(tries).min(self.headroom) {
            let reason = StartReason::Scaling(why.clone());
            match ready.next() {
                Some((standby, place)) => {
                    let (replaces, offerings) = (None, vec![place]);
                    self.actions.push(Action::Provision {
                        replaces,
                        standby: Some(standby),
                        offerings,
                        reason,
                    });
                }
                None => self.provision(None, reason),
            }
        }
    }

    /// The VMs on standby that can be started, the oldest first, each with its place.
    fn ready_on_standby(&self) -> Vec<(StandbyVm, Offering)> {
        let mut ready: Vec<&EphemeralRunner> = self
            .runners
            .iter()
            .filter(|runner| runner.status == Phase::Standby && self.is_settled(&runner.runner_name))
            .filter(|runner| self.rotation.outdated(runner) != Some(Outdated::OtherConfiguration))
            .collect();
        ready.sort_by_key(|runner| runner.created_at);
        let is_open =
            |place: &Offering| self.fleet_state.capacity.unavailable(self.fleet, place, self.now).is_none();
        ready
            .into_iter()
            .filter_map(|runner| Some((of(runner)?, Offering::of(runner.vm.as_ref()?))))
            .filter(|(_, place)| is_open(place))
            .collect()
    }

    /// Whether nothing is under way with a VM, and no deallocation may come late.
    fn is_settled(&self, name: &RunnerName) -> bool {
        let asked = self.fleet_state.runners.get(name).and_then(|known| known.deallocation_asked);
        let may_come = asked.is_some_and(|at| elapsed(at, self.now) < list_lag(self.fleet));
        !may_come && !self.is_left_for_now(name)
    }

    /// Keeps as many VMs on standby as the fleet's file says. New ones are made only where `may_prepare`.
    pub(super) fn keep_standby(&mut self, may_prepare: bool) {
        let wanted = if self.fleet.enabled { self.fleet.warm.standby as usize } else { 0 };
        let taken: BTreeSet<RunnerName> = self.actions.iter().filter_map(taken).cloned().collect();
        let all: Vec<&'a EphemeralRunner> = self
            .runners
            .iter()
            .filter(|runner| matches!(runner.status, Phase::Standby | Phase::Preparing { .. }))
            .filter(|runner| !taken.contains(&runner.runner_name))
            .collect();
        if wanted == 0 && all.is_empty() {
            return;
        }
        let removed = self.remove_from_standby(&all, wanted);
        self.deallocate(&all, &removed, wanted);
        if may_prepare {
            let kept: Vec<&EphemeralRunner> =
                all.into_iter().filter(|runner| !removed.contains(&runner.runner_name)).collect();
            self.prepare(&kept, wanted);
        }
    }

    /// Removes VMs that are off and too many: outdated ones first, then the oldest.
    fn remove_from_standby(
        &mut self,
        all: &[&'a EphemeralRunner],
        wanted: usize,
    ) -> BTreeSet<&'a RunnerName> {
        let mut off: Vec<&'a EphemeralRunner> = all.iter().copied().filter(|runner| is_off(runner)).collect();
        let surplus = off.len().saturating_sub(wanted);
        off.sort_by_key(|runner| (self.rotation.outdated(runner).is_none(), runner.created_at));
        let mut removed = BTreeSet::new();
        for runner in off.into_iter().take(surplus) {
            let why = match self.rotation.outdated(runner) {
                Some(why) if wanted > 0 => StandbySurplus::Outdated(why),
                _ => StandbySurplus::TooMany { standby: super::count(wanted) },
            };
            removed.insert(&runner.runner_name);
            self.destroy(runner, DrainReason::Standby(why));
        }
        removed
    }

    /// Deallocates VMs once they have been set up, as far as that makes no more than `wanted`.
    fn deallocate(&mut self, all: &[&'a EphemeralRunner], removed: &BTreeSet<&RunnerName>, wanted: usize) {
        let there = self.runners.iter().filter(|runner| self.is_deallocated(runner)).count();
        let is_due = |runner: &&&EphemeralRunner| {
            let name = &runner.runner_name;
            let is_in_time = elapsed(runner.created_at, self.now) < self.fleet.lifecycle.boot_timeout;
            let is_kept = |vm: &Vm| match vm.power {
                PowerState::Deallocating | PowerState::Deallocated => false,
                PowerState::Stopping | PowerState::Stopped => true,
                // The operation waits until it has powered off.
                PowerState::Starting | PowerState::Running | PowerState::Unknown => is_in_time,
            };
            runner.vm.as_ref().is_some_and(|vm| is_kept(vm) && vm.provisioning != ProvisioningState::Withheld)
                && runner.status != Phase::Standby
                && !removed.contains(name)
                && self.is_settled(name)
        };
        let due: Vec<StandbyVm> = all
            .iter()
            .filter(is_due)
            .filter_map(|runner| of(runner))
            .take(wanted.saturating_sub(there))
            .collect();
        self.actions.extend(due.into_iter().map(Action::Deallocate));
    }

    /// Makes VMs for standby: as many as are missing, or one more to take the place of an outdated one.
    fn prepare(&mut self, kept: &[&EphemeralRunner], wanted: usize) {
        let missing = wanted.saturating_sub(kept.len());
        let is_coming = |runner: &&EphemeralRunner| matches!(runner.status, Phase::Preparing { .. });
        let is_outdated = |runner: &&EphemeralRunner| self.rotation.outdated(runner).is_some();
        let replaces = missing == 0
            && kept.len() == wanted
            && kept.iter().any(is_outdated)
            && !kept.iter().any(is_coming);
        let started = self.actions.iter().filter(|action| matches!(action, Action::Provision { .. })).count();
        let room = self.headroom.saturating_sub(started);
        for _ in 0..(missing + usize::from(replaces)).min(room) {
            let offerings = self.placement.offerings(self.fleet, &mut self.vms);
            self.actions.push(Action::Prepare { offerings, standby: super::count(wanted) });
        }
    }

    /// Removes the user data of VMs that were taken from standby once their runners are online: they hold the JIT
    /// configuration, which nothing needs any more.
    pub(super) fn clear_user_data(&mut self) {
        let is_due = |runner: &&EphemeralRunner| {
            let name = &runner.runner_name;
            let known = self.fleet_state.runners.get(name);
            let was_used = |vm: &Vm| matches!(vm.tags.standby, Some(StandbyTag::Used(_)));
            let is_used = known.is_some_and(|known| known.used.is_some())
                || runner.vm.as_ref().is_some_and(|vm| was_used(vm));
            runner.is_online()
                && is_used
                && !known.is_some_and(|known| known.is_user_data_cleared)
                && !self.is_left_for_now(name)
                && !self.removed.contains(name)
        };
        let due: Vec<StandbyVm> = self.runners.iter().filter(is_due).filter_map(of).collect();
        self.actions.extend(due.into_iter().map(Action::ClearUserData));
    }

    /// Whether the VM is deallocated, or is about to be, and is still there. Not each list tells of power, and one that was
    /// taken from standby a moment ago may not run yet, or never.
    fn is_deallocated(&self, runner: &EphemeralRunner) -> bool {
        if let Some(Operation::Deallocate) = self.seen.in_flight.get(&runner.runner_name) {
            return true;
        }
        let known = self.fleet_state.runners.get(&runner.runner_name);
        let was_online = known.is_some_and(|known| known.was_online);
        let is_off = |vm: &Vm| match vm.tags.standby {
            Some(StandbyTag::Used(_)) => !was_online,
            Some(StandbyTag::Kept) => {
                matches!(vm.power, PowerState::Deallocating | PowerState::Deallocated)
            }
            None => false,
        };
        let was_off = known
            .is_some_and(|known| known.standby_since.is_some() || known.used.is_some() && !known.was_online);
        let is_there = |vm: &Vm| vm.provisioning != ProvisioningState::Deleting;
        runner.status == Phase::Standby
            || runner.vm.as_ref().is_some_and(|vm| is_there(vm) && (was_off || is_off(vm)))
    }
}

/// The VM that an action takes from standby.
fn taken(action: &Action) -> Option<&RunnerName> {
    match action {
        Action::Provision { standby: Some(standby), .. } => Some(&standby.runner),
        Action::Provision { standby: None, .. }
        | Action::Install(_)
        | Action::Destroy(_)
        | Action::Prepare { .. }
        | Action::Deallocate(_)
        | Action::ClearUserData(_) => None,
    }
}

/// Whether a VM for standby has been set up, as far as lists show.
fn is_off(runner: &EphemeralRunner) -> bool {
    let is_stopped = || runner.vm.as_ref().is_some_and(|vm| vm.power.is_off());
    runner.status == Phase::Standby || is_stopped()
}

fn of(runner: &EphemeralRunner) -> Option<StandbyVm> {
    let vm = runner.vm.as_ref()?;
    let vm = (vm.group.clone(), vm.name.clone());
    Some(StandbyVm { runner: runner.runner_name.clone(), vm, created_at: runner.created_at })
}
