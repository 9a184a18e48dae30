//! What a fleet's VMs have cost, by use: their time, from [`crate::state`], times their price.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ByUse, Prices, Use, Vm, dollars, elapsed};
use crate::observe::Snapshot;
use crate::state::{Ledger, Spent, SpentDay};

/// What a fleet costs, in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// When counting began.
    pub since: Timestamp,
    /// The total cost since then.
    pub total: f64,
    /// The cost of each use of VMs.
    #[serde(flatten)]
    pub by_use: ByUse<f64>,
    /// The idle part of the total, from 0 to 1. Absent if the total is zero.
    pub idle_share: Option<f64>,
    /// Jobs that its runners took since then, as far as polls have shown them.
    pub jobs: u64,
    /// The total divided by the jobs. Absent if there were no jobs.
    pub per_job: Option<f64>,
    /// The cost of the current VMs per hour. Absent if the VMs, or the price of one of them, are not known.
    pub per_hour: Option<f64>,
    /// The cost of each of the last days, the oldest first: a week, and today.
    #[serde(default)]
    pub days: Vec<DayCost>,
    /// The date of the prices.
    pub prices_as_of: String,
    /// Sizes whose price is that of another region, or of a regular VM.
    pub estimated: Vec<String>,
    /// Sizes without any price. The sums do not include them.
    pub unpriced: Vec<String>,
}

/// The cost of a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayCost {
    /// The day in UTC: `2026-11-30`.
    pub day: String,
    /// Its cost so far, as far as prices are known.
    pub total: f64,
}

const HOUR: f64 = 3_600_000.0;

impl Cost {
    /// The fleet's cost so far, and its cost per hour; `None` until counting has begun.
    pub fn of(ledger: &Ledger, seen: &Snapshot, prices: &Prices, disk_gb: Option<u32>) -> Option<Cost> {
        let since = ledger.since?;
        let disk = prices.disk_hour(disk_gb);
        let (mut estimated, mut unpriced) = (Vec::new(), Vec::new());
        let mut price = |size: &str, region: &str, is_spot: bool| {
            let price = prices.hour(size, region, is_spot);
            let inexact = match price {
                Some(price) if price.is_listed => None,
                Some(_) => Some(&mut estimated),
                None => Some(&mut unpriced),
            };
            if let Some(sizes) = inexact.filter(|sizes| !sizes.iter().any(|known| known == size)) {
                sizes.push(size.to_owned());
            }
            price.map(|price| price.hour as f64 / 1e6)
        };
        let mut costs = |spent: &[Spent]| {
            let mut by_use = ByUse::<f64>::default();
            for spent in spent {
                let vm = price(&spent.size, &spent.region, spent.spot).unwrap_or_default();
                for (what_for, time) in spent.time.iter() {
                    let hour = if what_for == Use::Standby { disk } else { vm };
                    by_use[what_for] += *time as f64 / HOUR * hour;
                }
            }
            by_use
        };
        let by_use = costs(&ledger.spent);
        let total = |by_use: &ByUse<f64>| by_use.iter().map(|(_, cost)| cost).sum::<f64>();
        let of_day =
            |day: &SpentDay| DayCost { day: date(day.day), total: rounded(total(&costs(&day.spent))) };
        let days: Vec<DayCost> = ledger.days.iter().map(of_day).collect();
        let mut sum = |vm: &Vm| {
            if vm.is_on_standby() { Some(disk) } else { price(&vm.size, &vm.location, vm.spot) }
        };
        // A price that is not known makes no VM free.
        let each = |vms: &BTreeMap<_, Arc<Vm>>| vms.values().map(|vm| sum(vm)).collect::<Vec<Option<f64>>>();
        let each = seen.vms.as_ref().ok().map(each);
        let per_hour = each.and_then(|each| each.into_iter().sum::<Option<f64>>()).map(rounded);
        let total = total(&by_use);
        Some(Cost {
            since,
            total: rounded(total),
            by_use: ByUse::from_fn(|what_for| rounded(by_use[what_for])),
            idle_share: (total > 0.0).then(|| rounded(by_use[Use::Idle] / total)),
            jobs: ledger.jobs,
            per_job: (ledger.jobs > 0).then(|| rounded(total / ledger.jobs as f64)),
            per_hour,
            days,
            prices_as_of: prices.as_of.clone(),
            estimated,
            unpriced,
        })
    }

    /// Whether there is any cost to show.
    pub fn is_something(&self) -> bool {
        self.per_hour.is_some_and(|cost| cost > 0.0) || self.total > 0.0 || !self.unpriced.is_empty()
    }

    /// What was spent today and yesterday, for people: `$3.10 today, $9.40 yesterday`. Absent if nothing was.
    pub fn days_in_words(&self, now: Timestamp) -> Option<String> {
        let today = now.as_second().div_euclid(24 * 3600);
        let of = |number: i64| self.days.iter().find(|known| known.day == date(number)).map(|day| day.total);
        let told: Vec<String> = [(today, "today"), (today - 1, "yesterday")]
            .into_iter()
            .filter_map(|(day, word)| Some(format!("{} {word}", dollars(of(day)?))))
            .collect();
        (!told.is_empty() && self.total > 0.0).then(|| told.join(", "))
    }

    /// How long ago counting began.
    pub fn age(&self, now: Timestamp) -> Duration {
        elapsed(self.since, now)
    }
}

/// A day by its number since 1970.
fn date(day: i64) -> String {
    let start = Timestamp::from_second(day.saturating_mul(24 * 3600)).unwrap_or_default();
    start.strftime("%Y-%m-%d").to_string()
}

/// Rounds to a millionth of a dollar, the unit of prices. Nothing is 0, never -0, which the sum of nothing is.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6 + 0.0
}

#[cfg(test)]
mod tests;
