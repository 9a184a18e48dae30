//! Which fleet a VM or a job belongs to, and whether a VM is useful. Derived from the world alone, without
//! the product's own code.

use std::time::Duration;

use azlin_simcloud::World;
use azlin_simcloud::azure::{SimVm, SimVmState};
use azlin_simcloud::github::{JobState, SimJob};

use super::{CheckerState, MINUTE};
use crate::scenario::OWNER;

impl CheckerState {
    /// The VMs of a fleet that the fleet made.
    pub(super) fn vms<'w>(&'w self, world: &'w World, number: usize) -> impl Iterator<Item = &'w SimVm> {
        let name = self.fleets[number].name;
        let is_mine = move |vm: &&SimVm| pool(&vm.name) == Some(name) && !self.bystanders.has_name(&vm.name);
        world.state.azure.vms.values().filter(is_mine)
    }

    /// Whether a fleet's runners can run a job.
    pub(super) fn can_run(&self, world: &World, number: usize, job: &SimJob) -> bool {
        let plan = &self.fleets[number];
        let own = ["self-hosted", "linux", "x64"];
        let offered =
            |wanted: &String| own.iter().chain(&plan.labels).any(|label| label.eq_ignore_ascii_case(wanted));
        let repo = || world.state.github.runs.get(&job.run)?.repo.split_once('/');
        let is_ours = |(owner, repo): (&str, &str)| {
            owner.eq_ignore_ascii_case(OWNER) && repo.eq_ignore_ascii_case(plan.repo)
        };
        // All runners are in the default group. A job without labels goes by its group alone.
        let is_for_us = job.group == Some(1) || job.group.is_none() && !job.labels.is_empty();
        // The labels first: of a flood's jobs they show most quickly that no fleet can run them.
        is_for_us && job.labels.iter().all(offered) && (plan.is_of_account || repo().is_some_and(is_ours))
    }

    /// The fleet that must serve a job; `None` where no fleet certainly will.
    pub(super) fn owner(&self, world: &World, job: &SimJob) -> Option<usize> {
        if job.labels.is_empty() {
            return None;
        }
        // GitHub has chosen.
        if let Some(set) = job.scale_set.and_then(|id| world.scale_sets.sets.get(&id)) {
            let owner = self.fleets.iter().position(|plan| plan.name == set.name)?;
            let plan = &self.fleets[owner];
            return (plan.is_present && plan.enabled && plan.manual.is_none()).then_some(owner);
        }
        let able = (0..self.fleets.len()).filter(|number| {
            let plan = &self.fleets[*number];
            plan.is_present && plan.enabled && self.can_run(world, *number, job)
        });
        let not_asked_for = |number: &usize| {
            let plan = &self.fleets[*number];
            let is_asked = |label: &&str| job.labels.iter().any(|wanted| wanted.eq_ignore_ascii_case(label));
            // A scale set is given a job before a queue shows it to others.
            (!plan.has_scale_set, plan.labels.iter().filter(|label| !is_asked(label)).count(), plan.name)
        };
        let owner = able.min_by_key(not_asked_for)?;
        // A fleet with a manual count starts no runner for a job.
        self.fleets[owner].manual.is_none().then_some(owner)
    }
}

/// The fleet in the name of a VM. A policy may have stripped its tags.
pub(super) fn pool(vm: &str) -> Option<&str> {
    vm.rsplit_once('-').map(|(pool, _)| pool)
}

/// Jobs that wait or run.
pub(super) fn open_jobs(world: &World) -> impl Iterator<Item = &SimJob> {
    let github = &world.state.github;
    let runs = github.active.values().flatten().filter_map(|id| github.runs.get(id));
    let jobs = runs.flat_map(|run| &run.jobs).filter_map(|id| github.jobs.get(id));
    jobs.filter(|job| !matches!(job.state, JobState::Completed(_)))
}

pub(super) fn age(world: &World, vm: &SimVm) -> Duration {
    Duration::try_from(world.now().duration_since(vm.created_at)).unwrap_or_default()
}

/// Whether a VM works, boots, or is being deleted.
pub(super) fn is_useful(world: &World, vm: &SimVm) -> bool {
    let entry = vm.runner.and_then(|id| world.state.github.runners.get(&id));
    vm.state == SimVmState::Deleting
        || vm.is_on_standby()
        || age(world, vm) < 12 * MINUTE
        // GitHub reports a runner that was lost in its job as busy for a while.
        || entry.is_some_and(|entry| entry.online || entry.job.is_some())
}
