//! Whether VMs that work are replaced without need.

use std::time::Duration;

use azlin_simcloud::World;
use azlin_simcloud::azure::{SimVm, SimVmState};
use azlin_simcloud::github::SimRunner;

use super::ownership::age;
use super::{CheckerState, Invariant, MINUTE, SOON};

/// What was decided before calm can still have its effect for this time.
const AFTER_A_STORM: Duration = Duration::from_secs(15 * 60);

impl CheckerState {
    /// Checks that a VM which is asked to drain, or deleted without a word, does not work for a fleet that has no more
    /// working VMs than its minimum: whatever removes it makes another in its place.
    pub(super) fn check_churn(&mut self, world: &World, at: Duration, name: &str) {
        let calm = self.fault_schedule.calm_since(at).max(self.spent_at);
        if at < calm + AFTER_A_STORM {
            return;
        }
        let mine = |number: &usize| self.vms(world, *number).any(|vm| vm.name == name);
        let Some(number) = (0..self.fleets.len()).find(mine) else { return };
        let plan = &self.fleets[number];
        let Some(vm) = self.vms(world, number).find(|vm| vm.name == name) else { return };
        let made_at = Duration::try_from(vm.created_at.duration_since(world.began_at())).unwrap_or_default();
        let is_outdated = made_at < self.edited[number];
        let is_due = age(world, vm) + SOON > MINUTE * u32::try_from(plan.rotation_min).unwrap_or(u32::MAX);
        if !plan.is_present
            || !plan.enabled
            || is_outdated
            || is_due
            || !works(world, vm)
            || has_served(world, vm)
        {
            return;
        }
        // One that was asked to drain and has begun a job stays until that has ended.
        let is_busy = |vm: &SimVm| {
            let entry = vm.runner.and_then(|id| world.state.github.runners.get(&id));
            entry.is_some_and(SimRunner::is_busy)
        };
        let is_asked =
            |vm: &SimVm| self.deleted.contains(&vm.name) || self.asked.contains_key(&vm.name) && !is_busy(vm);
        let others =
            self.vms(world, number).filter(|vm| vm.name != name && works(world, vm) && !is_asked(vm));
        let (others, wanted) = (others.count(), plan.at_rest() as usize);
        if others < wanted {
            let what = format!(
                "{name} works, and {} needs it: {others} others do, and {wanted} are its minimum",
                plan.name
            );
            self.violate(at, Invariant::NoChurn, what);
        }
    }
}

/// Whether GitHub sees a VM's runner as online, and the VM runs.
fn works(world: &World, vm: &SimVm) -> bool {
    let entry = vm.runner.and_then(|id| world.state.github.runners.get(&id));
    vm.is_running() && vm.state != SimVmState::Deleting && entry.is_some_and(|entry| entry.online)
}

/// Whether a VM's runner has or had a job: after its last one it is replaced.
fn has_served(world: &World, vm: &SimVm) -> bool {
    let is_its = |id: u64| Some(id) == vm.runner;
    world.state.github.jobs.values().any(|job| job.runner.as_ref().is_some_and(|(id, _)| is_its(*id)))
}
