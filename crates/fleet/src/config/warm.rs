//! How many runners a fleet has, and what stays ready without a job: `[warm]`.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bootstrap::Method;
use super::fleet::{Fleet, MANY};
use super::reader::{Table, number};
use super::value::duration;
use crate::model::counted;

/// How few and how many runners a fleet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Runners that stay available without any job.
    pub min_runners: u32,
    /// The most VMs that the fleet may have.
    pub max_runners: u32,
    /// VMs that are ready and deallocated.
    #[serde(default, skip_serializing_if = "is_none")]
    pub standby: u32,
}

/// For people: `0 to 4 runners, 2 on standby`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { min_runners, max_runners, standby } = self;
        write!(f, "{min_runners} to {}", counted(*max_runners, "runner"))?;
        if *standby > 0 { write!(f, ", {standby} on standby") } else { Ok(()) }
    }
}

/// What most fleets lack is not written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(standby: &u32) -> bool {
    *standby == 0
}

impl Limits {
    /// The higher ones of both.
    #[must_use]
    pub fn highest(self, other: Limits) -> Limits {
        Limits {
            min_runners: self.min_runners.max(other.min_runners),
            max_runners: self.max_runners.max(other.max_runners),
            standby: self.standby.max(other.standby),
        }
    }
}

/// `[warm]`: what stays ready without a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WarmConfig {
    /// How many VMs are set up and deallocated, beside `max_runners`.
    pub standby: u32,
    /// How long idle runners stay after the fleet's last job.
    pub keep_for: Duration,
}

impl Fleet {
    /// The highest limits of all hours.
    pub fn highest_limits(&self) -> Limits {
        self.hours.iter().map(|hours| hours.limits).fold(self.own_limits, Limits::highest)
    }

    /// The most VMs that it may have at any hour, those on standby among them, and which keys say so. A deallocated VM
    /// keeps its address, and Azure counts its vCPUs (Learn: vCPU quotas).
    pub fn most_vms(&self) -> (u32, &'static str) {
        let all = self.highest_limits();
        let keys = match (all.standby > 0, all == self.own_limits) {
            (false, true) => "max_runners",
            (true, true) => "max_runners with standby",
            (false, false) => "the highest max_runners",
            (true, false) => "the highest max_runners with standby",
        };
        (all.max_runners.saturating_add(all.standby), keys)
    }
}

pub(super) fn warm(mut table: Table<'_, '_>, method: Method, spans: &mut Vec<Range<usize>>) -> WarmConfig {
    let standby = standby(&mut table, method, spans);
    let keep_for = table.or("keep_for", WarmConfig::default().keep_for, duration(0));
    table.finish();
    WarmConfig { standby: standby.unwrap_or_default(), keep_for }
}

/// How many VMs are on standby: of `[warm]`, or of hours. Where that is any, its place is added to `spans`.
pub(super) fn standby(
    table: &mut Table<'_, '_>,
    method: Method,
    spans: &mut Vec<Range<usize>>,
) -> Option<u32> {
    let (count, span) = table.spanned("standby", number(0..=MANY))?;
    if count > 0 && method == Method::Ssh {
        let message = format!("found {count}; allowed with bootstrap.method = \"ssh\": 0");
        let help =
            "use bootstrap.method = \"cloud-init\": a standby VM gets its JIT configuration by its user data";
        table.conflict(span.clone(), "standby", message, Some(help.to_owned()));
    }
    if count > 0 {
        spans.push(span);
    }
    Some(count)
}
