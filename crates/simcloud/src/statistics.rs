//! Counts of what happened, for reports and tests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::fault::Side;

/// Counts of what has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Jobs that were created.
    pub jobs_submitted: u64,
    /// Jobs that ran to their end.
    pub jobs_completed: u64,
    /// Jobs that were lost because a client deleted their VM.
    pub jobs_killed: u64,
    /// Jobs that were lost to a fault.
    pub jobs_lost_to_faults: u64,
    /// Jobs that were cancelled while they waited.
    pub jobs_cancelled: u64,
    /// Jobs that GitHub cancelled because no runner took them in time.
    pub jobs_expired: u64,
    /// VMs that were requested with success.
    pub vms_created: u64,
    /// VMs that left a NIC or a disk behind.
    pub vms_leaking: u64,
    /// Requests that would have overwritten a VM.
    pub overwrites: u64,
    /// VM names that were used more than once.
    pub names_reused: u64,
    /// VMs that became a second ephemeral runner.
    pub vms_used_again: u32,
    /// The most VMs at the same time.
    pub peak_vms: u32,
    /// The most VMs at the same time, by fleet.
    pub peak_by_pool: BTreeMap<String, u32>,
    /// The most VMs in creation at the same time.
    pub peak_creating: u32,
    /// How long each job waited for a runner.
    pub waits: Vec<Duration>,
    /// Requests to GitHub that were refused beyond its rate limit.
    pub requests_beyond_limit: u64,
    /// Requests to GitHub that were refused beyond its secondary limits.
    pub requests_beyond_secondary_limits: u64,
    /// Requests to GitHub that were not sent because its rate limit was used up.
    pub requests_held_back: u64,
    /// The most requests at the same time that create a VM or a runner.
    pub peak_open_starts: u32,
    /// Count of requests and sum of the answers' bytes, by service, method, route and status.
    pub requests: BTreeMap<(Side, String, String, u16), (u64, u64)>,
}

/// The report that is printed at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// See [`Statistics::jobs_submitted`].
    pub jobs_submitted: u64,
    /// See [`Statistics::jobs_completed`].
    pub jobs_completed: u64,
    /// See [`Statistics::jobs_killed`].
    pub jobs_killed: u64,
    /// See [`Statistics::jobs_lost_to_faults`].
    #[serde(rename = "jobs_lost_to_weather")]
    pub jobs_lost_to_faults: u64,
    /// See [`Statistics::jobs_cancelled`].
    pub jobs_cancelled: u64,
    /// Jobs that were not served: they wait or run, or GitHub cancelled them after its time limit.
    pub jobs_unserved: u64,
    /// See [`Statistics::vms_created`].
    pub vms_created: u64,
    /// VMs that exist at the end.
    pub vms_left: u64,
    /// Runner entries that exist at the end.
    pub runners_left: u64,
    /// See [`Statistics::vms_leaking`].
    pub vms_leaking: u64,
    /// See [`Statistics::overwrites`].
    pub overwrites: u64,
    /// See [`Statistics::names_reused`].
    pub names_reused: u64,
    /// See [`Statistics::peak_vms`].
    pub peak_vms: u32,
    /// See [`Statistics::peak_by_pool`].
    pub peak_by_pool: BTreeMap<String, u32>,
    /// See [`Statistics::peak_creating`].
    pub peak_creating: u32,
    /// The median wait for a runner, in seconds.
    pub wait_p50_s: f64,
    /// The 95th percentile of the wait for a runner, in seconds.
    pub wait_p95_s: f64,
    /// The number of requests to GitHub.
    pub github_requests: u64,
    /// The number of requests to Azure.
    pub azure_requests: u64,
}

impl Statistics {
    /// This percentile of the wait for a runner, in seconds.
    pub fn wait_percentile(&self, percent: usize) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort();
        let place = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(place).map_or(0.0, |wait| (wait.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    /// The number of requests to a service.
    pub fn requests_to(&self, side: Side) -> u64 {
        self.requests.iter().filter(|((to, ..), _)| *to == side).map(|(_, (count, _))| count).sum()
    }

    /// Counts a request.
    pub fn request(&mut self, side: Side, method: &str, route: &str, status: u16, bytes: u64) {
        let entry = self.requests.entry((side, method.to_owned(), route.to_owned(), status)).or_default();
        entry.0 += 1;
        entry.1 += bytes;
    }
}
