//! What is remembered of one runner.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    BootstrapOutcome, ForeignText, JobId, NamedJob, PowerState, ProvisioningState, RunnerId, RunnerInfo,
    RunnerName, RunnerStatus, StandbyTag, Use, Vm, elapsed,
};

/// What was seen of a runner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunnerState {
    /// When this daemon asked Azure for its VM.
    pub asked_for: Option<Timestamp>,
    /// How that request ended is not recorded. It is on disk before the request is sent.
    #[serde(skip_serializing_if = "is_default")]
    pub is_unanswered: bool,
    /// The runner that it replaces, until a list shows its VM.
    pub replaces: Option<RunnerName>,
    /// Its VM was in a list.
    pub vm_seen: bool,
    /// Since when a list shows its VM as made.
    pub made: Option<Timestamp>,
    /// How many lists in a row lacked its VM, though this daemon did not ask for its removal.
    pub vm_missed: u32,
    /// Azure may evict its VM.
    pub is_spot: bool,
    /// Its entry was in a list.
    pub entry_seen: bool,
    /// Since when its VM is seen without an entry while no operation of this daemon is under way.
    pub unregistered_since: Option<Timestamp>,
    /// It was online.
    pub was_online: bool,
    /// Its id at GitHub.
    pub runner_id: Option<RunnerId>,
    /// When it was installed over SSH.
    pub installed: Option<Timestamp>,
    /// The host key that its VM had then. The VM's tag says it as well, where no policy has taken that.
    #[serde(skip_serializing_if = "is_default")]
    pub host_key: Option<ForeignText>,
    /// Why it cannot become a runner.
    pub failed: Option<String>,
    /// Its VM says that its runner has ended.
    pub ended: bool,
    /// Jobs that it was seen with.
    pub jobs: Jobs,
    /// Since when it is seen online and without a job.
    pub idle_since: Option<Timestamp>,
    /// Since when it is offline, after it was online.
    pub offline_since: Option<Timestamp>,
    /// The request to drain that its VM has not answered yet.
    #[serde(skip_serializing_if = "is_default")]
    pub drain: DrainRequest,
    /// When its VM said that a job runs.
    #[serde(skip_serializing_if = "is_default")]
    pub said_busy: Option<Timestamp>,
    /// How often GitHub refused to remove its entry though there is no VM.
    #[serde(skip_serializing_if = "is_default")]
    pub entry_refused: EntryRefusals,
    /// When this daemon asked Azure to remove its VM.
    pub removal_asked: Option<Timestamp>,
    /// Its VM was asked for to be on standby.
    #[serde(skip_serializing_if = "is_default")]
    pub is_for_standby: bool,
    /// Since when its VM is deallocated, and has had no runner.
    #[serde(skip_serializing_if = "is_default")]
    pub standby_since: Option<Timestamp>,
    /// Its VM was on standby once.
    #[serde(skip_serializing_if = "is_default")]
    pub was_on_standby: bool,
    /// When the daemon asked for the deallocation of its VM, if it does not know how that ended: it may still come.
    #[serde(skip_serializing_if = "is_default")]
    pub deallocation_asked: Option<Timestamp>,
    /// Its VM's user data are removed, which held its JIT configuration.
    #[serde(skip_serializing_if = "is_default")]
    pub is_user_data_cleared: bool,
    /// When its VM was taken from standby.
    #[serde(skip_serializing_if = "is_default")]
    pub used: Option<Timestamp>,
    /// Azure has no such VM any more, whatever a list that lags shows.
    #[serde(skip_serializing_if = "is_default")]
    pub is_gone: bool,
    /// Until when its VM is counted in [`crate::state::Ledger`].
    pub counted_until: Option<Timestamp>,
}

/// A request to drain, as long as its VM has neither stopped nor said that a job runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrainRequest {
    /// Since when the VM is asked, and nothing has shown a job.
    pub since: Option<Timestamp>,
    /// When it was asked last.
    pub asked: Option<Timestamp>,
    /// Why it is asked.
    pub why: String,
}

/// Refusals of GitHub to remove an entry that has no VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryRefusals {
    /// Since when the entry is seen busy and offline, without a VM.
    pub since: Option<Timestamp>,
    /// How many.
    pub count: u32,
    /// When GitHub refused last.
    pub last: Option<Timestamp>,
}

/// Jobs that a runner was seen with. A job that begins and ends between two polls is not seen, so there may have been
/// more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jobs {
    /// How many.
    pub taken: u32,
    /// Whether it ran one when it was last seen.
    pub is_busy: bool,
    /// The last one, where the queue named it.
    pub last: Option<JobId>,
    /// What that one is called, for people.
    #[serde(skip_serializing_if = "is_default")]
    pub last_named: Option<NamedJob>,
}

/// What says nothing is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Jobs {
    /// How many it has finished.
    pub fn finished(&self) -> u32 {
        self.taken.saturating_sub(u32::from(self.is_busy))
    }

    /// The last one, as far as it is known.
    pub(crate) fn last_job(&self) -> Option<NamedJob> {
        let last = self.last?;
        let named = self.last_named.as_ref().filter(|named| named.id == last);
        Some(named.cloned().unwrap_or_else(|| last.into()))
    }

    fn see(&mut self, busy: bool, named: Option<&NamedJob>) {
        let job = named.map(|job| job.id);
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
        if named.is_some() {
            self.last_named = named.cloned();
        }
    }
}

/// What a list of GitHub's entries showed of a runner that was not known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryProgress {
    /// It is online for the first time.
    pub(crate) is_first_online: bool,
    /// How many jobs it took.
    pub(crate) jobs: u32,
}

impl RunnerState {
    /// Takes in that this daemon asks for its VM.
    pub(crate) fn ask_for(&mut self, replaces: Option<&RunnerName>, now: Timestamp) {
        self.asked_for = Some(now);
        self.is_unanswered = true;
        self.replaces = replaces.cloned();
    }

    /// How long the request for its VM took until that was on standby, once that is known.
    pub(crate) fn took_until_standby(&mut self, now: Timestamp) -> Option<Duration> {
        let is_first = self.standby_since.is_some() && !std::mem::replace(&mut self.was_on_standby, true);
        self.asked_for.filter(|_| is_first).map(|asked_for| elapsed(asked_for, now))
    }

    /// Takes in that its VM is taken from standby: Azure starts it, or may.
    pub(crate) fn taken_from_standby(&mut self, now: Timestamp) {
        self.answered(now);
        (self.used, self.standby_since, self.failed) = (Some(now), None, None);
    }

    /// Takes in that its VM could not be taken from standby.
    pub(crate) fn not_taken_from_standby(&mut self, why: &str) {
        (self.asked_for, self.is_unanswered) = (None, false);
        self.failed = Some(why.to_owned());
    }

    /// Takes in what a list shows of a VM that is for standby.
    fn saw_standby(&mut self, vm: &Vm, lag: Duration, now: Timestamp) {
        // A policy may have taken the tag.
        let is_kept = match vm.tags.standby {
            Some(standby) => standby == StandbyTag::Kept,
            None => self.is_for_standby,
        };
        if !is_kept || self.used.is_some() {
            self.standby_since = None;
            return;
        }
        match vm.power {
            PowerState::Deallocated => {
                self.standby_since.get_or_insert(now);
            }
            // A list that lags shows what was before.
            PowerState::Starting | PowerState::Running => {
                self.standby_since = self.standby_since.filter(|since| elapsed(*since, now) < lag);
            }
            PowerState::Stopping | PowerState::Stopped | PowerState::Deallocating | PowerState::Unknown => {}
        }
    }

    /// Takes in how the request for its VM ended: Azure makes the VM, or may.
    pub(crate) fn answered(&mut self, now: Timestamp) {
        self.asked_for = Some(now);
        self.is_unanswered = false;
    }

    /// Takes in that a list shows its VM; whether it has an entry, or an operation of this daemon is under way.
    pub(crate) fn saw_vm(
        &mut self,
        vm: &Vm,
        is_registered_or_in_flight: bool,
        lag: Duration,
        now: Timestamp,
    ) {
        self.saw_standby(vm, lag, now);
        self.vm_seen = true;
        self.is_unanswered = false;
        if matches!(vm.provisioning, ProvisioningState::Succeeded | ProvisioningState::Impaired) {
            self.made.get_or_insert(now);
        }
        self.vm_missed = 0;
        self.is_spot = vm.spot;
        if is_registered_or_in_flight {
            self.unregistered_since = None;
        } else {
            self.unregistered_since.get_or_insert(now);
        }
    }

    /// Takes in that something shows a job of its: what its VM is asked is asked anew.
    pub(crate) fn saw_job(&mut self) {
        self.drain = DrainRequest::default();
    }

    /// Takes in that its VM is asked to drain.
    pub(crate) fn ask_to_drain(&mut self, why: String, now: Timestamp) {
        self.drain.since.get_or_insert(now);
        self.drain.asked = Some(now);
        self.drain.why = why;
    }

    /// Whether its removal has begun: its VM was asked to drain.
    pub fn was_asked_to_drain(&self) -> bool {
        self.drain.asked.is_some()
    }

    /// Takes in that its VM says that a job runs.
    pub(crate) fn said_busy(&mut self, now: Timestamp) {
        self.saw_job();
        self.said_busy = Some(now);
    }

    /// Takes in that a list of VMs lacks its VM.
    pub(crate) fn missed_vm(&mut self) {
        self.vm_missed += u32::from(self.vm_seen && self.removal_asked.is_none());
    }

    /// Takes in its entry, the job that the queue says it runs, and whether a list has its VM.
    pub(crate) fn saw_entry(
        &mut self,
        entry: &RunnerInfo,
        job: Option<&NamedJob>,
        has_vm: bool,
        now: Timestamp,
    ) -> EntryProgress {
        let taken = self.jobs.taken;
        self.entry_seen = true;
        self.runner_id = Some(entry.runner_id);
        self.jobs.see(entry.busy, job);
        if self.jobs.is_busy {
            self.saw_job();
        }
        let is_stuck = entry.busy && entry.status == RunnerStatus::Offline && !has_vm;
        if is_stuck {
            self.entry_refused.since.get_or_insert(now);
        } else {
            self.entry_refused = EntryRefusals::default();
        }
        let is_idle = entry.status == RunnerStatus::Online && !self.jobs.is_busy;
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        let is_first_online = match entry.status {
            RunnerStatus::Online => {
                self.offline_since = None;
                // It became a runner all the same.
                self.failed = None;
                !std::mem::replace(&mut self.was_online, true)
            }
            RunnerStatus::Offline => {
                if self.was_online && self.offline_since.is_none() {
                    self.offline_since = Some(now);
                }
                false
            }
        };
        EntryProgress { is_first_online, jobs: self.jobs.taken - taken }
    }

    /// Takes in how its bootstrap over SSH ended.
    pub(crate) fn bootstrapped(&mut self, outcome: &BootstrapOutcome, now: Timestamp) {
        self.is_unanswered = false;
        match outcome {
            BootstrapOutcome::Installed { runner_id, host_key, .. } => {
                self.runner_id = Some(*runner_id);
                self.host_key = Some(host_key.clone());
                self.installed = Some(now);
                self.unregistered_since = None;
            }
            BootstrapOutcome::Ended(runner_id) => {
                self.runner_id = Some(*runner_id);
                self.ended = true;
            }
            BootstrapOutcome::Broken { why, runner_id } => {
                self.failed = Some(why.clone());
                self.runner_id = runner_id.or(self.runner_id);
                self.unregistered_since = None;
            }
        }
    }

    /// What its VM is paid for, by what was known before the list that shows it.
    pub(crate) fn vm_use(&self, has_entry: bool) -> Use {
        if self.standby_since.is_some() {
            Use::Standby
        } else if !self.was_online {
            Use::Starting
        } else if self.removal_asked.is_some() || !has_entry {
            Use::Leaving
        } else if self.jobs.is_busy {
            Use::Busy
        } else {
            Use::Idle
        }
    }

    /// Whether a list that lags might not show yet what this daemon asked for.
    pub(crate) fn is_recent(&self, lag: Duration, now: Timestamp) -> bool {
        let asked = [self.asked_for, self.removal_asked, self.deallocation_asked];
        asked.into_iter().flatten().any(|at| elapsed(at, now) < lag)
    }

    /// When the daemon asked for, removed or installed it.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Timestamp> + use<> {
        [self.asked_for, self.removal_asked, self.installed, self.standby_since].into_iter().flatten()
    }

    /// Every time that waiting is measured from.
    pub(crate) fn times(&mut self) -> [&mut Option<Timestamp>; 16] {
        [
            &mut self.asked_for,
            &mut self.idle_since,
            &mut self.offline_since,
            &mut self.removal_asked,
            &mut self.installed,
            &mut self.unregistered_since,
            &mut self.counted_until,
            &mut self.made,
            &mut self.drain.since,
            &mut self.drain.asked,
            &mut self.said_busy,
            &mut self.entry_refused.since,
            &mut self.entry_refused.last,
            &mut self.standby_since,
            &mut self.deallocation_asked,
            &mut self.used,
        ]
    }
}

#[cfg(test)]
mod tests;
