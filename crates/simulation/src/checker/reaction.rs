//! Whether a fleet acts on an event soon.

use std::time::Duration;

use azlin_simcloud::World;
use azlin_simcloud::github::SimJob;

use super::{CheckerState, Invariant, MINUTE};

/// In calm, a fleet that needs a VM by what events have told it asks for one within this time, and the time of its calls.
const SOON_ENOUGH: Duration = Duration::from_secs(10);
/// The most calls in a row from an event to the request for a VM, each with its answer.
pub(super) const CALLS: u32 = 8;
/// What was refused or failed before calm can hold starts back for this time.
const AFTER_A_STORM: Duration = Duration::from_secs(45 * 60);
/// The default cooldown, and how long its start may be unknown to the status.
const COOLDOWN: jiff::SignedDuration = jiff::SignedDuration::from_secs(5 * 60 + 5);
/// With more active runs a look costs so many requests that the budget may not last for each event.
const FEW_RUNS: usize = 10;
/// With this limit of provisioning operations no fleet waits for another.
const ROOMY: u32 = 10;

impl CheckerState {
    /// GitHub's event that a job waits has reached the daemon.
    pub(super) fn told_of(&mut self, job: u64) {
        self.told.insert(job);
    }

    /// Checks that no fleet without VMs has known for too long of jobs that need one.
    pub(super) fn check_reaction(&mut self, world: &World, at: Duration) {
        let calm = self.fault_schedule.calm_since(at).max(self.spent_at);
        let is_told = |job: &&SimJob| self.told.contains(&job.id);
        let queued: Vec<&SimJob> =
            world.state.github.queued.iter().filter_map(|id| world.state.github.jobs.get(id)).collect();
        let is_calm = at >= calm + AFTER_A_STORM && self.provisioning >= ROOMY && has_budget(world);
        for number in 0..self.fleets.len() {
            let mine = queued.iter().filter(|job| self.owner(world, job) == Some(number));
            let told = mine.filter(|job| is_told(job)).count();
            let plan = &self.fleets[number];
            let needed = told.div_ceil(plan.jobs_per_runner as usize).min(plan.most() as usize);
            let is_due = is_calm
                && needed > plan.scale_up_threshold() as usize
                && self.vms(world, number).next().is_none()
                && !self.cools_down(world, number)
                && at > self.crowded[number] + MINUTE;
            let since = if is_due { self.acts_since[number].unwrap_or(at) } else { at };
            self.acts_since[number] = is_due.then_some(since);
            if at > since + SOON_ENOUGH + self.answer * CALLS {
                let what = format!(
                    "{} has no VM, and has known of {told} waiting jobs for {} s",
                    plan.name,
                    (at - since).as_secs()
                );
                return self.violate(at, Invariant::Reacts, what);
            }
        }
        let github = &world.state.github;
        self.told.retain(|job| github.queued.contains(job));
    }

    /// Whether a fleet has scaled a short while ago, as its status says. Without a status it may have.
    fn cools_down(&self, world: &World, number: usize) -> bool {
        let posted = self.board.read();
        let status = posted.fleets.values().find(|status| status.pool.as_str() == self.fleets[number].name);
        let now = world.now() + self.clock_ahead;
        status
            .is_none_or(|status| status.last_scaling.is_some_and(|last| now.duration_since(last) < COOLDOWN))
    }
}

/// Whether half of GitHub's limit is left, and looks cost little: then an event need not wait.
fn has_budget(world: &World) -> bool {
    let runs: usize = world.state.github.active.values().map(std::collections::BTreeSet::len).sum();
    runs <= FEW_RUNS && world.budget().is_none_or(|budget| budget.remaining > budget.limit / 2)
}
