//! The entries of runners, and where GitHub's three truths about them differ. The broker knows which runner has a job
//! ([`SimRunner::job`]). The list may call that runner idle, a `DELETE` may call it idle too, and an entry may go
//! before its runner does, or stay after it.

use std::time::Duration;

use azlin_fleet::model::Scope;

use crate::calls::Removal;
use crate::fault::{FaultKind, Lag, random_duration};
use crate::github::{Conclusion, JobState, SimJob, SimRunner};
use crate::odd_text::odd;
use crate::workload::Span;
use crate::world::World;

impl World {
    /// The entries of a scope, as a list shows them.
    pub(crate) fn shown_runners(&mut self, scope: &Scope, lag: Lag) -> Vec<SimRunner> {
        let entries: Vec<SimRunner> = self.seen(lag).github.runners_of(scope).into_iter().cloned().collect();
        entries.into_iter().map(|entry| self.shown_runner(entry)).collect()
    }

    /// One entry of a scope, as GitHub shows it.
    pub(crate) fn one_runner(&mut self, scope: &Scope, id: u64) -> Option<SimRunner> {
        let entry = self.state.github.runner(scope, id).cloned()?;
        Some(self.shown_runner(entry))
    }

    fn shown_runner(&mut self, entry: SimRunner) -> SimRunner {
        let is_idle = entry.job.is_some() && self.strikes(|what| matches!(what, FaultKind::ListIdle));
        if is_idle { SimRunner { job: None, ..entry } } else { entry }
    }

    /// A job, as GitHub shows it.
    pub(crate) fn shown_job(&mut self, job: SimJob) -> SimJob {
        let is_unnamed =
            job.state == JobState::InProgress && self.strikes(|what| matches!(what, FaultKind::JobsUnnamed));
        let job = if is_unnamed { SimJob { runner: None, ..job } } else { job };
        if self.is_odd { SimJob { name: odd(&job.name), ..job } } else { job }
    }

    /// Removes a runner's entry unless GitHub takes the runner for busy. A runner that has a job all the same
    /// cancels it.
    pub fn deregister(&mut self, scope: &Scope, id: u64) -> Removal {
        let now = self.now();
        let Some(entry) = self.state.github.runner(scope, id) else { return Removal::NotFound };
        if entry.stays_until.is_some_and(|until| now < until) {
            return Removal::Busy;
        }
        if entry.job.is_some() && !self.strikes(|what| matches!(what, FaultKind::DeleteIdle)) {
            return Removal::Busy;
        }
        self.remove_entry(id);
        Removal::Removed
    }

    /// An entry is gone. A program that is connected for it cancels its job and ends.
    fn remove_entry(&mut self, id: u64) {
        let Some(entry) = self.state.github.runners.remove(&id) else { return };
        self.state.github.jits.remove(&entry.jit);
        if let Some(job) = entry.job.and_then(|job| self.state.github.jobs.get(&job)) {
            let (job, state) = (job.id, job.state);
            let is_its = job_runner(self, job) == Some(id);
            if state == JobState::Queued {
                self.state.github.take_back(job, id);
            } else if is_its && state == JobState::InProgress {
                // The loss of a job with its machine is counted already.
                self.statistics.jobs_killed += u64::from(entry.online);
                let conclusion = if entry.online { Conclusion::Cancelled } else { Conclusion::Failure };
                self.complete(job, conclusion);
            }
        }
        let vm = self.state.azure.vms.values_mut().find(|vm| vm.runner == Some(id));
        if let Some(vm) = vm.filter(|vm| vm.guest.service == Some(true)) {
            // The program deletes what `config.sh` wrote.
            vm.guest.runner_id = None;
        }
        self.runner_ends(id);
    }

    /// An ephemeral runner has ended, and its entry goes, unless a fault makes it stay.
    pub(crate) fn entry_ends(&mut self, id: u64) {
        let now = self.now();
        let is_shown = self.state.github.runners.get(&id).is_some_and(|entry| !entry.is_hidden);
        let stays = if is_shown { self.entry_stays() } else { None };
        match (stays, self.state.github.runners.get_mut(&id)) {
            (Some(time), Some(entry)) => {
                entry.online = false;
                entry.lost = true;
                entry.offline_since = Some(now);
                entry.stays_until = Some(now + time);
            }
            _ => drop(self.state.github.runners.remove(&id)),
        }
    }

    /// How long GitHub refuses to remove the entry of a runner that has ended, if a fault strikes.
    pub(crate) fn entry_stays(&mut self) -> Option<Duration> {
        self.struck_span(|what| if let FaultKind::EntryStays(span) = what { Some(*span) } else { None })
    }

    /// The entry of a runner vanishes under it. Its job goes on.
    pub(crate) fn vanishes(&mut self, id: u64) {
        if let Some(entry) = self.state.github.runners.get_mut(&id)
            && entry.online
            && entry.job.is_some()
        {
            entry.is_hidden = true;
        }
    }

    /// A random time from the span of the fault that strikes, if one does.
    pub(crate) fn struck_span(&mut self, span_of: impl Fn(&FaultKind) -> Option<Span>) -> Option<Duration> {
        let mut span = None;
        let does = self.strikes(|what| {
            span = span_of(what);
            span.is_some()
        });
        span.filter(|_| does).map(|span| random_duration(span.from..span.to, &mut self.rng))
    }
}

fn job_runner(world: &World, job: u64) -> Option<u64> {
    world.state.github.jobs.get(&job)?.runner.as_ref().map(|(id, _)| *id)
}

#[cfg(test)]
mod tests;
