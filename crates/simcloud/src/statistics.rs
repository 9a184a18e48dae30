//! What happened: counted as it happens, for reports and for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::fault::Side;

/// What happened so far.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Jobs that came into being.
    pub jobs_submitted: u64,
    /// Jobs that ran to their end.
    pub jobs_completed: u64,
    /// Jobs whose machine was taken away by a client's request while they ran.
    pub jobs_killed: u64,
    /// Jobs whose machine was lost to a fault.
    pub jobs_lost_to_faults: u64,
    /// Jobs that were cancelled while they waited.
    pub jobs_cancelled: u64,
    /// Jobs that GitHub cancelled because nobody took them for too long.
    pub jobs_expired: u64,
    /// VMs that were asked for with success.
    pub vms_created: u64,
    /// VMs that left a NIC or a disk behind.
    pub vms_leaking: u64,
    /// Requests that would have overwritten a VM.
    pub overwrites: u64,
    /// Names of VMs that were used more than once.
    pub names_reused: u64,
    /// VMs at the same time, at the most.
    pub peak_vms: u32,
    /// The same by fleet.
    pub peak_by_pool: BTreeMap<String, u32>,
    /// VMs in creation at the same time, at the most.
    pub peak_creating: u32,
    /// How long each job waited from when it could start until it started.
    pub waits: Vec<Duration>,
    /// Requests to GitHub beyond its rate limit, which were refused.
    pub requests_beyond_limit: u64,
    /// Requests to GitHub that were not sent, since there was nothing left of its rate limit.
    pub requests_held_back: u64,
    /// Requests that make a VM or a runner, under way at the same time, at the most.
    pub peak_open_starts: u32,
    /// Requests by service, method, route and status; their count and the bytes of the answers.
    pub requests: BTreeMap<(Side, String, String, u16), (u64, u64)>,
}

/// A report, as it is printed.
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
    /// Jobs that nobody has served: they wait or run, or GitHub gave them up.
    pub jobs_unserved: u64,
    /// See [`Statistics::vms_created`].
    pub vms_created: u64,
    /// VMs that are there.
    pub vms_left: u64,
    /// Entries of runners that are there.
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
    /// Half of the jobs waited no longer, in seconds.
    pub wait_p50_s: f64,
    /// 95 of 100 jobs waited no longer, in seconds.
    pub wait_p95_s: f64,
    /// Requests to GitHub.
    pub github_requests: u64,
    /// Requests to Azure.
    pub azure_requests: u64,
}

impl Statistics {
    /// The wait that so many of a hundred jobs did not exceed, in seconds.
    pub fn wait_percentile(&self, percent: usize) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort();
        let place = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(place).map_or(0.0, |wait| (wait.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    /// Requests to a service.
    pub fn requests_to(&self, side: Side) -> u64 {
        self.requests.iter().filter(|((to, ..), _)| *to == side).map(|(_, (count, _))| count).sum()
    }

    /// Notes a request.
    pub fn request(&mut self, side: Side, method: &str, route: &str, status: u16, bytes: u64) {
        let entry = self.requests.entry((side, method.to_owned(), route.to_owned(), status)).or_default();
        entry.0 += 1;
        entry.1 += bytes;
    }
}
