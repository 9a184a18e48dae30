//! What the daemon remembers of a fleet between ticks.
//!
//! Convenient, never needed: the truth is in Azure and GitHub. Without it a cooldown begins anew,
//! a runner's offline time is counted from now, and a start that failed is tried without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Fleet;
use crate::cost::Ledger;
use crate::job::JobId;
use crate::place::Places;
use crate::plan::{Action, Outcome};
use crate::remedy::Remedy;
use crate::runner::{DrainReason, RunnerId, RunnerInfo, RunnerStatus};
use crate::runner_name::RunnerName;
use crate::scaling::elapsed;
use crate::seeded_bug;
use crate::snapshot::Snapshot;
use crate::vm::{ProvisioningState, ResourceGroup};

/// How long a VM that was asked for, or removed, may be missing from a list, or still be in it. A
/// fleet whose VMs have to be up within minutes is in a quicker cloud.
pub(crate) fn list_lag(fleet: &Fleet) -> Duration {
    let lag = Duration::from_secs(120).min(fleet.lifecycle.boot_timeout / 2);
    seeded_bug!(ListsAreTrue, lag, Duration::ZERO)
}

/// How long a group is looked after once the last VM of a fleet that has moved is gone from it: what VMs left
/// behind there is found by then.
const LOOKED_AFTER: Duration = Duration::from_secs(3600);

/// A clock that runs ahead of the time that goes by, from one look to the next, by this much was set.
const CLOCK_JUMP: Duration = Duration::from_secs(5);

/// By how much a clock was set ahead that tells of so much time since the last look, where so much has gone by.
pub fn set_ahead(told: Duration, gone_by: Duration) -> Option<Duration> {
    Some(told.saturating_sub(gone_by)).filter(|ahead| *ahead >= CLOCK_JUMP)
}

/// How old lists may be for a look that does not read them.
const LISTS_SERVE: Duration = Duration::from_secs(120);

/// What the daemon remembers of one fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The last scaling action.
    pub last_scaling: Option<Timestamp>,
    /// The configuration that the last scaling action was taken under.
    pub scaled_under: Option<String>,
    /// What was seen of each runner that still exists.
    pub runners: BTreeMap<RunnerName, Remembered>,
    /// Starts that failed in a row.
    pub failures: Failures,
    /// Where its subscription has lately had no room: what the daemon knows of it when a plan is made.
    pub places: Places,
    /// Where its VMs are, so that they are still seen when the configuration names another place.
    pub groups: BTreeSet<ResourceGroup>,
    /// Since when none of its VMs is anywhere but where the configuration says.
    pub moved_since: Option<Timestamp>,
    /// How long its VMs were there, and what for.
    pub ledger: Ledger,
}

/// What was seen of a runner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// When this daemon asked Azure for its VM.
    pub asked_for: Option<Timestamp>,
    /// The runner that it is to take the place of, as long as no list shows its VM.
    pub replaces: Option<RunnerName>,
    /// Its VM was in a list.
    pub vm_seen: bool,
    /// Since when a list has its VM as made.
    pub made: Option<Timestamp>,
    /// How many lists in a row did not show it any more, though nobody here asked for its removal.
    pub vm_missed: u32,
    /// It is one that Azure may evict.
    pub is_spot: bool,
    /// Its entry was in a list.
    pub entry_seen: bool,
    /// Since when its VM is seen without an entry, and nobody has been at work on it.
    pub unregistered_since: Option<Timestamp>,
    /// It was online.
    pub was_online: bool,
    /// Its id at GitHub.
    pub runner_id: Option<RunnerId>,
    /// When it was made a runner over SSH.
    pub installed: Option<Timestamp>,
    /// Why it cannot be made one.
    pub failed: Option<String>,
    /// Its VM says that it was a runner and is none any more.
    pub ended: bool,
    /// Jobs that it was seen with.
    pub jobs: Jobs,
    /// Since when it is seen online and without a job.
    pub idle_since: Option<Timestamp>,
    /// Since when it is offline, after it was online.
    pub offline_since: Option<Timestamp>,
    /// When this daemon asked Azure to remove its VM.
    pub removal_asked: Option<Timestamp>,
    /// Until when its VM is in the ledger.
    pub counted_until: Option<Timestamp>,
}

/// Jobs that a runner was seen with. Polls see what lasts from one to the next, so it is at least so
/// many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jobs {
    /// How many.
    pub taken: u32,
    /// Whether it ran one when it was last seen.
    pub is_busy: bool,
    /// The last one, where the queue named it.
    pub last: Option<JobId>,
}

impl Jobs {
    /// How many it has finished.
    pub fn finished(&self) -> u32 {
        self.taken.saturating_sub(u32::from(self.is_busy))
    }

    fn see(&mut self, busy: bool, job: Option<JobId>) {
        let is_new = match (job, self.last) {
            (Some(job), Some(last)) => job != last,
            // One that was counted when GitHub only said "busy" is named afterwards.
            (Some(_), None) => !self.is_busy,
            (None, _) => busy && !self.is_busy,
        };
        self.taken += u32::from(is_new);
        self.is_busy = busy || job.is_some();
        self.last = match job {
            Some(job) => Some(job),
            None if is_new => None,
            None => self.last,
        };
    }
}

/// Starts that failed in a row. While they do, the next try waits longer each time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many tries failed one after the other; those of one moment count once.
    pub count: u32,
    /// When the last one did.
    pub last: Option<Timestamp>,
    /// What it said.
    pub why: String,
    /// What is done about it.
    pub remedy: Remedy,
}

impl Failures {
    const FIRST_WAIT: Duration = Duration::from_secs(10);
    const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

    /// Where only a person can help, one try shows whether somebody has.
    const BETWEEN_PROBES: Duration = Duration::from_secs(2 * 60);

    /// How long the next try waits from the last failure on.
    fn wait(&self) -> Duration {
        if self.is_stopped() {
            return Self::BETWEEN_PROBES;
        }
        let doublings = self.count.saturating_sub(1).min(10);
        (Self::FIRST_WAIT * 2_u32.pow(doublings)).min(Self::LONGEST_WAIT)
    }

    /// What is left of the wait, if any.
    pub fn wait_left(&self, now: Timestamp) -> Option<Duration> {
        let since = elapsed(self.last?, now);
        self.wait().checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Whether only a person can help.
    pub fn is_stopped(&self) -> bool {
        self.count > 0 && self.remedy == Remedy::Stop
    }

    fn add(&mut self, why: &str, remedy: Remedy, now: Timestamp) {
        if self.wait_left(now).is_none() {
            self.count += 1;
            self.last = Some(now);
        }
        self.why = why.to_owned();
        self.remedy = remedy;
    }
}

impl Memory {
    /// Takes in what was seen, before a plan is made of it.
    #[must_use]
    pub fn after_seeing(mut self, fleet: &Fleet, seen: &Snapshot, now: Timestamp) -> Memory {
        self.forget_the_future(now);
        let (Ok(entries), Ok(vms)) = (&seen.entries, &seen.vms) else { return self };
        self.ledger.since.get_or_insert(now);
        for (name, vm) in vms {
            let remembered = self.runners.entry(name.clone()).or_default();
            self.ledger.see(vm, remembered, entries.contains_key(name), now);
            remembered.vm_seen = true;
            if vm.provisioning == ProvisioningState::Succeeded {
                remembered.made.get_or_insert(now);
            }
            remembered.vm_missed = 0;
            remembered.is_spot = vm.spot;
            if entries.contains_key(name) || seen.in_flight.contains_key(name) {
                remembered.unregistered_since = None;
            } else {
                remembered.unregistered_since.get_or_insert(now);
            }
        }
        for (name, entry) in entries {
            let job = seen.working.get(name.as_str()).copied();
            let remembered = self.runners.entry(name.clone()).or_default();
            let taken = remembered.jobs.taken;
            if remembered.see(entry, job, now) {
                self.failures = Failures::default();
            }
            self.ledger.jobs += u64::from(remembered.jobs.taken - taken);
        }
        for (name, remembered) in &mut self.runners {
            let is_missed =
                remembered.vm_seen && remembered.removal_asked.is_none() && !vms.contains_key(name);
            remembered.vm_missed += u32::from(is_missed);
        }
        let lag = list_lag(fleet);
        self.runners.retain(|name, remembered| {
            remembered.is_recent(lag, now)
                || vms.contains_key(name)
                || entries.contains_key(name)
                || seen.in_flight.contains_key(name)
        });
        let is_settled = !self.runners.values().any(|remembered| remembered.is_recent(lag, now));
        let current = &fleet.vm.group;
        let is_used = |group: &ResourceGroup| {
            !is_settled || seen.unread.contains_key(group) || vms.values().any(|vm| vm.group == *group)
        };
        let has_moved = !self.groups.contains(current);
        if has_moved || self.groups.iter().any(|group| group != current && is_used(group)) {
            self.moved_since = None;
        } else if elapsed(*self.moved_since.get_or_insert(now), now) >= LOOKED_AFTER {
            self.groups.clear();
        }
        self.groups.insert(current.clone());
        self
    }

    /// Takes in that an action begins.
    pub fn begin(&mut self, name: &RunnerName, action: &Action, now: Timestamp) {
        match action {
            Action::Provision { replaces, .. } => {
                let remembered = self.of(name);
                remembered.asked_for = Some(now);
                remembered.replaces.clone_from(replaces);
            }
            Action::Install(_) => self.of(name).unregistered_since = None,
            Action::Destroy(_) => {}
        }
    }

    /// A clock that was set back makes the past lie ahead. What lies ahead is taken for this moment,
    /// or everything that waits would wait for as long as the clock was wrong.
    fn forget_the_future(&mut self, now: Timestamp) {
        self.times().for_each(|time| *time = time.map(|at| at.min(now)));
    }

    /// Takes in that the clock was set ahead, by so much more than has gone by: nothing is older for that. Else a list
    /// that does not show yet what was asked for a moment ago would be believed.
    pub fn clock_was_set_ahead(&mut self, by: Duration) {
        self.times().for_each(|time| *time = time.map(|at| at.checked_add(by).unwrap_or(at)));
    }

    fn times(&mut self) -> impl Iterator<Item = &mut Option<Timestamp>> {
        let of_runners = self.runners.values_mut().flat_map(|known| {
            [
                &mut known.asked_for,
                &mut known.idle_since,
                &mut known.offline_since,
                &mut known.removal_asked,
                &mut known.installed,
                &mut known.unregistered_since,
                &mut known.counted_until,
                &mut known.made,
            ]
        });
        let own =
            [&mut self.last_scaling, &mut self.failures.last, &mut self.moved_since, &mut self.ledger.since];
        of_runners.chain(own)
    }

    /// A scaling action of which a start came to nothing begins no cooldown: what holds the next one back is
    /// what kept this one from it.
    fn came_to_nothing(&mut self, outcome: &Outcome) {
        if matches!(outcome, Outcome::NoRoom(_) | Outcome::Failed(_)) {
            self.last_scaling = None;
        }
    }

    /// Whether lists that were read then, and a moment ago, tell what there is now as well as new ones would:
    /// nothing has been asked for, removed or made a runner that they may not show.
    pub fn is_told_by_lists_of(&self, read_at: Timestamp, fleet: &Fleet, now: Timestamp) -> bool {
        let is_shown = |at: Timestamp| elapsed(at, read_at) >= list_lag(fleet);
        let mut runners = self.runners.values();
        elapsed(read_at, now) <= LISTS_SERVE
            && runners.all(|known| {
                [known.asked_for, known.removal_asked, known.installed].into_iter().flatten().all(is_shown)
            })
    }

    fn of(&mut self, name: &RunnerName) -> &mut Remembered {
        self.runners.entry(name.clone()).or_default()
    }

    /// Takes in how an action went.
    pub fn record(&mut self, name: &RunnerName, action: &Action, outcome: &Outcome, now: Timestamp) {
        match (action, outcome) {
            (Action::Provision { .. }, Outcome::Started | Outcome::Unclear(_)) => {
                self.of(name).asked_for = Some(now);
            }
            (Action::Provision { .. }, Outcome::Failed(failure)) => {
                self.runners.remove(name);
                self.came_to_nothing(outcome);
                self.failures.add(&failure.why, failure.remedy, now);
            }
            (Action::Provision { .. } | Action::Install(_), Outcome::Installed { runner_id, .. }) => {
                let remembered = self.of(name);
                remembered.runner_id = Some(*runner_id);
                remembered.installed = Some(now);
                remembered.unregistered_since = None;
            }
            (Action::Provision { .. } | Action::Install(_), Outcome::Broken { why, runner_id }) => {
                let remembered = self.of(name);
                remembered.failed = Some(why.clone());
                remembered.runner_id = runner_id.or(remembered.runner_id);
                remembered.unregistered_since = None;
                self.failures.add(why, Remedy::GiveUp, now);
            }
            (Action::Provision { .. } | Action::Install(_), Outcome::Ended(runner_id)) => {
                let remembered = self.of(name);
                remembered.runner_id = Some(*runner_id);
                remembered.ended = true;
            }
            (Action::Provision { .. }, Outcome::LeftAlone(_) | Outcome::Removed | Outcome::NoRoom(_)) => {
                self.runners.remove(name);
                self.came_to_nothing(outcome);
            }
            (Action::Destroy(destroy), Outcome::Removed) => {
                let remembered = self.of(name);
                remembered.removal_asked = Some(now);
                // It was one for so short a time that no list has shown it: starts work.
                let has_worked = destroy.why == DrainReason::Finished && !remembered.was_online;
                let is_counted = remembered.failed.is_some();
                let failed_to_start = match &destroy.why {
                    DrainReason::BootTimeout(_) | DrainReason::Broken(_) => !remembered.was_online,
                    // It is remembered by place.
                    DrainReason::NoRoom(_)
                    | DrainReason::Finished
                    | DrainReason::Served(_)
                    | DrainReason::Offline(_)
                    | DrainReason::Surplus(_)
                    | DrainReason::Rotated(_)
                    | DrainReason::OutOfSight(_)
                    | DrainReason::Killed(_) => false,
                };
                let has_taken_unseen = destroy.why == DrainReason::Finished && remembered.jobs.taken == 0;
                self.ledger.jobs += u64::from(has_taken_unseen);
                if has_worked {
                    self.failures = Failures::default();
                }
                if failed_to_start && !is_counted {
                    self.failures.add(&destroy.why.to_string(), Remedy::GiveUp, now);
                }
            }
            // They leave nothing to remember.
            (
                Action::Install(_),
                Outcome::Started
                | Outcome::Unclear(_)
                | Outcome::LeftAlone(_)
                | Outcome::NoRoom(_)
                | Outcome::Failed(_)
                | Outcome::Removed,
            )
            | (
                Action::Destroy(_),
                Outcome::Started
                | Outcome::Installed { .. }
                | Outcome::Ended(_)
                | Outcome::Broken { .. }
                | Outcome::Unclear(_)
                | Outcome::LeftAlone(_)
                | Outcome::NoRoom(_)
                | Outcome::Failed(_),
            ) => {}
        }
    }
}

impl Remembered {
    /// Whether a list that lags might not show yet what was asked for.
    fn is_recent(&self, lag: Duration, now: Timestamp) -> bool {
        [self.asked_for, self.removal_asked].into_iter().flatten().any(|at| elapsed(at, now) < lag)
    }

    /// Whether it is online for the first time.
    fn see(&mut self, entry: &RunnerInfo, job: Option<JobId>, now: Timestamp) -> bool {
        self.entry_seen = true;
        self.runner_id = Some(entry.runner_id);
        self.jobs.see(entry.busy, job);
        let is_idle = entry.status == RunnerStatus::Online && !self.jobs.is_busy;
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        match entry.status {
            RunnerStatus::Online => {
                self.offline_since = None;
                // It became one in spite of it.
                self.failed = None;
                !std::mem::replace(&mut self.was_online, true)
            }
            RunnerStatus::Offline => {
                if self.was_online && self.offline_since.is_none() {
                    self.offline_since = Some(now);
                }
                false
            }
        }
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
