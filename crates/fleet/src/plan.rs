//! What a fleet does next: a pure function of (fleet, snapshot, memory, now).
//!
//! Invariants that it keeps, each tested as a property:
//! - a busy runner is never acted upon, unless its fleet's file says to end running jobs;
//! - the fleet never has more than `max_runners` VMs, whatever is added;
//! - what was not read whole never leads to a removal;
//! - every action has a reason, and the plan of one snapshot is always the same.

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use crate::action::{Action, Deregister, Destroy, Install, Outcome};
use crate::config::Fleet;
use crate::demand::Demand;
use crate::memory::{Memory, list_lag};
use crate::room::{NoRoom, Room};
use crate::roster::{World, may_be_removed, roster};
use crate::rotation::{Rotation, Step};
use crate::runner::{DrainReason, EphemeralRunner, Phase};
use crate::runner_name::RunnerName;
use crate::scaling::{Load, Rule, ScalingAction, ScalingDecision, Timing, elapsed, in_words, scale};
use crate::seeded_bug;
use crate::snapshot::{Snapshot, unknown_demand};
use crate::vm::Vm;

/// What a fleet does next, and what it looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How many runners there should be, and why.
    pub decision: ScalingDecision,
    /// The jobs that the decision is about.
    pub demand: Demand,
    /// Who is there; empty when it could not be read.
    pub runners: Vec<EphemeralRunner>,
    /// What to do. Each is idempotent, and none depends on another.
    pub actions: Vec<Action>,
    /// Whether the decision itself led to some of them: a scaling action, which begins a cooldown.
    pub scales: bool,
    /// What nothing is done about and a person must look at, in a sentence.
    pub left_alone: Option<String>,
    /// Whether Azure has no room for another VM of the fleet anywhere.
    pub no_room: Option<NoRoom>,
}

/// Plans a fleet's next step.
pub fn plan(fleet: &Fleet, seen: &Snapshot, memory: &Memory, now: Timestamp) -> Plan {
    let demand = seen.demand.clone().unwrap_or_else(|why| unknown_demand(&why, now));
    let (entries, vms) = match (&seen.entries, &seen.vms) {
        (Ok(entries), Ok(vms)) => (entries, vms),
        (Err(why), _) | (_, Err(why)) => return hold(demand, why),
    };
    let world = World { entries, vms, working: &seen.working, in_flight: &seen.in_flight };
    let found = roster(fleet, &world, memory, now);
    let rotation = Rotation::of(fleet, &found, &seen.in_flight, memory, now);
    let room = Room::of(fleet, &memory.places, memory.failures.count, now);
    let actions = Vec::new();
    let mut draft =
        Draft { fleet, seen, memory, now, runners: &found, rotation: &rotation, room: &room, actions };

    draft.remove_what_drains();
    draft.finish_rotations();
    let mut decision = draft.decide(&demand);
    let wait = memory.failures.wait_left(now);
    let may_start = wait.is_none() && room.is_somewhere();
    let before = draft.actions.len();
    match decision.action {
        ScalingAction::ScaleUp if may_start => draft.add(&decision),
        ScalingAction::ScaleDown => draft.remove_surplus(&decision),
        ScalingAction::Maintain if may_start => draft.rotate(&decision),
        ScalingAction::ScaleUp | ScalingAction::Maintain => {}
    }
    let scales = decision.action != ScalingAction::Maintain && draft.actions.len() > before;
    draft.install();
    draft.kill();
    if let Some(left) = wait {
        let failures = &memory.failures;
        let (count, why, left) = (failures.count, &failures.why, in_words(left));
        let stopped = if failures.is_stopped() { "; stopped until somebody acts" } else { "" };
        decision.reason += &format!(
            "{stopped}; starting none for another {left}, since starts failed ({count} in a row): {why}"
        );
    }
    let no_room = room.none();
    if let (ScalingAction::ScaleUp, Some(none)) = (decision.action, &no_room) {
        decision.reason += &format!("; {}; next try in {}", none.why, in_words(elapsed(now, none.until)));
    }
    if let Some(slowed) = &seen.slowed {
        decision.reason += &format!("; {slowed}");
    }
    let left_alone = draft.left_alone();
    for said in demand.missing.iter().chain(&demand.notes).chain(&left_alone) {
        decision.reason += &format!("; {said}");
    }
    let actions = draft.actions;
    Plan { decision, demand, actions, runners: found, scales, left_alone, no_room }
}

/// Who is there, by what was seen last and by what is under way since; nobody where it could not be
/// read.
pub fn runners(fleet: &Fleet, seen: &Snapshot, memory: &Memory, now: Timestamp) -> Vec<EphemeralRunner> {
    let (Ok(entries), Ok(vms)) = (&seen.entries, &seen.vms) else { return Vec::new() };
    let world = World { entries, vms, working: &seen.working, in_flight: &seen.in_flight };
    roster(fleet, &world, memory, now)
}

/// The plan when a list could not be read: nothing, since half a view kills jobs.
fn hold(demand: Demand, why: &str) -> Plan {
    let decision = ScalingDecision {
        action: ScalingAction::Maintain,
        target_runner_count: 0,
        current_runner_count: 0,
        rule: Rule::PartlyKnown,
        reason: format!("nothing is changed until all can be seen again: {why}"),
    };
    Plan {
        decision,
        demand,
        runners: Vec::new(),
        actions: Vec::new(),
        scales: false,
        left_alone: None,
        no_room: None,
    }
}

/// A plan in the making.
struct Draft<'a> {
    fleet: &'a Fleet,
    seen: &'a Snapshot,
    memory: &'a Memory,
    now: Timestamp,
    runners: &'a [EphemeralRunner],
    rotation: &'a Rotation<'a>,
    room: &'a Room,
    actions: Vec<Action>,
}

impl<'a> Draft<'a> {
    /// Runners that cannot take a job any more go whatever the numbers are.
    fn remove_what_drains(&mut self) {
        for runner in self.runners {
            if let Phase::Draining { why } = &runner.status
                && may_be_removed(self.fleet, runner, self.memory, self.now)
            {
                self.destroy(runner, why.clone());
            }
        }
    }

    /// An old runner goes once the one that takes its place is online.
    fn finish_rotations(&mut self) {
        let rotation = self.rotation;
        for (old, new) in rotation.completed() {
            self.destroy(old, DrainReason::Rotated(format!("{new} has taken its place")));
        }
    }

    fn decide(&self, demand: &Demand) -> ScalingDecision {
        let (memory, now) = (self.memory, self.now);
        let available = self.candidates().count();
        let busy = self.runners.iter().filter(|runner| runner.is_busy()).count();
        let load = Load {
            pending_jobs: demand.metrics.pending_jobs,
            oldest_pending: demand.oldest_pending.as_ref(),
            available: count(available),
            busy: count(busy),
            draining: count(self.runners.len() - available - busy),
            partly_known: !demand.missing.is_empty(),
        };
        scale(&self.fleet.scaling, self.fleet.enabled, &load, timing(self.fleet, memory, now))
    }

    /// Runners that the scaler counts as available, and may remove. One that is on its way to take
    /// another's place is counted once it is online, and the other is then on its way out.
    fn candidates(&self) -> impl Iterator<Item = &'a EphemeralRunner> {
        let leaving: BTreeSet<&RunnerName> =
            self.rotation.completed().map(|(old, _)| &old.runner_name).collect();
        let coming = self.rotation.coming();
        self.runners.iter().filter(move |runner| {
            let name = &runner.runner_name;
            runner.is_available() && !leaving.contains(name) && !coming.contains(name)
        })
    }

    /// How many VMs more there may be.
    fn headroom(&self) -> usize {
        let there = seeded_bug!(
            BusyNotCounted,
            self.runners.len(),
            self.runners.iter().filter(|runner| !runner.is_busy()).count(),
        );
        (self.fleet.scaling.max_runners as usize).saturating_sub(there)
    }

    fn add(&mut self, decision: &ScalingDecision) {
        let wanted = decision.target_runner_count.saturating_sub(decision.current_runner_count) as usize;
        // Where only a person can help, one try shows whether somebody has.
        let tries = if self.memory.failures.is_stopped() { 1 } else { wanted };
        for _ in 0..wanted.min(tries).min(self.headroom()) {
            self.provision(None, decision.reason.clone());
        }
    }

    fn provision(&mut self, replaces: Option<RunnerName>, reason: String) {
        let vms = self.seen.vms.as_ref().into_iter().flatten().map(|(_, vm)| vm.spot);
        let planned = self.actions.iter().filter_map(|action| match action {
            Action::Provision { places, .. } => Some(places.first()?.spot),
            Action::Install(_) | Action::Destroy(_) => None,
        });
        let places = self.room.places(self.fleet, vms.chain(planned));
        self.actions.push(Action::Provision { replaces, places, reason });
    }

    /// Those due for rotation go first, then those not online yet, the youngest first; then the
    /// oldest idle ones.
    fn remove_surplus(&mut self, decision: &ScalingDecision) {
        let surplus = decision.current_runner_count.saturating_sub(decision.target_runner_count) as usize;
        let mut candidates: Vec<&EphemeralRunner> = self.candidates().collect();
        candidates.sort_by_key(|runner| {
            let is_due = self.rotation.is_due(&runner.runner_name);
            let (coming, age) = match runner.status {
                Phase::Provisioning { .. } => (true, -runner.created_at.as_second()),
                _ => (false, runner.created_at.as_second()),
            };
            (!is_due, !coming, age)
        });
        let is_settled = |runner: &&EphemeralRunner| {
            let has_identity = |vm: &Vm| runner.runner_id.is_some() || vm.tags.host_key.is_some();
            runner.vm.as_deref().is_some_and(has_identity)
                && may_be_removed(self.fleet, runner, self.memory, self.now)
                && !self.seen.working.contains_key(runner.runner_name.as_str())
                && !self.seen.in_flight.contains_key(&runner.runner_name)
        };
        let settled: Vec<&EphemeralRunner> =
            candidates.into_iter().filter(is_settled).take(surplus).collect();
        for runner in settled {
            self.destroy(runner, DrainReason::Surplus(decision.reason.clone()));
        }
    }

    /// VMs that nobody has made a runner yet: whoever began it was stopped, or never began.
    fn install(&mut self) {
        if !self.fleet.enabled {
            return;
        }
        for runner in self.runners {
            let (Phase::Provisioning { .. }, Some(vm)) = (&runner.status, &runner.vm) else { continue };
            let Some(host_key) = &vm.tags.host_key else { continue };
            let name = &runner.runner_name;
            let is_installed = self.memory.runners.get(name).is_some_and(|known| known.installed.is_some());
            if is_installed || vm.is_dead() || self.seen.in_flight.contains_key(name) || self.is_removed(name)
            {
                continue;
            }
            self.actions.push(Action::Install(Install {
                runner: name.clone(),
                vm: (vm.group.clone(), vm.name.clone()),
                host_key: host_key.clone(),
                created_at: vm.tags.created_at,
                reason: "its VM is there and is no runner yet".to_owned(),
            }));
        }
    }

    /// Every VM that is left goes, whatever runs on it: only where the fleet's file says so.
    fn kill(&mut self) {
        if self.fleet.enabled || !self.fleet.kill_running_jobs {
            return;
        }
        for runner in self.runners {
            let name = &runner.runner_name;
            let Some(vm) = &runner.vm else { continue };
            let is_going = matches!(runner.status, Phase::Destroyed);
            if is_going || self.seen.in_flight.contains_key(name) {
                continue;
            }
            // A gentler removal may wait for an answer of GitHub that never comes.
            self.actions
                .retain(|action| !matches!(action, Action::Destroy(destroy) if destroy.runner == *name));
            let why =
                DrainReason::Killed("kill_running_jobs is set, and the fleet is not enabled".to_owned());
            let first = if vm.tags.github == self.fleet.github {
                Deregister::Regardless(runner.runner_id)
            } else {
                Deregister::Nothing
            };
            self.push_destroy(runner, first, None, why);
        }
    }

    fn is_removed(&self, name: &RunnerName) -> bool {
        let removes = |action: &Action| matches!(action, Action::Destroy(destroy) if destroy.runner == *name);
        self.actions.iter().any(removes)
    }

    fn rotate(&mut self, decision: &ScalingDecision) {
        let waits_to_be_removed =
            decision.rule == Rule::Cooldown && decision.target_runner_count < decision.current_runner_count;
        if !self.fleet.enabled || waits_to_be_removed {
            return;
        }
        let rotation = self.rotation;
        let is_calm = self.runners.iter().all(EphemeralRunner::is_online);
        match rotation.next_step(self.headroom() > 0, is_calm) {
            None => {}
            Some(Step::Start { old, why }) => {
                let reason = format!("to take the place of {}: {why}", old.runner_name);
                self.provision(Some(old.runner_name.clone()), reason);
            }
            Some(Step::MakeRoom { old, why }) => {
                let why = format!("{why}; max_runners leaves no room to start another first");
                self.destroy(old, DrainReason::Rotated(why));
            }
        }
    }

    /// Runners that may only be looked at by a person: what is said of the first, and how many more.
    fn left_alone(&self) -> Option<String> {
        let lag = list_lag(self.fleet);
        let mut out_of_sight = self.runners.iter().filter_map(|runner| match &runner.status {
            Phase::Draining { why: DrainReason::OutOfSight(why) } => Some(why.clone()),
            Phase::Registered { .. } if runner.vm.is_none() && elapsed(runner.created_at, self.now) > lag => {
                let (name, group) = (&runner.runner_name, &self.fleet.vm.group);
                Some(format!(
                    "{name} is online and its VM is not in {group}: it is left alone; if its VM is elsewhere, delete it \
                     by hand once it runs no job"
                ))
            }
            _ => None,
        });
        let first = out_of_sight.next()?;
        Some(match out_of_sight.count() {
            0 => first,
            more => format!("{first} ({more} more like it)"),
        })
    }

    fn destroy(&mut self, runner: &EphemeralRunner, why: DrainReason) {
        if self.seen.in_flight.contains_key(&runner.runner_name) {
            return;
        }
        let first = match (runner.runner_id, &runner.vm) {
            (Some(id), _) if runner.is_listed => Deregister::Entry(id),
            (_, Some(vm)) if vm.tags.github != self.fleet.github => Deregister::Nothing,
            (id, Some(vm)) if vm.tags.scope != self.fleet.scope && vm.is_dead() => Deregister::IfPossible(id),
            (id, Some(vm)) if vm.tags.scope != self.fleet.scope => Deregister::Elsewhere(id),
            (id, Some(vm)) if vm.tags.runner_id.is_none() => Deregister::Unregistered(id),
            (None, _) => Deregister::Nothing,
            (Some(id), _) => Deregister::ConfirmGone(id),
        };
        let is_idle =
            matches!(why, DrainReason::Served(_) | DrainReason::Surplus(_) | DrainReason::Rotated(_));
        let running = runner.vm.as_ref().filter(|vm| is_idle && runner.is_listed && !vm.is_dead());
        let stop = running.and_then(|vm| vm.tags.host_key.clone());
        self.push_destroy(runner, first, stop, why);
    }

    fn push_destroy(
        &mut self,
        runner: &EphemeralRunner,
        first: Deregister,
        stop: Option<String>,
        why: DrainReason,
    ) {
        let scope = runner.vm.as_ref().map_or(&self.fleet.scope, |vm| &vm.tags.scope).clone();
        let vm = runner.vm.as_ref().map(|vm| (vm.group.clone(), vm.name.clone()));
        let (name, reason) = (runner.runner_name.clone(), why.to_string());
        self.actions.push(Action::Destroy(Destroy { runner: name, scope, first, vm, stop, why, reason }));
    }
}

/// When the fleet may scale, by what it remembers.
pub(crate) fn timing(fleet: &Fleet, memory: &Memory, now: Timestamp) -> Timing {
    let config_changed = memory.scaled_under.as_ref().is_some_and(|hash| *hash != fleet.scaling_hash());
    Timing { last_scaling: memory.last_scaling, config_changed, now }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "plan_order_tests.rs"]
mod order_tests;
#[cfg(test)]
#[path = "plan_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "plan_scene.rs"]
pub(crate) mod scene;
#[cfg(test)]
#[path = "plan_ssh_tests.rs"]
mod ssh_tests;
#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
