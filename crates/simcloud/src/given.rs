//! The course of a job that GitHub gives to a runner, and what goes wrong there: a job that goes to a runner which is
//! not there, two runners for one job, a second job that ends the first.

use std::time::Duration;

use crate::assign::is_idle;
use crate::fault::{FaultKind, random_duration};
use crate::github::{Conclusion, JobState};
use crate::world::{World, WorldEvent};

/// The id and the name of the runners on GitHub's own machines. No entry has them.
pub(crate) const HOSTED: u64 = 1_000_000_000;
const HOSTED_NAME: &str = "GitHub Actions 1000000000";

/// The time after which GitHub takes back a job that a runner was sent and has not acquired.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(60);

impl World {
    /// GitHub gives waiting jobs to runners.
    pub(crate) fn assign(&mut self) {
        self.settle_scale_sets();
        self.give_astray();
        for given in self.state.github.assign(self.now, &mut self.rng, &self.account) {
            if given.has_begun {
                self.begun(given.job, given.runner);
                self.give_twice(given.job, given.runner);
            } else {
                self.after(ACQUIRE_LIMIT, WorldEvent::TakeBack(given.job, given.runner));
            }
        }
        self.settle_scale_sets();
    }

    /// A machine of GitHub's begins with a job.
    pub(crate) fn begin_hosted(&mut self, job: u64) {
        let now = self.now();
        self.state.github.start(job, HOSTED, now);
        let Some(sim) = self.state.github.jobs.get_mut(&job) else { return };
        sim.runner = Some((HOSTED, HOSTED_NAME.to_owned()));
        let duration = sim.duration;
        self.after(duration, WorldEvent::Done(job));
    }

    /// The program of a runner acquires the job that it was sent; false if it was sent no such job.
    pub(crate) fn acquire(&mut self, runner: u64, job: u64) -> bool {
        if self.state.github.runners.get(&runner).is_none_or(|entry| entry.job != Some(job)) {
            return false;
        }
        if self.state.github.jobs.get(&job).is_some_and(|job| job.state == JobState::Queued) {
            let now = self.now();
            self.state.github.start(job, runner, now);
            self.begun(job, runner);
        }
        true
    }

    /// A runner has begun with a job: counts it, and draws what will go wrong.
    fn begun(&mut self, job: u64, runner: u64) {
        let Some(started) = self.state.github.jobs.get(&job) else { return };
        let (duration, queued_at) = (started.duration, started.queued_at);
        let waited = Duration::try_from(self.now().duration_since(queued_at)).unwrap_or_default();
        self.statistics.waits.push(waited);
        // A job on a real machine ends when its runner reports it.
        if self.state.github.runners.get(&runner).is_none_or(|entry| entry.heard_at.is_none()) {
            self.after(duration, WorldEvent::Done(job));
        }
        let on = self.state.azure.vms.values().find(|vm| vm.runner == Some(runner)).map(|vm| vm.uid);
        if let Some(uid) = on
            && self.strikes(|what| matches!(what, FaultKind::DiesInJob))
        {
            self.after(duration / 2, WorldEvent::Dies(uid));
        }
        if self.strikes(|what| matches!(what, FaultKind::EntryVanishes)) {
            let wait = random_duration(Duration::ZERO..duration, &mut self.rng);
            self.after(wait, WorldEvent::Vanish(runner));
        }
        let lag =
            self.struck_span(|what| if let FaultKind::ShownQueued(span) = what { Some(*span) } else { None });
        let now = self.now();
        if let Some(lag) = lag
            && let Some(job) = self.state.github.jobs.get_mut(&job)
        {
            job.shown_queued_until = Some(now + lag);
        }
    }

    /// A new job goes to a runner that cannot take it: one that is not connected, or one that has a job.
    fn give_astray(&mut self) {
        let is_it =
            |what: &FaultKind| matches!(what, FaultKind::OfflineAssignment | FaultKind::DoubleAssignment);
        if !self.faults.has(is_it) {
            return;
        }
        let now = self.now();
        let github = &self.state.github;
        let is_new = |id: &u64| github.jobs.get(id).is_some_and(|job| job.queued_at == now);
        let new: Vec<u64> = github.queued.iter().copied().filter(is_new).collect();
        for job in new {
            let (github, account) = (&self.state.github, &self.account);
            let able =
                || github.runners.values().filter(|it| !it.is_hidden && github.can_take(it.id, job, account));
            let offline = able().find(|it| !it.online && !it.is_busy()).map(|it| it.id);
            let busy = able()
                .find(|it| it.online && !it.ephemeral && it.heard_at.is_none())
                .and_then(|it| Some((it.id, it.job?)));
            if let Some(runner) = offline
                && self.strikes(|what| matches!(what, FaultKind::OfflineAssignment))
            {
                self.state.github.offer(job, runner);
                let minutes = Duration::from_secs(60)..Duration::from_secs(600);
                let wait = random_duration(minutes, &mut self.rng);
                self.after(wait, WorldEvent::TakeBack(job, runner));
            } else if let Some((runner, first)) = busy
                && self.strikes(|what| matches!(what, FaultKind::DoubleAssignment))
            {
                self.statistics.jobs_lost_to_faults += 1;
                self.complete(first, Conclusion::Cancelled);
                self.state.github.start(job, runner, now);
                self.begun(job, runner);
            }
        }
    }

    /// A second idle runner gets a job that the first has begun with.
    fn give_twice(&mut self, job: u64, first: u64) {
        let (github, account) = (&self.state.github, &self.account);
        let able = |id: &u64| *id != first && github.can_take(*id, job, account);
        let is_free = |id: &u64| {
            github.runners.get(id).is_some_and(|it| is_idle(it) && it.heard_at.is_none() && !it.is_abandoned)
        };
        let second = github.runners.keys().copied().find(|id| is_free(id) && able(id));
        if let Some(second) = second
            && self.strikes(|what| matches!(what, FaultKind::DoubleAssignment))
            && let Some(entry) = self.state.github.runners.get_mut(&second)
        {
            entry.job = Some(job);
        }
    }

    /// A job ends. A second runner that has the same job ends with it.
    pub(crate) fn complete(&mut self, job: u64, conclusion: Conclusion) {
        let next = self.state.github.complete(job, conclusion, self.now());
        let github = &self.state.github;
        let first = github.jobs.get(&job).and_then(|job| job.runner.as_ref()).map(|(id, _)| *id);
        let others = github.runners.values().filter(|it| it.job == Some(job) && Some(it.id) != first);
        for other in others.map(|it| it.id).collect::<Vec<_>>() {
            self.job_ends(other);
        }
        self.submitted(&next);
    }
}

#[cfg(test)]
mod tests;
