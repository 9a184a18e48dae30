//! GitHub's time limits: for jobs that no runner takes, and for entries without a connection (Docs: Usage
//! limits; Removing self-hosted runners).

use crate::github::{Conclusion, JobState};
use crate::world::World;

impl World {
    /// GitHub cancels a job that no runner took in time.
    pub(crate) fn expired(&mut self, job: u64) {
        let limit = self.settings.queue_limit;
        let waits = self.state.github.jobs.get(&job).filter(|job| job.state == JobState::Queued);
        if waits.is_some_and(|job| job.queued_at + limit <= self.now()) {
            self.statistics.jobs_expired += 1;
            self.complete(job, Conclusion::Cancelled);
        }
    }

    /// GitHub removes the entry of an ephemeral runner that was not connected for too long.
    pub(crate) fn forget(&mut self, runner: u64) {
        let limit = self.settings.entry_limit;
        let Some(entry) = self.state.github.runners.get(&runner) else { return };
        let is_stale = entry.offline_since.is_some_and(|since| since + limit <= self.now());
        if is_stale && !entry.is_busy() {
            self.state.github.jits.remove(&entry.jit);
            self.state.github.runners.remove(&runner);
        }
    }
}
