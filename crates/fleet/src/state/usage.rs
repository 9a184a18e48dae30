//! How long VMs were there, and what for: what their cost is made of.
//!
//! Time is kept, not money: when a price is corrected, what was spent before is shown by the right price too. A VM
//! is counted from the request for it until the last list that shows it, so its removal is short by one poll at
//! most.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ByUse, ForeignText, Use, Vm, elapsed};

/// How long VMs of a fleet were there, since counting began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// When counting began.
    pub since: Option<Timestamp>,
    /// Jobs that its runners took.
    pub jobs: u64,
    /// The time of VMs, for each kind of VM.
    pub spent: Vec<Spent>,
    /// The same of each of the last days, the oldest first.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub days: VecDeque<SpentDay>,
}

/// The time of VMs in one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentDay {
    /// The day in UTC, as its number since 1970.
    pub day: i64,
    /// The time of VMs, for each kind of VM.
    pub spent: Vec<Spent>,
}

/// How many days are kept: a week, and the present one.
const DAYS: usize = 8;
const DAY: i64 = 24 * 3600;

/// The time of VMs of one price.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Their size.
    pub size: ForeignText,
    /// Their region.
    pub region: ForeignText,
    /// Whether Azure may evict them.
    pub spot: bool,
    /// How long they were there, in milliseconds, for each use: `starting_ms` and so on.
    #[serde(flatten, with = "in_ms")]
    pub time: ByUse<u64>,
}

impl Ledger {
    /// Begins to count, unless it has begun.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// Counts a VM that a list shows, for the time since it was counted last, or since it was asked for. The
    /// moment until which it is counted now.
    pub(crate) fn count(
        &mut self,
        vm: &Vm,
        what_for: Use,
        counted_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let since = self.since.unwrap_or(now);
        let from = counted_until.unwrap_or(vm.tags.created_at).max(since);
        let time = u64::try_from(elapsed(from, now).as_millis()).unwrap_or(u64::MAX);
        add(&mut self.spent, vm, what_for, time);
        self.count_by_day(vm, what_for, from, now);
        now.max(from)
    }

    /// Counts the time of each day that is kept.
    fn count_by_day(&mut self, vm: &Vm, what_for: Use, from: Timestamp, now: Timestamp) {
        let of = |at: Timestamp| at.as_second().div_euclid(DAY);
        for day in (of(now) - DAYS as i64 + 1).max(of(from))..=of(now) {
            let start = |day: i64| Timestamp::from_second(day * DAY).unwrap_or(now);
            let time = elapsed(start(day).max(from), start(day + 1).min(now)).as_millis();
            let index = self.days.partition_point(|known| known.day < day);
            if self.days.get(index).is_none_or(|known| known.day != day) {
                self.days.insert(index, SpentDay { day, spent: Vec::new() });
            }
            add(&mut self.days[index].spent, vm, what_for, u64::try_from(time).unwrap_or(u64::MAX));
        }
        self.days.drain(..self.days.len().saturating_sub(DAYS));
    }

    /// Counts jobs that its runners took.
    pub(crate) fn took_jobs(&mut self, jobs: u32) {
        self.jobs += u64::from(jobs);
    }
}

/// Adds time to that of VMs of its kind.
fn add(all: &mut Vec<Spent>, vm: &Vm, what_for: Use, time: u64) {
    let is_its =
        |spent: &Spent| (&spent.size, &spent.region, spent.spot) == (&vm.size, &vm.location, vm.spot);
    let index = all.iter().position(is_its).unwrap_or_else(|| {
        let (size, region) = (vm.size.clone(), vm.location.clone());
        all.push(Spent { size, region, spot: vm.spot, ..Spent::default() });
        all.len() - 1
    });
    let total = &mut all[index].time[what_for];
    *total = total.saturating_add(time);
}

/// The keys of [`Spent::time`] in the state file.
mod in_ms {
    use serde::{Deserializer, Serializer};

    use super::ByUse;

    const SUFFIX: &str = "_ms";

    pub(super) fn serialize<S: Serializer>(time: &ByUse<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        time.write(SUFFIX, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByUse<u64>, D::Error> {
        ByUse::read(SUFFIX, deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Entry, NOW, Scene, at};

    fn vm() -> Vm {
        let vms = Scene::new("").runner(1, 60, Entry::Idle).seen.vms.expect("a list");
        Vm::clone(vms.values().next().expect("one"))
    }

    #[test]
    fn a_vm_is_counted_from_the_request_for_it_and_never_twice() {
        let (vm, mut ledger) = (vm(), Ledger { since: Some(at(NOW - 600)), ..Ledger::default() });
        let until = ledger.count(&vm, Use::Starting, None, at(NOW));
        assert_eq!(until, at(NOW));
        let until = ledger.count(&vm, Use::Busy, Some(until), at(NOW + 30));
        assert_eq!(ledger.count(&vm, Use::Busy, Some(until), at(NOW + 10)), until, "the clock was set back");
        assert_eq!(ledger.spent.len(), 1);
        assert_eq!(Use::ALL.map(|of| ledger.spent[0].time[of]), [60_000, 30_000, 0, 0, 0]);
    }

    #[test]
    fn the_last_days_are_counted_apart_too() {
        let midnight = at(NOW).as_second().div_euclid(DAY) * DAY;
        let moment = |seconds: i64| Timestamp::from_second(midnight + seconds).expect("in range");
        let (vm, mut ledger) = (vm(), Ledger { since: Some(moment(-20 * DAY)), ..Ledger::default() });
        let days = |ledger: &Ledger| -> Vec<(i64, u64)> {
            let hours =
                |day: &SpentDay| day.spent.iter().map(|spent| spent.time[Use::Idle]).sum::<u64>() / 3_600_000;
            ledger.days.iter().map(|day| (day.day - midnight / DAY, hours(day))).collect()
        };
        let until = ledger.count(&vm, Use::Idle, Some(moment(-3 * 3600)), moment(2 * 3600));
        assert_eq!(days(&ledger), [(-1, 3), (0, 2)], "midnight parts it");
        ledger.count(&vm, Use::Idle, Some(until), moment(3 * 3600));
        assert_eq!(days(&ledger), [(-1, 3), (0, 3)]);
        ledger.count(&vm, Use::Idle, Some(moment(9 * DAY)), moment(9 * DAY + 3600));
        assert_eq!(days(&ledger), [(-1, 3), (0, 3), (9, 1)]);
        ledger.count(&vm, Use::Idle, Some(moment(9 * DAY + 3600)), moment(25 * DAY));
        let (whole, last) = (vec![24; 7], [(25, 0)]);
        let expected: Vec<_> = (18..25).zip(whole).chain(last).collect();
        assert_eq!(days(&ledger), expected, "a week, and the present day");
    }

    #[test]
    fn spot_vms_are_counted_apart() {
        let (regular, mut ledger) = (vm(), Ledger { since: Some(at(NOW - 600)), ..Ledger::default() });
        let spot = Vm { spot: true, ..regular.clone() };
        for vm in [&regular, &spot, &regular] {
            ledger.count(vm, Use::Idle, Some(at(NOW - 10)), at(NOW));
        }
        let kinds: Vec<_> = ledger.spent.iter().map(|spent| (spent.spot, spent.time[Use::Idle])).collect();
        assert_eq!(kinds, [(false, 20_000), (true, 10_000)]);
    }

    /// As version 0.1 wrote it.
    #[test]
    fn its_json_has_a_key_for_each_use() {
        let text = r#"{"since":"2026-01-02T03:04:05Z","jobs":7,"spent":[{"size":"Standard_D4s_v5","region":"westeurope","spot":false,"starting_ms":1,"busy_ms":2,"idle_ms":3,"leaving_ms":4}]}"#;
        let ledger: Ledger = serde_json::from_str(text).expect("it is read");
        assert_eq!(Use::ALL.map(|of| ledger.spent[0].time[of]), [1, 2, 3, 4, 0]);
        assert_eq!(serde_json::to_string(&ledger).expect("it is written"), text);
    }
}
