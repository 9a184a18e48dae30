//! What a fleet does next: a pure function of (fleet, snapshot, state, now).
//!
//! Invariants that it keeps, each tested as a property:
//! - a busy runner is never acted upon, unless its fleet's file says to end running jobs;
//! - the fleet never has more than `max_runners` VMs, whatever is added;
//! - what was not read whole never leads to a removal;
//! - every action has a reason, and the plan of one snapshot is always the same.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{Action, Destroy, EntryRef, Install, Proof};
use crate::model::{
    BrokenReason, DrainReason, EphemeralRunner, Phase, ProvisioningState, RotationReason, RunnerName,
    ScalingAction, ScalingCause, ScalingReason, StartReason, Vm, elapsed,
};
use crate::observe::{Demand, Snapshot, list_lag, unknown_demand};
use crate::plan::{
    Basis, InForce, LeftAlone, Load, NoCapacity, NotRemovable, Observed, Placement, Reason, Remark, Roll,
    Rotation, RotationStep, Scaling, ScalingDecision, SpotCount, Timing, inventory, is_interrupted, proof,
    scale,
};
use crate::seeded_bug;
use crate::state::{ClosedPlace, FleetState};

mod standby;

/// How long GitHub may call an entry busy and offline that has no VM before a person is told.
const STUCK: Duration = Duration::from_secs(10 * 60);

/// What a fleet does next, and what it looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How many runners there should be, and why.
    pub decision: ScalingDecision,
    /// The jobs that the decision is about.
    pub demand: Demand,
    /// The fleet's runners; empty when they could not be read.
    pub runners: Vec<EphemeralRunner>,
    /// What to do. Each action is idempotent, and none depends on another.
    pub actions: Vec<Action>,
    /// Whether the decision itself led to some of them: this is a scaling action, and starts the cooldown.
    pub scales: bool,
    /// Whether jobs wait and `max_runners` leaves no more room.
    pub lacks_room: bool,
    /// Runners that nothing is done about, and that a person must look at.
    pub left_alone: Option<LeftAlone>,
    /// That Azure has no capacity for another VM of the fleet anywhere, if so.
    pub no_room: Option<NoCapacity>,
    /// What Azure never makes the fleet's VMs with, so that a person should take it out of the fleet's file.
    pub closed: Vec<ClosedPlace>,
    /// The roll that is under way, if one is.
    pub roll: Option<Roll>,
}

impl Plan {
    /// What is closed, in words, if anything is.
    pub fn closed_places(&self) -> Option<String> {
        let closed: Vec<String> = self.closed.iter().map(ToString::to_string).collect();
        (!closed.is_empty()).then(|| closed.join("; "))
    }
}

/// Plans a fleet's next step.
pub fn plan(fleet: &Fleet, seen: &Snapshot, fleet_state: &FleetState, now: Timestamp) -> Plan {
    let demand = seen.demand.clone().unwrap_or_else(|why| unknown_demand(&why, now));
    let (entries, vms) = match (&seen.entries, &seen.vms) {
        (Ok(entries), Ok(vms)) => (entries, vms),
        (Err(why), _) | (_, Err(why)) => return hold(demand, why),
    };
    let set_made_at = seen.scale_set.as_ref().and_then(|set| set.made_at);
    let observed = Observed { entries, vms, working: &seen.working, in_flight: &seen.in_flight, set_made_at };
    let found = inventory(fleet, &observed, fleet_state, now);
    let rotation = Rotation::of(fleet, &found, &seen.in_flight, fleet_state, now);
    let placement = Placement::of(fleet, &fleet_state.capacity, fleet_state.failures.count, now);
    let mut builder = PlanBuilder {
        fleet,
        seen,
        fleet_state,
        now,
        runners: &found,
        rotation: &rotation,
        placement: &placement,
        headroom: headroom(fleet, &found),
        vms: SpotCount::of(vms.values().map(|vm| vm.spot)),
        actions: Vec::new(),
        removed: BTreeSet::new(),
    };

    builder.remove_what_drains();
    builder.finish_rotations();
    let Scaling { action, reason } = builder.decide(&demand);
    let may_start = fleet_state.failures.wait_left(now).is_none() && placement.is_somewhere();
    // Where only a person can help, one try shows whether it is fixed.
    let is_probe = fleet_state.failures.is_stopped() || placement.is_nowhere;
    let tries = if is_probe { 1 } else { usize::MAX };
    let resumed = if may_start { builder.resume(&reason, tries) } else { 0 };
    let before = builder.actions.len();
    match action {
        ScalingAction::ScaleUp if may_start => builder.add(&reason, tries - resumed),
        ScalingAction::ScaleDown => builder.remove_surplus(&reason),
        // A runner that works is not given up where its replacement would be refused.
        ScalingAction::Maintain if may_start && !placement.is_nowhere => builder.rotate(&reason),
        ScalingAction::ScaleUp | ScalingAction::Maintain => {}
    }
    let scales = action != ScalingAction::Maintain && builder.actions.len() > before;
    let added = builder.actions.len() - before;
    let is_quiet = demand.missing.is_empty() && demand.metrics.pending_jobs == 0;
    let may_prepare = may_start && !placement.is_nowhere && is_quiet;
    builder.keep_standby(action == ScalingAction::Maintain && may_prepare);
    let lacks_room = demand.metrics.pending_jobs > 0 && builder.headroom <= added;
    builder.install();
    builder.clear_user_data();
    builder.kill();
    let (no_room, left_alone) = (placement.none(), builder.left_alone());
    let mut remarks = builder.what_holds_back(action, no_room.as_ref());
    remarks.extend(placement.closed.iter().cloned().map(Remark::Closed));
    remarks.extend(demand.missing.iter().cloned().map(Remark::Unread));
    remarks.extend(demand.notes.iter().cloned().map(Remark::Note));
    remarks.extend(left_alone.clone().map(Remark::LeftAlone));
    let decision = ScalingDecision {
        action,
        target_runner_count: reason.target,
        current_runner_count: reason.available,
        reason: Reason { basis: Basis::Scaling(reason), remarks },
    };
    let actions = builder.actions;
    let roll = if fleet.enabled { Roll::of(&found, &rotation, &actions) } else { None };
    let closed = placement.closed;
    Plan { decision, demand, actions, runners: found, scales, lacks_room, left_alone, no_room, closed, roll }
}

/// The fleet's runners by the last lists and the operations under way since; none where the lists could not
/// be read.
pub fn runners(
    fleet: &Fleet,
    seen: &Snapshot,
    fleet_state: &FleetState,
    now: Timestamp,
) -> Vec<EphemeralRunner> {
    let (Ok(entries), Ok(vms)) = (&seen.entries, &seen.vms) else { return Vec::new() };
    let set_made_at = seen.scale_set.as_ref().and_then(|set| set.made_at);
    let observed = Observed { entries, vms, working: &seen.working, in_flight: &seen.in_flight, set_made_at };
    inventory(fleet, &observed, fleet_state, now)
}

/// The plan when a list could not be read: nothing, since half a view kills jobs.
fn hold(demand: Demand, why: &str) -> Plan {
    let decision = ScalingDecision {
        action: ScalingAction::Maintain,
        target_runner_count: 0,
        current_runner_count: 0,
        reason: Reason { basis: Basis::Unread(why.to_owned()), remarks: Vec::new() },
    };
    Plan {
        decision,
        demand,
        runners: Vec::new(),
        actions: Vec::new(),
        scales: false,
        lacks_room: false,
        left_alone: None,
        no_room: None,
        closed: Vec::new(),
        roll: None,
    }
}

/// How many more VMs there may be.
fn headroom(fleet: &Fleet, runners: &[EphemeralRunner]) -> usize {
    let taking_room = || runners.iter().filter(|runner| runner.takes_room());
    let there = seeded_bug!(
        BusyNotCounted,
        taking_room().count(),
        taking_room().filter(|runner| !runner.is_busy()).count(),
    );
    (fleet.scaling.max_runners as usize).saturating_sub(there)
}

/// A plan in the making. What each action needs is counted once: a fleet may have thousands of runners, and as many
/// actions.
struct PlanBuilder<'a> {
    fleet: &'a Fleet,
    seen: &'a Snapshot,
    fleet_state: &'a FleetState,
    now: Timestamp,
    runners: &'a [EphemeralRunner],
    rotation: &'a Rotation<'a>,
    placement: &'a Placement,
    /// How many more VMs there may be before any action.
    headroom: usize,
    /// The VMs that there are, and those that the actions so far ask for.
    vms: SpotCount,
    actions: Vec<Action>,
    /// The runners that actions remove.
    removed: BTreeSet<&'a RunnerName>,
}

impl<'a> PlanBuilder<'a> {
    /// Removes runners that cannot take a job any more, whatever the numbers are.
    fn remove_what_drains(&mut self) {
        for runner in self.runners {
            if let Phase::Draining { why } = &runner.status {
                self.destroy(runner, why.clone());
            }
        }
    }

    /// Removes an old runner once its replacement is online.
    fn finish_rotations(&mut self) {
        let rotation = self.rotation;
        for (old, new) in rotation.completed() {
            self.destroy(old, DrainReason::Rotated(RotationReason::Replaced { by: new.clone() }));
        }
    }

    fn decide(&self, demand: &Demand) -> Scaling {
        let (fleet_state, now) = (self.fleet_state, self.now);
        let available = self.candidates().count();
        let busy = self.runners.iter().filter(|runner| runner.is_busy()).count();
        let there = self.runners.iter().filter(|runner| runner.takes_room()).count();
        let is_preparing = |runner: &&EphemeralRunner| matches!(runner.status, Phase::Preparing { .. });
        let preparing = self.runners.iter().filter(is_preparing).count();
        let load = Load {
            pending_jobs: demand.metrics.pending_jobs,
            oldest_pending: demand.oldest_pending(),
            available: count(available),
            busy: count(busy),
            draining: count(there.saturating_sub(preparing + available + busy)),
            not_removable: count(self.not_removable()),
            preparing: count(preparing),
            partly_known: !demand.missing.is_empty(),
        };
        scale(
            &self.fleet.scaling,
            self.fleet.warm,
            self.fleet.enabled,
            &load,
            timing(self.fleet, fleet_state, now),
        )
    }

    /// How many VMs take room because their removal fails.
    fn not_removable(&self) -> usize {
        let is_stuck = |runner: &&EphemeralRunner| {
            runner.takes_room()
                && matches!(runner.status, Phase::Draining { .. })
                && self.fleet_state.removals.of(&runner.runner_name).is_some()
        };
        self.runners.iter().filter(is_stuck).count()
    }

    /// What holds starts back, and polls.
    fn what_holds_back(&self, action: ScalingAction, no_room: Option<&NoCapacity>) -> Vec<Remark> {
        let failures = &self.fleet_state.failures;
        let failed = failures.wait_left(self.now).map(|left| Remark::StartsFailed {
            count: failures.count,
            why: failures.why.clone(),
            left,
            is_stopped: failures.is_stopped(),
        });
        let no_room = no_room.filter(|_| action == ScalingAction::ScaleUp);
        let no_room = no_room
            .map(|none| Remark::NoCapacity { none: none.clone(), left: elapsed(self.now, none.until) });
        let throttled = self.seen.slowed.clone().map(Remark::Throttled);
        [failed, no_room, throttled].into_iter().flatten().collect()
    }

    /// Runners that the scaler counts as available, and may remove. A replacement is counted once it is online;
    /// the runner that it replaces is then on its way out.
    fn candidates(&self) -> impl Iterator<Item = &'a EphemeralRunner> {
        let leaving: BTreeSet<&RunnerName> =
            self.rotation.completed().map(|(old, _)| &old.runner_name).collect();
        let coming = self.rotation.coming();
        self.runners.iter().filter(move |runner| {
            let name = &runner.runner_name;
            runner.is_available() && !leaving.contains(name) && !coming.contains(name)
        })
    }

    /// Resumes starts that were interrupted, as far as the fleet needs the runners; returns how many. They count as
    /// available already.
    fn resume(&mut self, why: &ScalingReason, tries: usize) -> usize {
        if !self.fleet.enabled {
            return 0;
        }
        let surplus = why.available.saturating_sub(why.target) as usize;
        let is_interrupted = |runner: &&EphemeralRunner| {
            is_interrupted(self.fleet, runner, &self.seen.in_flight, self.fleet_state, self.now)
        };
        let interrupted: Vec<&RunnerName> = self
            .runners
            .iter()
            .filter(is_interrupted)
            .map(|runner| &runner.runner_name)
            .skip(surplus)
            .take(tries)
            .collect();
        for runner in &interrupted {
            let replaces = self.fleet_state.runners.get(runner).and_then(|known| known.replaces.clone());
            self.provision(replaces, StartReason::Interrupted { runner: (*runner).clone() });
        }
        interrupted.len()
    }

    fn provision(&mut self, replaces: Option<RunnerName>, reason: StartReason) {
        let offerings = self.placement.offerings(self.fleet, &mut self.vms);
        self.actions.push(Action::Provision { replaces, standby: None, offerings, reason });
    }

    /// Removes surplus runners: first those due for rotation, then those not online yet, the youngest first;
    /// then the oldest idle ones.
    fn remove_surplus(&mut self, why: &ScalingReason) {
        let surplus = why.available.saturating_sub(why.target) as usize;
        let mut candidates: Vec<&'a EphemeralRunner> = self.candidates().collect();
        let is_coming = |runner: &EphemeralRunner| matches!(runner.status, Phase::Provisioning { .. });
        candidates.sort_by_cached_key(|runner| {
            let is_due = self.rotation.is_due(&runner.runner_name);
            let age = runner.created_at.as_second();
            let is_coming = is_coming(runner);
            (!is_due, !is_coming, if is_coming { -age } else { age })
        });
        let is_settled = |runner: &&EphemeralRunner| {
            let has_identity = |vm: &Vm| runner.runner_id.is_some() || vm.tags.host_key.is_some();
            runner.vm.as_deref().is_some_and(has_identity)
                && proof(self.fleet, runner, self.fleet_state, self.now).is_some()
                && !self.fleet_state.removals.is_held_back(&runner.runner_name, self.now)
                && !self.seen.working.contains_key(runner.runner_name.as_str())
                && !self.seen.in_flight.contains_key(&runner.runner_name)
        };
        // One that starts and cannot go yet keeps its turn: none that works goes in its place.
        let has_turn = |runner: &&EphemeralRunner| is_settled(runner) || is_coming(runner);
        let turns = candidates.into_iter().filter(has_turn).take(surplus);
        let settled: Vec<&'a EphemeralRunner> = turns.filter(is_settled).collect();
        for runner in settled {
            self.destroy(runner, DrainReason::Surplus(why.clone()));
        }
    }

    /// Installs the runner on VMs that have none yet: the installation was interrupted, or never began.
    fn install(&mut self) {
        if !self.fleet.enabled {
            return;
        }
        for runner in self.runners {
            let (Phase::Provisioning { .. }, Some(vm)) = (&runner.status, &runner.vm) else { continue };
            let Some(host_key) = &vm.tags.host_key else { continue };
            let name = &runner.runner_name;
            let is_installed =
                self.fleet_state.runners.get(name).is_some_and(|known| known.installed.is_some());
            if is_installed
                || vm.runs_nothing()
                || self.seen.in_flight.contains_key(name)
                || self.removed.contains(name)
            {
                continue;
            }
            self.actions.push(Action::Install(Install {
                runner: name.clone(),
                vm: (vm.group.clone(), vm.name.to_string().into()),
                host_key: host_key.to_string().into(),
                created_at: vm.tags.created_at,
            }));
        }
    }

    /// Removes every VM that is left, whatever runs on it: only where the fleet's file says so.
    fn kill(&mut self) {
        if self.fleet.enabled || !self.fleet.kill_running_jobs {
            return;
        }
        let is_left = |runner: &&EphemeralRunner| {
            let is_going = matches!(runner.status, Phase::Destroyed);
            runner.vm.is_some() && !is_going && !self.is_left_for_now(&runner.runner_name)
        };
        let left: Vec<&'a EphemeralRunner> = self.runners.iter().filter(is_left).collect();
        // Any other removal may wait for an answer of GitHub that never comes.
        let names: BTreeSet<&RunnerName> = left.iter().map(|runner| &runner.runner_name).collect();
        self.actions
            .retain(|action| !matches!(action, Action::Destroy(destroy) if names.contains(&destroy.runner)));
        for runner in left {
            let is_ours = runner.vm.as_ref().is_some_and(|vm| vm.tags.github == self.fleet.github);
            let id = runner.runner_id;
            let entry = if is_ours { EntryRef::Unlisted(id) } else { EntryRef::Unreachable };
            self.push_destroy(runner, entry, Proof::Waived, DrainReason::Killed);
        }
    }

    /// Whether a runner is not to be removed in this tick: an operation is under way, or its removal failed a moment
    /// ago.
    fn is_left_for_now(&self, name: &RunnerName) -> bool {
        self.seen.in_flight.contains_key(name) || self.fleet_state.removals.is_held_back(name, self.now)
    }

    fn rotate(&mut self, why: &ScalingReason) {
        let waits_to_be_removed =
            matches!(why.cause, ScalingCause::Cooldown { .. }) && why.target < why.available;
        if !self.fleet.enabled || waits_to_be_removed {
            return;
        }
        let rotation = self.rotation;
        let is_for_standby =
            |runner: &EphemeralRunner| matches!(runner.status, Phase::Standby | Phase::Preparing { .. });
        let is_calm = self.runners.iter().all(|runner| runner.is_online() || is_for_standby(runner));
        match rotation.next_step(self.headroom > 0, is_calm) {
            None => {}
            Some(RotationStep::Start { old, why }) => {
                let old = old.runner_name.clone();
                self.provision(Some(old.clone()), StartReason::Replacement { old, why });
            }
            Some(RotationStep::MakeRoom { old, why }) => {
                self.destroy(old, DrainReason::Rotated(RotationReason::FirstToMakeRoom(why)));
            }
        }
    }

    /// Runners that only a person can help.
    fn left_alone(&self) -> Option<LeftAlone> {
        let lag = list_lag(self.fleet);
        let mut found = self.runners.iter().filter_map(|runner| match &runner.status {
            Phase::Draining { why: DrainReason::OutOfSight(vm) } => {
                Some(NotRemovable::OtherGitHub(vm.clone()))
            }
            Phase::Draining { why: DrainReason::Broken(BrokenReason::BusyWithoutVm) } => {
                let known = self.fleet_state.runners.get(&runner.runner_name)?;
                let lasted = elapsed(known.entry_refused.since?, self.now);
                let runner = runner.runner_name.clone();
                (lasted >= STUCK).then_some(NotRemovable::BusyWithoutVm { runner, lasted })
            }
            _ if runner.vm.as_ref().is_some_and(|vm| vm.provisioning == ProvisioningState::Withheld) => {
                let subscription_id = self.fleet.vm.group.subscription_id.clone();
                Some(NotRemovable::Unpaid { runner: runner.runner_name.clone(), subscription_id })
            }
            Phase::Registered { .. } if runner.vm.is_none() && elapsed(runner.created_at, self.now) > lag => {
                let (runner, group) = (runner.runner_name.clone(), self.fleet.vm.group.clone());
                Some(NotRemovable::VmNotFound { runner, group })
            }
            _ => None,
        });
        let first = found.next()?;
        Some(LeftAlone { first, more: found.count() })
    }

    fn destroy(&mut self, runner: &'a EphemeralRunner, why: DrainReason) {
        if self.is_left_for_now(&runner.runner_name) {
            return;
        }
        if runner.vm.is_none() && !self.seen.unread.is_empty() {
            // Its VM may be in the group that cannot be read.
            return;
        }
        let Some(proof) = proof(self.fleet, runner, self.fleet_state, self.now) else { return };
        let entry = match (runner.runner_id, &runner.vm) {
            (Some(id), _) if runner.is_listed => EntryRef::Listed(id),
            (_, Some(vm)) if vm.tags.github != self.fleet.github => EntryRef::Unreachable,
            (id, _) => EntryRef::Unlisted(id),
        };
        self.push_destroy(runner, entry, proof, why);
    }

    fn push_destroy(&mut self, runner: &'a EphemeralRunner, entry: EntryRef, proof: Proof, why: DrainReason) {
        let scope = runner.vm.as_ref().map_or(&self.fleet.scope, |vm| &vm.tags.scope).clone();
        let vm = runner.vm.as_ref().map(|vm| (vm.group.clone(), vm.name.clone()));
        self.removed.insert(&runner.runner_name);
        let (runner, frees_room) = (runner.runner_name.clone(), self.headroom == 0);
        self.actions.push(Action::Destroy(Destroy { runner, scope, entry, vm, proof, frees_room, why }));
    }
}

/// When the fleet may scale, by its last scaling action.
pub(crate) fn timing(fleet: &Fleet, fleet_state: &FleetState, now: Timestamp) -> Timing {
    let config_changed =
        fleet_state.scaling.under.as_deref().is_some_and(|hash| hash != fleet.scaling_hash());
    let lowered = if fleet.hours.is_empty() { None } else { InForce::of(fleet, Duration::ZERO, now).lowered };
    Timing {
        last_scaling: fleet_state.scaling.at,
        config_changed,
        lowered,
        last_job: fleet_state.last_job,
        now,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
