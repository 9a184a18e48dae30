//! What GitHub does not keep for ever: jobs that nobody takes, and entries that are not connected
//! (Docs: Usage limits; Removing self-hosted runners).

use crate::github::{Conclusion, JobState};
use crate::world::World;

impl World {
    /// GitHub gives up a job that nobody took.
    pub(crate) fn expired(&mut self, job: u64) {
        let limit = self.settings.queue_limit;
        let waits = self.state.github.jobs.get(&job).filter(|job| job.state == JobState::Queued);
        if waits.is_some_and(|job| job.queued_at + limit <= self.now()) {
            self.statistics.jobs_expired += 1;
            self.complete(job, Conclusion::Cancelled);
        }
    }

    /// GitHub removes the entry of an ephemeral runner that has not been connected for too long.
    pub(crate) fn forget(&mut self, runner: u64) {
        let limit = self.settings.entry_limit;
        let Some(entry) = self.state.github.runners.get(&runner) else { return };
        let is_stale = entry.offline_since.is_some_and(|since| since + limit <= self.now());
        if is_stale && entry.job.is_none() {
            self.state.github.jits.remove(&entry.jit);
            self.state.github.runners.remove(&runner);
        }
    }
}
