//! The world's report on itself: what happened, whether it is at rest, and its peaks.

use std::collections::BTreeMap;

use crate::azure::SimVmState;
use crate::fault::Side;
use crate::statistics::Report;
use crate::world::{World, WorldEvent};

impl World {
    /// A report of what has happened so far.
    pub fn report(&self) -> Report {
        let statistics = &self.statistics;
        let ended = statistics.jobs_completed
            + statistics.jobs_killed
            + statistics.jobs_lost_to_faults
            + statistics.jobs_cancelled;
        Report {
            jobs_submitted: statistics.jobs_submitted,
            jobs_completed: statistics.jobs_completed,
            jobs_killed: statistics.jobs_killed,
            jobs_lost_to_faults: statistics.jobs_lost_to_faults,
            jobs_cancelled: statistics.jobs_cancelled,
            jobs_unserved: statistics.jobs_submitted.saturating_sub(ended),
            vms_created: statistics.vms_created,
            vms_left: self.state.azure.vms.len() as u64,
            runners_left: self.state.github.runners.len() as u64,
            vms_leaking: statistics.vms_leaking,
            overwrites: statistics.overwrites,
            names_reused: statistics.names_reused,
            peak_vms: statistics.peak_vms,
            peak_by_pool: statistics.peak_by_pool.clone(),
            peak_creating: statistics.peak_creating,
            wait_p50_s: statistics.wait_percentile(50),
            wait_p95_s: statistics.wait_percentile(95),
            github_requests: statistics.requests_to(Side::Github),
            azure_requests: statistics.requests_to(Side::Azure),
        }
    }

    /// Whether no job will arrive, waits or runs, and no VM or runner exists.
    pub fn is_at_rest(&self) -> bool {
        let report = self.report();
        let comes_more = self.events.values().any(|event| matches!(event, WorldEvent::Arrive(_)));
        let open = report.jobs_unserved - self.statistics.jobs_expired;
        !comes_more && open == 0 && report.vms_left == 0 && report.runners_left == 0
    }

    /// Updates the peaks.
    pub(crate) fn count_vms(&mut self) {
        let vms = &self.state.azure.vms;
        let mut pools = BTreeMap::<String, u32>::new();
        for vm in vms.values() {
            *pools.entry(vm.tag("azlin-pool").unwrap_or_default().to_owned()).or_default() += 1;
        }
        let creating = vms.values().filter(|vm| vm.state == SimVmState::Creating).count() as u32;
        self.statistics.peak_vms = self.statistics.peak_vms.max(vms.len() as u32);
        self.statistics.peak_creating = self.statistics.peak_creating.max(creating);
        for (pool, count) in pools {
            let peak = self.statistics.peak_by_pool.entry(pool).or_default();
            *peak = count.max(*peak);
        }
    }
}
