//! What the world says of itself: a report, whether it is at rest, and its peaks.

use std::collections::BTreeMap;

use crate::azure::State;
use crate::fault::Side;
use crate::ledger::Report;
use crate::world::{Event, World};

impl World {
    /// A report of what happened so far.
    pub fn report(&self) -> Report {
        let ledger = &self.ledger;
        let ended =
            ledger.jobs_completed + ledger.jobs_killed + ledger.jobs_lost_to_weather + ledger.jobs_cancelled;
        Report {
            jobs_submitted: ledger.jobs_submitted,
            jobs_completed: ledger.jobs_completed,
            jobs_killed: ledger.jobs_killed,
            jobs_lost_to_weather: ledger.jobs_lost_to_weather,
            jobs_cancelled: ledger.jobs_cancelled,
            jobs_unserved: ledger.jobs_submitted.saturating_sub(ended),
            vms_created: ledger.vms_created,
            vms_left: self.state.azure.vms.len() as u64,
            runners_left: self.state.github.runners.len() as u64,
            vms_leaking: ledger.vms_leaking,
            overwrites: ledger.overwrites,
            names_reused: ledger.names_reused,
            peak_vms: ledger.peak_vms,
            peak_by_pool: ledger.peak_by_pool.clone(),
            peak_creating: ledger.peak_creating,
            wait_p50_s: ledger.wait_percentile(50),
            wait_p95_s: ledger.wait_percentile(95),
            github_requests: ledger.requests_to(Side::Github),
            azure_requests: ledger.requests_to(Side::Azure),
        }
    }

    /// Whether no more jobs come, none waits or runs, and nothing is left.
    pub fn is_at_rest(&self) -> bool {
        let report = self.report();
        let comes_more = self.events.values().any(|event| matches!(event, Event::Arrive(_)));
        let open = report.jobs_unserved - self.ledger.jobs_expired;
        !comes_more && open == 0 && report.vms_left == 0 && report.runners_left == 0
    }

    /// Counts what is there, for the peaks.
    pub(crate) fn count_vms(&mut self) {
        let vms = &self.state.azure.vms;
        let mut pools = BTreeMap::<String, u32>::new();
        for vm in vms.values() {
            *pools.entry(vm.tag("azlin-pool").unwrap_or_default().to_owned()).or_default() += 1;
        }
        let creating = vms.values().filter(|vm| vm.state == State::Creating).count() as u32;
        self.ledger.peak_vms = self.ledger.peak_vms.max(vms.len() as u32);
        self.ledger.peak_creating = self.ledger.peak_creating.max(creating);
        for (pool, count) in pools {
            let peak = self.ledger.peak_by_pool.entry(pool).or_default();
            *peak = count.max(*peak);
        }
    }
}
