//! Where a VM can be created, and where Azure has lately refused one.
//!
//! Azure publishes no list of free capacity: a request is refused, at once or minutes later. A refused offering is not
//! requested again for a time that doubles with each refusal; the next offering in the fleet's order is used. A
//! refusal holds for every fleet of the subscription.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{CallError, CallErrorKind, Offering, ProvisioningState, QuotaScope, Vm, elapsed};

/// How long an offering is not requested after its first refusal.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The same after an asynchronous failure. Longer, because each retry leaves a half-created VM to delete.
const FIRST_WAIT_AFTER_FAILURE: Duration = Duration::from_secs(2 * 60);
/// The longest time that an offering is not requested.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// The same for a quota, which is free again when any VM is deleted.
const LONGEST_QUOTA_WAIT: Duration = Duration::from_secs(5 * 60);
/// About how long a VM that Azure is deleting still holds its part of the quota.
const QUOTA_RETURNS: Duration = Duration::from_secs(60);
/// After this time a refusal is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(2 * 3600);
/// How long after Azure accepted a request others for the same offering need not wait for an answer.
const PROVEN: Duration = Duration::from_secs(10 * 60);

/// What a VM needs of Azure and may be refused for lack of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum CapacityKey {
    /// Free machines of a size in an offering.
    Machines(Offering),
    /// The subscription's quota for a family of sizes in a region.
    Family { location: String, family: String, spot: bool },
    /// Its quota for all sizes in a region.
    Region { location: String, spot: bool },
}

/// The last refusal, and how many came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Backoff {
    in_a_row: u32,
    at: Timestamp,
    until: Timestamp,
    why: String,
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
    counted: BTreeMap<String, Timestamp>,
}

/// Why an offering is not requested, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What Azure said.
    pub why: String,
    /// When it is tried again.
    pub until: Timestamp,
}

impl CapacityBackoff {
    /// Why an offering is not requested now; `None` when it may be.
    pub fn unavailable(&self, offering: &Offering, now: Timestamp) -> Option<Unavailable> {
        let of_place = keys_of(offering).into_iter().filter_map(|key| self.backoffs.get(&key));
        let longest = of_place.filter(|backoff| backoff.until > now).max_by_key(|backoff| backoff.until)?;
        Some(Unavailable { why: longest.why.clone(), until: longest.until })
    }

    /// Whether Azure has lately accepted a request for it, and has not refused one since.
    pub fn is_proven(&self, offering: &Offering, now: Timestamp) -> bool {
        let refused = keys_of(offering).into_iter().filter_map(|key| Some(self.backoffs.get(&key)?.at)).max();
        let taken = self.taken.get(offering).copied().filter(|at| elapsed(*at, now) < PROVEN);
        taken.is_some_and(|taken| refused.is_none_or(|refused| refused < taken))
    }

    /// Records that Azure accepted a request. Whether it makes the VM is not known yet.
    pub fn took(&mut self, offering: &Offering, now: Timestamp) {
        self.taken.insert(offering.clone(), now);
        self.taken.retain(|_, at| elapsed(*at, now) < PROVEN);
    }

    /// Records that Azure refused a request; returns whether it lacks capacity or quota.
    pub fn refused(&mut self, offering: &Offering, error: &CallError, now: Timestamp) -> bool {
        self.back_off(offering, error, FIRST_WAIT, now)
    }

    fn back_off(&mut self, offering: &Offering, error: &CallError, first: Duration, now: Timestamp) -> bool {
        let (key, longest) = match error.kind {
            CallErrorKind::NoCapacity => (CapacityKey::Machines(offering.clone()), LONGEST_WAIT),
            CallErrorKind::NoQuota(of) => (quota(offering, of), LONGEST_QUOTA_WAIT),
            _ => return false,
        };
        self.backoffs.retain(|_, backoff| elapsed(backoff.until, now) < FORGOTTEN);
        let before = self.backoffs.get(&key);
        // Simultaneous refusals count once.
        if before.is_some_and(|before| before.until > now && before.at <= now) {
            return true;
        }
        let in_a_row = before.map_or(1, |before| before.in_a_row + 1);
        let wait = (first * 2_u32.pow(in_a_row.saturating_sub(1).min(10))).min(longest);
        let backoff = Backoff { in_a_row, at: now, until: now + wait, why: error.to_string() };
        self.backoffs.insert(key, backoff);
        true
    }

    /// Takes in the state of VMs. Those that Azure made show that there is capacity. Those that it could not make
    /// show that there is none, where the reason is known.
    pub fn saw<'v>(&mut self, vms: impl IntoIterator<Item = &'v Vm>, now: Timestamp) {
        for vm in vms {
            let offering = Offering::of(vm);
            match (vm.provisioning, &vm.failure) {
                (ProvisioningState::Succeeded, _) => {
                    let is_older = |backoff: &Backoff| backoff.at < vm.tags.created_at;
                    for key in keys_of(&offering) {
                        if self.backoffs.get(&key).is_some_and(is_older) {
                            self.backoffs.remove(&key);
                        }
                    }
                }
                (ProvisioningState::Failed, Some(failure)) if !self.counted.contains_key(&vm.name) => {
                    self.counted.insert(vm.name.clone(), now);
                    self.back_off(&offering, failure, FIRST_WAIT_AFTER_FAILURE, now);
                }
                _ => {}
            }
        }
        self.counted.retain(|_, at| elapsed(*at, now) < FORGOTTEN);
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
            if !matches!(key, CapacityKey::Machines(_)) {
                backoff.until = backoff.until.min(soon);
            }
        }
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
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Everything that a VM at an offering needs.
fn keys_of(offering: &Offering) -> [CapacityKey; 3] {
    let (location, spot) = (offering.location.clone(), offering.spot);
    [
        CapacityKey::Machines(offering.clone()),
        CapacityKey::Family { location: location.clone(), family: family(&offering.size), spot },
        CapacityKey::Region { location, spot },
    ]
}

/// The quota that is used up for an offering.
fn quota(offering: &Offering, of: QuotaScope) -> CapacityKey {
    let (location, spot) = (offering.location.clone(), offering.spot);
    match of {
        QuotaScope::Region => CapacityKey::Region { location, spot },
        QuotaScope::Family => CapacityKey::Family { location, family: family(&offering.size), spot },
    }
}

/// The family of a size, by its name: `Standard_D4s_v5` and `Standard_D16s_v5` are both `Ds_v5` (Azure docs, VM
/// sizes: naming conventions).
fn family(size: &str) -> String {
    let size = size.strip_prefix("Standard_").unwrap_or(size);
    let letters = size.find(|c: char| c.is_ascii_digit()).unwrap_or(size.len());
    let (series, rest) = size.split_at(letters);
    series.to_owned() + rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests;
