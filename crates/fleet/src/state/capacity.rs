//! Where a VM can be created, and where Azure has lately refused one.
//!
//! Azure publishes no list of free capacity: a request is refused, at once or minutes later. A refused offering is not
//! requested again for a time that doubles with each refusal; the next offering in the fleet's order is used. A
//! refusal for lack of capacity or quota holds for every fleet of the subscription.
//!
//! What Azure never makes is closed for hours, for VMs of that configuration alone: a new configuration opens it.
//! Where that leaves a fleet nowhere to go, one request in a while shows whether a person has acted.

mod keys;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Fleet;
use crate::model::{
    CallError, CallErrorKind, ForeignText, Offering, ProvisioningState, QuotaScope, UnfitScope, Vm, elapsed,
    first_few,
};
use keys::CapacityKey;

/// How long an offering is not requested after its first refusal.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The same after an asynchronous failure. Longer, because each retry leaves a half-created VM to delete.
const FIRST_WAIT_AFTER_FAILURE: Duration = Duration::from_secs(2 * 60);
/// The longest time that an offering is not requested.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// The same for a quota, which is free again when any VM is deleted.
const LONGEST_QUOTA_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long something is closed that Azure never makes.
const CLOSED: Duration = Duration::from_secs(6 * 3600);
/// Where everything is closed, one request after this time shows whether a person has acted.
const BETWEEN_PROBES: Duration = Duration::from_secs(2 * 60);
/// About how long a VM that Azure is deleting still holds its part of the quota.
const QUOTA_RETURNS: Duration = Duration::from_secs(60);
/// After this time a refusal is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(2 * 3600);
/// How long after the next try was due a refusal still says how it is: the try may be under way.
const TRIED_AGAIN_WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long after Azure accepted a request others for the same offering need not wait for an answer.
const PROVEN: Duration = Duration::from_secs(10 * 60);

/// The last refusal, and how many came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Backoff {
    in_a_row: u32,
    at: Timestamp,
    until: Timestamp,
    why: String,
    /// When the first of them was. Absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// What is known of the capacity of a subscription's offerings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapacityBackoff {
    #[serde(rename = "setbacks", with = "as_list")]
    backoffs: BTreeMap<CapacityKey, Backoff>,
    /// When a request for an offering was last accepted.
    #[serde(skip)]
    taken: BTreeMap<Offering, Timestamp>,
    /// VMs whose failure is already counted: it counts once, however often lists show the VM.
    #[serde(skip)]
    counted: BTreeMap<ForeignText, Timestamp>,
}

/// Why an offering is not requested, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What Azure said.
    pub why: String,
    /// When it is tried again.
    pub until: Timestamp,
    /// What is closed, if Azure never makes the fleet's VMs there.
    pub closed: Option<ClosedPlace>,
    /// When it was last refused.
    at: Timestamp,
}

/// Azure has refused all places of a fleet, and has made no VM in any of them since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// The places that were refused, in words.
    pub places: String,
    /// What Azure said last.
    pub why: String,
    /// When it said so.
    pub last: Timestamp,
    /// When the first of them is tried again.
    pub until: Timestamp,
}

/// What Azure never gives to a fleet's VMs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedPlace {
    /// What is closed of the offering.
    pub scope: UnfitScope,
    /// The offering that was refused.
    pub offering: Offering,
    /// Since when it is closed.
    pub since: Timestamp,
    /// Until when it is closed.
    pub until: Timestamp,
    /// What Azure said.
    pub why: String,
}

/// What a refused request says of its offering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalEffect {
    /// Nothing: any other offering would be refused too.
    Nothing,
    /// It is not requested for a while.
    Waits,
    /// It is closed for hours.
    Closes {
        /// Whether it was open before.
        is_new: bool,
    },
}

impl CapacityBackoff {
    /// Why an offering is not requested for the fleet now; `None` when it may be.
    pub fn unavailable(&self, fleet: &Fleet, offering: &Offering, now: Timestamp) -> Option<Unavailable> {
        let unavailable = self.refusal(fleet, offering, now)?;
        (unavailable.closed.is_none() || !self.is_probed(fleet, unavailable.at, now)).then_some(unavailable)
    }

    /// That Azure has no capacity for the fleet's VMs in any place that is not closed, if so. It lasts over the next try,
    /// until a VM is made.
    pub fn exhausted(&self, fleet: &Fleet, now: Timestamp) -> Option<Exhausted> {
        let hash = fleet.config_hash();
        let is_closed = |offering: &Offering| {
            self.refusal(fleet, offering, now).is_some_and(|refusal| refusal.closed.is_some())
        };
        let mut refused: Vec<(Offering, &Backoff)> = Vec::new();
        for offering in fleet.vm.offerings(true).into_iter().filter(|offering| !is_closed(offering)) {
            let needed = self.backoffs.iter().filter(|(key, _)| key.is_needed(&offering, hash));
            let recent = needed
                .map(|(_, backoff)| backoff)
                .filter(|backoff| elapsed(backoff.until, now) < TRIED_AGAIN_WITHIN)
                .max_by_key(|backoff| backoff.at)?;
            refused.push((offering, recent));
        }
        let (_, last) = refused.iter().max_by_key(|(_, backoff)| backoff.at)?;
        let until = refused.iter().map(|(_, backoff)| backoff.until).min()?;
        let places = first_few(refused.iter().map(|(offering, _)| offering.to_string()));
        Some(Exhausted { places, why: last.why.clone(), last: last.at, until })
    }

    /// Whether Azure never makes the fleet's VMs in any of its places.
    pub fn is_nowhere(&self, fleet: &Fleet, now: Timestamp) -> bool {
        self.closings(fleet, now).is_some()
    }

    /// Whether an offering that was refused at that time is requested all the same, because all are closed: the one
    /// that was not requested for longest.
    fn is_probed(&self, fleet: &Fleet, refused: Timestamp, now: Timestamp) -> bool {
        self.closings(fleet, now).is_some_and(|closings| {
            let last = closings.iter().max().copied().unwrap_or(now);
            elapsed(last, now) >= BETWEEN_PROBES && closings.iter().min() == Some(&refused)
        })
    }

    /// When each place of the fleet was last refused, if all of them are closed.
    fn closings(&self, fleet: &Fleet, now: Timestamp) -> Option<Vec<Timestamp>> {
        let closing = |offering: &Offering| {
            let refusal = self.refusal(fleet, offering, now)?;
            refusal.closed.is_some().then_some(refusal.at)
        };
        fleet.vm.offerings(true).iter().map(closing).collect()
    }

    /// What holds an offering back, whether or not it is requested all the same: first what is closed, then what waits
    /// longest.
    fn refusal(&self, fleet: &Fleet, offering: &Offering, now: Timestamp) -> Option<Unavailable> {
        let hash = fleet.config_hash();
        let holds =
            |(key, backoff): &(&CapacityKey, &Backoff)| backoff.until > now && key.is_needed(offering, hash);
        let held = || self.backoffs.iter().filter(holds);
        let closed = held().filter_map(|(key, backoff)| Some((backoff, Some(key.closes()?))));
        let waits = || Some((held().map(|(_, backoff)| backoff).max_by_key(|backoff| backoff.until)?, None));
        let closed = closed.min_by_key(|(_, scope)| scope.map(width));
        let (Backoff { at, until, why, since, .. }, scope) = closed.or_else(waits)?;
        let closed = scope.map(|scope| ClosedPlace {
            scope,
            offering: offering.clone(),
            since: since.unwrap_or(*at),
            until: *until,
            why: why.clone(),
        });
        Some(Unavailable { why: why.clone(), until: *until, closed, at: *at })
    }

    /// Everything that is closed for the fleet, each once.
    pub fn closed(&self, fleet: &Fleet, now: Timestamp) -> Vec<ClosedPlace> {
        let mut all: Vec<ClosedPlace> = Vec::new();
        for offering in fleet.vm.offerings(true) {
            let closed = self.refusal(fleet, &offering, now).and_then(|refusal| refusal.closed);
            if let Some(closed) =
                closed.filter(|closed| all.iter().all(|known| known.what() != closed.what()))
            {
                all.push(closed);
            }
        }
        all
    }

    /// Whether Azure has lately accepted a request for it, and has not refused one since.
    pub fn is_proven(&self, fleet: &Fleet, offering: &Offering, now: Timestamp) -> bool {
        let hash = fleet.config_hash();
        let concerning = self.backoffs.iter().filter(|(key, _)| key.is_needed(offering, hash));
        let refused = concerning.map(|(_, backoff)| backoff.at).max();
        let taken = self.taken.get(offering).copied().filter(|at| elapsed(*at, now) < PROVEN);
        taken.is_some_and(|taken| refused.is_none_or(|refused| refused < taken))
    }

    /// Records that Azure accepted a request. Whether it makes the VM is not known yet.
    pub fn took(&mut self, offering: &Offering, now: Timestamp) {
        self.taken.insert(offering.clone(), now);
        self.taken.retain(|_, at| elapsed(*at, now) < PROVEN);
    }

    /// Records that Azure refused a request of the fleet; returns what that says of the offering.
    pub fn refused(
        &mut self,
        fleet: &Fleet,
        offering: &Offering,
        error: &CallError,
        now: Timestamp,
    ) -> RefusalEffect {
        self.back_off(fleet.config_hash(), offering, error, FIRST_WAIT, now)
    }

    fn back_off(
        &mut self,
        config_hash: &str,
        offering: &Offering,
        error: &CallError,
        first: Duration,
        now: Timestamp,
    ) -> RefusalEffect {
        let Some(key) = CapacityKey::of(error.kind, offering, config_hash) else {
            return RefusalEffect::Nothing;
        };
        self.backoffs.retain(|_, backoff| elapsed(backoff.until, now) < FORGOTTEN);
        let before = self.backoffs.get(&key);
        let (in_a_row, since) = before.map_or((1, now), |before| {
            (before.in_a_row.saturating_add(1), before.since.unwrap_or(before.at).min(now))
        });
        let why = error.to_string();
        if let CallErrorKind::Unfit(_) = error.kind {
            let effect = RefusalEffect::Closes { is_new: before.is_none() };
            let backoff = Backoff { in_a_row, at: now, until: now + CLOSED, why, since: Some(since) };
            self.backoffs.insert(key, backoff);
            return effect;
        }
        // Simultaneous refusals count once.
        if before.is_some_and(|before| before.until > now && before.at <= now) {
            return RefusalEffect::Waits;
        }
        let longest = if key.is_freed_by_vms() { LONGEST_QUOTA_WAIT } else { LONGEST_WAIT };
        let wait = (first * 2_u32.pow(in_a_row.saturating_sub(1).min(10))).min(longest);
        let backoff = Backoff { in_a_row, at: now, until: now + wait, why, since: Some(since) };
        self.backoffs.insert(key, backoff);
        RefusalEffect::Waits
    }

    /// Takes in the state of VMs. Those that Azure made show that there is capacity. Those that it could not make
    /// show that there is none, where the reason is known. Returns why something is closed that was open.
    pub fn saw<'v>(&mut self, vms: impl IntoIterator<Item = &'v Vm>, now: Timestamp) -> Vec<&'v CallError> {
        let mut closes = Vec::new();
        for vm in vms {
            let hash = vm.tags.config_hash.as_str();
            match (vm.provisioning, &vm.failure) {
                (ProvisioningState::Succeeded, _) if !self.backoffs.is_empty() => {
                    let offering = Offering::of(vm);
                    let is_older = |backoff: &Backoff| backoff.at < vm.tags.created_at;
                    self.backoffs
                        .retain(|key, backoff| !(is_older(backoff) && key.is_needed(&offering, hash)));
                }
                (ProvisioningState::Failed, Some(failure)) if !self.counted.contains_key(&vm.name) => {
                    self.counted.insert(vm.name.clone(), now);
                    let offering = Offering::of(vm);
                    let effect = self.back_off(hash, &offering, failure, FIRST_WAIT_AFTER_FAILURE, now);
                    closes.extend((effect == RefusalEffect::Closes { is_new: true }).then_some(failure));
                }
                _ => {}
            }
        }
        self.counted.retain(|_, at| elapsed(*at, now) < FORGOTTEN);
        closes
    }

    /// What concerns the VMs of one configuration.
    #[must_use]
    pub fn of_configuration(&self, config_hash: &str) -> CapacityBackoff {
        let own = self.backoffs.iter().filter(|(key, _)| key.concerns(config_hash));
        let backoffs = own.map(|(key, backoff)| (key.clone(), backoff.clone())).collect();
        CapacityBackoff { backoffs, taken: self.taken.clone(), counted: self.counted.clone() }
    }

    /// Takes in what was known before a restart, where nothing newer is known. What lies in the future, because
    /// the clock was set back, is dropped.
    pub fn recall(&mut self, earlier: CapacityBackoff, now: Timestamp) {
        for (key, backoff) in earlier.backoffs {
            if backoff.at <= now {
                self.backoffs.entry(key).or_insert(backoff);
            }
        }
    }

    /// Takes in that a VM is removed: its quota is free soon.
    pub fn freed(&mut self, now: Timestamp) {
        let soon = now + QUOTA_RETURNS;
        for (key, backoff) in &mut self.backoffs {
            if key.is_freed_by_vms() {
                backoff.until = backoff.until.min(soon);
            }
        }
    }
}

/// The order in which closed things are named: first what closes most.
fn width(scope: UnfitScope) -> u8 {
    match scope {
        UnfitScope::Region => 0,
        UnfitScope::Quota(QuotaScope::Region | QuotaScope::Addresses) => 1,
        UnfitScope::Quota(QuotaScope::Family) => 2,
        UnfitScope::Size => 3,
        UnfitScope::Spot => 4,
        UnfitScope::SpotSize => 5,
        UnfitScope::Zone => 6,
    }
}

impl ClosedPlace {
    /// What is closed, in words.
    pub fn what(&self) -> String {
        let Offering { location, size, zone, spot } = &self.offering;
        let price = if *spot { "spot" } else { "regular" };
        match (self.scope, zone) {
            (UnfitScope::Size, _) => format!("{size} in {location}"),
            (UnfitScope::SpotSize, _) => format!("spot VMs of {size} in {location}"),
            (UnfitScope::Spot, _) => "spot VMs".to_owned(),
            (UnfitScope::Zone, Some(zone)) => format!("zone {zone} of {location}"),
            (UnfitScope::Zone, None) | (UnfitScope::Region, _) => location.clone(),
            (UnfitScope::Quota(QuotaScope::Family), _) => {
                format!("{price} VMs of the family of {size} in {location}")
            }
            (UnfitScope::Quota(QuotaScope::Region | QuotaScope::Addresses), _) => {
                format!("{price} VMs in {location}")
            }
        }
    }
}

impl fmt::Display for ClosedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC");
        let (since, until) = (time(self.since), time(self.until));
        write!(f, "{} is closed since {since}, until {until}: {}", self.what(), self.why)
    }
}

/// A map whose keys are not text, as a list in JSON.
mod as_list {
    use super::{BTreeMap, Backoff, CapacityKey, Deserialize, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(
        map: &BTreeMap<CapacityKey, Backoff>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<CapacityKey, Backoff>, D::Error> {
        let list: Vec<(CapacityKey, Backoff)> = Vec::deserialize(deserializer)?;
        Ok(list.into_iter().map(|(key, backoff)| (key.in_lower_case(), backoff)).collect())
    }
}

#[cfg(test)]
mod tests;
