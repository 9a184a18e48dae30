//! What the daemon carries of a fleet from one tick to the next.
//!
//! It is convenient and never necessary: the truth is in Azure and GitHub. Without it a cooldown begins again, a
//! runner's offline time is counted from now, and a start that failed is tried without waiting.
//!
//! Each part knows one thing and stands in its own file; here is what happens to several of them at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Fleet;
use crate::model::{
    Action, BootstrapOutcome, Completed, DestroyOutcome, DrainReason, ErrorPolicy, FailedStart, ForeignText,
    InstallOutcome, ProvisionOutcome, ResourceGroup, RunnerName, RunnerStatus, SessionKey, StartReason,
    VmChangeOutcome, elapsed,
};
use crate::observe::{Snapshot, list_lag};
use crate::state::{
    CapacityBackoff, FailingRemovals, KnownGroups, KnownRunners, LastScaling, Ledger, RecentBoots,
    StartBackoff,
};

/// A clock that gains this much on the monotonic clock between two polls was set.
const CLOCK_JUMP: Duration = Duration::from_secs(5);

/// How far the wall clock jumped ahead between two polls, if it did: the time that passed by the wall clock, and by
/// the monotonic clock.
pub fn set_ahead(wall: Duration, monotonic: Duration) -> Option<Duration> {
    Some(wall.saturating_sub(monotonic)).filter(|ahead| *ahead >= CLOCK_JUMP)
}

/// What the daemon remembers of one fleet. Its JSON is the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FleetState {
    /// The last scaling action.
    #[serde(flatten)]
    pub scaling: LastScaling,
    /// What was seen of each runner that still exists.
    pub runners: KnownRunners,
    /// Starts that failed in a row.
    pub failures: StartBackoff,
    /// Runners whose removal fails.
    #[serde(skip_serializing_if = "FailingRemovals::is_empty")]
    pub removals: FailingRemovals,
    /// What the orphan collector could not remove or look for: what the daemon knows of it when a plan is made.
    #[serde(skip)]
    pub left_behind: FailingRemovals,
    /// Where its subscription lately had no capacity: what the daemon knows of it when a plan is made.
    #[serde(rename = "places")]
    pub capacity: CapacityBackoff,
    /// The resource groups that hold its VMs.
    #[serde(flatten)]
    pub(crate) groups: KnownGroups,
    /// How long its VMs were there, and what for.
    pub(crate) ledger: Ledger,
    /// When a job of the fleet's last waited or ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_job: Option<Timestamp>,
    /// The session of its scale set, which a daemon that is killed leaves open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_session: Option<SessionKey>,
    /// How long its new VMs took until they were ready.
    #[serde(skip_serializing_if = "RecentBoots::is_empty")]
    pub boots: RecentBoots,
}

impl FleetState {
    /// The resource groups that hold its VMs: its own, and those that it was moved from.
    pub fn groups(&self) -> &BTreeSet<ResourceGroup> {
        self.groups.all()
    }

    /// Takes in that a plan changes the number of runners.
    pub fn scaled(&mut self, fleet: &Fleet, now: Timestamp) {
        self.scaling.set(fleet.scaling_hash().to_owned(), now);
    }

    /// The state for a plan that is only shown: a daemon carries out the starts that have no answer yet.
    #[must_use]
    pub fn with_starts_under_way(mut self) -> FleetState {
        self.runners.leave_starts();
        self
    }

    /// Takes in what was seen, before a plan is made of it.
    #[must_use]
    pub fn after_seeing(mut self, fleet: &Fleet, seen: &Snapshot, now: Timestamp) -> FleetState {
        self.forget_the_future(now);
        let (Ok(entries), Ok(vms)) = (&seen.entries, &seen.vms) else { return self };
        self.ledger.begin(now);
        let lag = list_lag(fleet);
        let mut has_job = seen.demand.as_ref().is_ok_and(|demand| demand.metrics.pending_jobs > 0);
        for (name, vm) in vms {
            let (known, has_entry) = (self.runners.entry(name), entries.contains_key(name));
            let until = self.ledger.count(vm, known.vm_use(has_entry), known.counted_until, now);
            known.counted_until = Some(until);
            known.saw_vm(vm, has_entry || seen.in_flight.contains_key(name), lag, now);
            let ready = known.took_until_standby(now);
            ready.into_iter().for_each(|time| self.boots.took(time, fleet.lifecycle.boot_timeout));
            if seen.working.contains_key(name.as_str()) {
                known.saw_job();
                has_job = true;
            }
        }
        for (name, entry) in entries {
            let job = seen.working.get(name.as_str()).map(Arc::as_ref);
            let has_vm = vms.contains_key(name) || seen.in_flight.contains_key(name);
            // GitHub may call a runner busy for hours that is gone.
            has_job |= entry.busy && (has_vm || entry.status == RunnerStatus::Online);
            let progress = self.runners.entry(name).saw_entry(entry, job, has_vm, now);
            if progress.is_first_online {
                self.failures = StartBackoff::default();
                // What was on standby shows nothing of how long a new VM takes.
                let known = self.runners.get(name).filter(|known| known.used.is_none());
                let asked_for = known.and_then(|known| known.asked_for);
                let most = fleet.lifecycle.boot_timeout;
                asked_for.into_iter().for_each(|at| self.boots.took(elapsed(at, now), most));
            }
            self.ledger.took_jobs(progress.jobs);
        }
        if has_job {
            self.last_job = Some(now);
        }
        self.runners.missed_vms(|name| vms.contains_key(name));
        let is_shown = |name: &RunnerName| {
            vms.contains_key(name) || entries.contains_key(name) || seen.in_flight.contains_key(name)
        };
        self.runners.keep_shown(is_shown, lag, now);
        self.removals.keep(|name| RunnerName::of_pool(&fleet.name, name).is_some_and(|name| is_shown(&name)));
        let is_settled = self.runners.are_settled(lag, now);
        let is_used = |group: &ResourceGroup| {
            !is_settled || seen.unread.contains_key(group) || vms.values().any(|vm| vm.group == *group)
        };
        self.groups.saw(&fleet.vm.group, is_used, now);
        self
    }

    /// Takes in that an action begins.
    pub fn begin(&mut self, name: &RunnerName, action: &Action, now: Timestamp) {
        match action {
            Action::Provision { replaces, .. } => self.runners.entry(name).ask_for(replaces.as_ref(), now),
            Action::Install(_) => self.runners.entry(name).unregistered_since = None,
            Action::Prepare { .. } => {
                let known = self.runners.entry(name);
                known.ask_for(None, now);
                known.is_for_standby = true;
            }
            Action::Deallocate(_) => self.runners.entry(name).deallocation_asked = Some(now),
            Action::Destroy(_) | Action::ClearUserData(_) => {}
        }
    }

    /// Takes in how an action went, and returns the start that it shows as failed. An action that changed nothing leaves
    /// nothing to remember.
    pub fn record(
        &mut self,
        name: &RunnerName,
        completed: &Completed,
        now: Timestamp,
    ) -> Option<FailedStart> {
        if let Completed::Destroy { outcome, .. } = completed {
            self.record_try(name, outcome, now);
        }
        match completed {
            Completed::Prepare { outcome, .. } => {
                let failed = self.record_provision(name, outcome, now);
                if outcome.made_no_vm() {
                    self.runners.forget(name);
                }
                failed
            }
            Completed::Deallocate { outcome, .. } => {
                let known = self.runners.entry(name);
                match outcome {
                    VmChangeOutcome::Done => {
                        (known.standby_since, known.deallocation_asked) = (Some(now), None);
                    }
                    VmChangeOutcome::Unclear(_) => known.deallocation_asked = Some(now),
                    VmChangeOutcome::LeftAlone(_) | VmChangeOutcome::Failed(_) => {
                        known.deallocation_asked = None;
                    }
                }
                None
            }
            Completed::ClearUserData { outcome, .. } => {
                self.runners.entry(name).is_user_data_cleared |= *outcome == VmChangeOutcome::Done;
                None
            }
            Completed::Provision { is_from_standby: true, outcome, .. } => {
                let failed = self.record_provision(name, outcome, now);
                let known = self.runners.entry(name);
                match outcome.error() {
                    Some(why) if outcome.made_no_vm() => known.not_taken_from_standby(why),
                    None if outcome.made_no_vm() => known.asked_for = None,
                    _ => known.taken_from_standby(now),
                }
                failed
            }
            Completed::Provision { reason, outcome, .. } => {
                let failed = self.record_provision(name, outcome, now);
                let is_resumed = matches!(reason, StartReason::Interrupted { .. });
                // An earlier request for the VM of a resumed start may still be on its way.
                if !is_resumed && outcome.made_no_vm() {
                    self.runners.forget(name);
                }
                failed
            }
            Completed::Install { outcome: InstallOutcome::Bootstrap(outcome), .. } => {
                self.record_bootstrap(name, outcome, now)
            }
            Completed::Destroy { destroy, outcome: DestroyOutcome::Removed } => {
                self.record_removal(name, &destroy.why, now)
            }
            Completed::Destroy { destroy, outcome: DestroyOutcome::Gone } => {
                let failed = self.record_removal(name, &destroy.why, now);
                self.runners.entry(name).is_gone = true;
                failed
            }
            Completed::Destroy { destroy, outcome: DestroyOutcome::Asked(_) } => {
                let failed = self.count_failed_start(name, &destroy.why, now);
                self.runners.entry(name).ask_to_drain(destroy.why.to_string(), now);
                failed
            }
            Completed::Destroy { destroy, outcome: DestroyOutcome::Busy } => {
                let known = self.runners.entry(name);
                if destroy.vm.is_some() {
                    known.said_busy(now);
                } else {
                    known.entry_refused.count += 1;
                    known.entry_refused.last = Some(now);
                }
                None
            }
            Completed::Install {
                outcome: InstallOutcome::LeftAlone(_) | InstallOutcome::Failed(_), ..
            }
            | Completed::Destroy {
                outcome: DestroyOutcome::LeftAlone(_) | DestroyOutcome::Failed(_), ..
            } => None,
        }
    }

    /// Whether the removal of a runner fails or gets on.
    fn record_try(&mut self, name: &RunnerName, outcome: &DestroyOutcome, now: Timestamp) {
        match outcome {
            DestroyOutcome::Failed(failure) => self.removals.failed(name.as_str(), failure, now),
            DestroyOutcome::Removed
            | DestroyOutcome::Gone
            | DestroyOutcome::Busy
            | DestroyOutcome::Asked(_) => self.removals.ended(name),
            DestroyOutcome::LeftAlone(_) => {}
        }
    }

    fn record_provision(
        &mut self,
        name: &RunnerName,
        outcome: &ProvisionOutcome,
        now: Timestamp,
    ) -> Option<FailedStart> {
        match outcome {
            ProvisionOutcome::Started | ProvisionOutcome::Unclear(_) => {
                self.runners.entry(name).answered(now);
                None
            }
            ProvisionOutcome::Bootstrap(outcome) => self.record_bootstrap(name, outcome, now),
            ProvisionOutcome::LeftAlone(_) => None,
            ProvisionOutcome::NoCapacity(_) => {
                self.scaling.came_to_nothing();
                Some(FailedStart::NoCapacity)
            }
            ProvisionOutcome::Failed(failure) => {
                self.scaling.came_to_nothing();
                self.failures.add(&failure.why, failure.policy, now);
                Some(failure.into())
            }
        }
    }

    fn record_bootstrap(
        &mut self,
        name: &RunnerName,
        outcome: &BootstrapOutcome,
        now: Timestamp,
    ) -> Option<FailedStart> {
        self.runners.entry(name).bootstrapped(outcome, now);
        let BootstrapOutcome::Broken { why, .. } = outcome else { return None };
        self.failures.add(why, ErrorPolicy::GiveUp, now);
        Some(FailedStart::NotInstalled)
    }

    /// Takes in what the VM of a failed start has printed last.
    pub fn failed_start_printed(&mut self, console: ForeignText) {
        if self.failures.count > 0 {
            self.failures.console = Some(console);
        }
    }

    /// When the daemon asked for, removed or installed each runner: changes that a list may not show yet.
    pub fn changes(&self) -> impl Iterator<Item = Timestamp> {
        self.runners.iter().flat_map(|(_, known)| known.changes())
    }

    fn record_removal(
        &mut self,
        name: &RunnerName,
        why: &DrainReason,
        now: Timestamp,
    ) -> Option<FailedStart> {
        let known = self.runners.entry(name);
        known.removal_asked = Some(now);
        // It was a runner for less time than a list takes to show it, so starts work.
        let has_worked = *why == DrainReason::Finished && !known.was_online;
        let has_taken_unseen = *why == DrainReason::Finished && known.jobs.taken == 0;
        self.ledger.took_jobs(u32::from(has_taken_unseen));
        if has_worked {
            self.failures = StartBackoff::default();
        }
        self.count_failed_start(name, why, now)
    }

    /// Counts a start that failed, with the first try to remove its VM. A failed installation is counted already.
    fn count_failed_start(
        &mut self,
        name: &RunnerName,
        why: &DrainReason,
        now: Timestamp,
    ) -> Option<FailedStart> {
        let known = self.runners.entry(name);
        let is_counted = known.failed.is_some() || known.was_asked_to_drain();
        if known.was_online || is_counted {
            return None;
        }
        if why.is_failed_start() {
            self.failures.add(&why.to_string(), why.start_policy(), now);
            return Some(why.into());
        }
        matches!(why, DrainReason::NoCapacity(_)).then_some(FailedStart::NoCapacity)
    }

    /// A clock that was set back makes the past lie ahead. What lies ahead is taken for now, or everything that
    /// waits would wait for as long as the clock was wrong.
    fn forget_the_future(&mut self, now: Timestamp) {
        self.times().for_each(|time| *time = time.map(|at| at.min(now)));
    }

    /// Takes in that the clock was set ahead. Nothing gets older by it, or a list that does not show yet what was
    /// asked for a moment ago would be believed.
    pub fn clock_was_set_ahead(&mut self, by: Duration) {
        self.times().for_each(|time| *time = time.map(|at| at.checked_add(by).unwrap_or(at)));
    }

    /// Every time that waiting is measured from.
    fn times(&mut self) -> impl Iterator<Item = &mut Option<Timestamp>> {
        let own = self.scaling.times().into_iter().chain(self.groups.times());
        let counters = [&mut self.failures.last, &mut self.ledger.since, &mut self.last_job];
        self.runners.times().chain(self.removals.times()).chain(own).chain(counters)
    }
}

#[cfg(test)]
mod tests;
