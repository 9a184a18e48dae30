//! What a fleet's VMs have cost, and what for.
//!
//! Time is kept, not money: when a price is mended, what was spent before is told by it too. A VM is counted from
//! the request for it until the last list that shows it, so its removal is short by a poll at the most.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::Remembered;
use crate::prices::Prices;
use crate::snapshot::Snapshot;
use crate::time::elapsed;
use crate::vm::Vm;

/// How long VMs of a fleet were there, since it is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Since when it is counted.
    pub since: Option<Timestamp>,
    /// Jobs that its runners took.
    pub jobs: u64,
    /// The time of VMs, by what VMs they were.
    pub spent: Vec<Spent>,
}

/// The time of VMs of one price.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Their size.
    pub size: String,
    /// Their region.
    pub region: String,
    /// Whether Azure may evict them.
    pub spot: bool,
    /// How long they were there, in milliseconds, by what for.
    pub starting_ms: u64,
    /// Running a job.
    pub busy_ms: u64,
    /// Online without a job.
    pub idle_ms: u64,
    /// No runner any more, and not removed yet.
    pub leaving_ms: u64,
}

/// What a fleet costs, in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Since when it is counted.
    pub since: Timestamp,
    /// All of it since then.
    pub total: f64,
    /// Of that, for VMs that were no runner yet.
    pub starting: f64,
    /// For runners with a job.
    pub busy: f64,
    /// For runners without one.
    pub idle: f64,
    /// For VMs whose runner had ended.
    pub leaving: f64,
    /// The idle part of it, from 0 to 1; absent where nothing was spent.
    pub idle_share: Option<f64>,
    /// Jobs that its runners took since then, as far as looks have shown them.
    pub jobs: u64,
    /// All of it, divided by them; absent where there were none.
    pub per_job: Option<f64>,
    /// What the VMs of this moment cost an hour.
    pub per_hour: f64,
    /// The day that the prices are of.
    pub prices_as_of: String,
    /// Sizes whose price is that of another region, or of a VM that is not evicted.
    pub estimated: Vec<String>,
    /// Sizes without any price: they are not in the sums.
    pub unpriced: Vec<String>,
}

impl Ledger {
    /// Takes in that a VM is there, by what was known of its runner before this look.
    pub(crate) fn see(&mut self, vm: &Vm, known: &mut Remembered, has_entry: bool, now: Timestamp) {
        let since = self.since.unwrap_or(now);
        let from = known.counted_until.unwrap_or(vm.tags.created_at).max(since);
        known.counted_until = Some(now.max(from));
        let time = u64::try_from(elapsed(from, now).as_millis()).unwrap_or(u64::MAX);
        let spent = self.of(vm);
        let part = if !known.was_online {
            &mut spent.starting_ms
        } else if known.removal_asked.is_some() || !has_entry {
            &mut spent.leaving_ms
        } else if known.jobs.is_busy {
            &mut spent.busy_ms
        } else {
            &mut spent.idle_ms
        };
        *part = part.saturating_add(time);
    }

    fn of(&mut self, vm: &Vm) -> &mut Spent {
        let is_its =
            |spent: &Spent| (&spent.size, &spent.region, spent.spot) == (&vm.size, &vm.location, vm.spot);
        let index = self.spent.iter().position(is_its).unwrap_or_else(|| {
            let (size, region) = (vm.size.clone(), vm.location.clone());
            self.spent.push(Spent { size, region, spot: vm.spot, ..Spent::default() });
            self.spent.len() - 1
        });
        &mut self.spent[index]
    }
}

const HOUR: f64 = 3_600_000.0;

impl Cost {
    /// What the fleet has cost, and what it costs now; `None` as long as nothing is counted.
    pub fn of(ledger: &Ledger, seen: &Snapshot, prices: &Prices) -> Option<Cost> {
        let since = ledger.since?;
        let (mut estimated, mut unpriced) = (Vec::new(), Vec::new());
        let mut price = |size: &str, region: &str, is_spot: bool| {
            let price = prices.hour(size, region, is_spot);
            let told = match price {
                Some(price) if price.is_listed => None,
                Some(_) => Some(&mut estimated),
                None => Some(&mut unpriced),
            };
            if let Some(told) = told.filter(|told| !told.iter().any(|known| known == size)) {
                told.push(size.to_owned());
            }
            price.map_or(0.0, |price| price.hour as f64 / 1e6)
        };
        let (mut starting, mut busy, mut idle, mut leaving) = (0.0, 0.0, 0.0, 0.0);
        for spent in &ledger.spent {
            let hour = price(&spent.size, &spent.region, spent.spot);
            let cost = |time: u64| time as f64 / HOUR * hour;
            starting += cost(spent.starting_ms);
            busy += cost(spent.busy_ms);
            idle += cost(spent.idle_ms);
            leaving += cost(spent.leaving_ms);
        }
        let vms = seen.vms.iter().flat_map(|vms| vms.values());
        let per_hour = vms.map(|vm| price(&vm.size, &vm.location, vm.spot)).sum();
        let total = starting + busy + idle + leaving;
        Some(Cost {
            since,
            total: rounded(total),
            starting: rounded(starting),
            busy: rounded(busy),
            idle: rounded(idle),
            leaving: rounded(leaving),
            idle_share: (total > 0.0).then(|| rounded(idle / total)),
            jobs: ledger.jobs,
            per_job: (ledger.jobs > 0).then(|| rounded(total / ledger.jobs as f64)),
            per_hour: rounded(per_hour),
            prices_as_of: prices.as_of.clone(),
            estimated,
            unpriced,
        })
    }

    /// Whether there is anything to tell.
    pub fn is_something(&self) -> bool {
        self.per_hour > 0.0 || self.total > 0.0 || !self.unpriced.is_empty()
    }

    /// How long it has been counted.
    pub fn age(&self, now: Timestamp) -> Duration {
        elapsed(self.since, now)
    }
}

/// To a millionth of a dollar, as prices are.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
