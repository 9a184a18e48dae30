//! Where a VM can be had, and where lately it could not.
//!
//! Azure has no list of what it has room for: one asks, and is refused, at once or minutes later. What was
//! refused is not asked for again for a while, which doubles each time; the next place in the fleet's order
//! takes its turn. What is learned holds for every fleet of the subscription.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ports::{CallError, QuotaScope, Trouble};
use crate::scaling::elapsed;
use crate::vm::{ProvisioningState, Vm};

/// How long a place is left alone when it was refused for the first time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The same where Azure took the request and told minutes later: to ask again costs a VM that is half made.
const FIRST_WAIT_AFTER_FAILURE: Duration = Duration::from_secs(2 * 60);
/// The longest that it is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// A quota is free again when VMs go, ours or another's.
const LONGEST_QUOTA_WAIT: Duration = Duration::from_secs(5 * 60);
/// A VM that Azure is removing holds its part of the quota for about so long.
const QUOTA_RETURNS: Duration = Duration::from_secs(60);
/// What was refused this long ago says nothing of today.
const FORGOTTEN: Duration = Duration::from_secs(2 * 3600);
/// For so long after Azure took a request, others for the same place need not wait for an answer.
const PROVEN: Duration = Duration::from_secs(10 * 60);

/// One way to have a VM: a size, somewhere, at a price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The region.
    pub location: String,
    /// The size.
    pub size: String,
    /// The availability zone.
    pub zone: Option<String>,
    /// Whether Azure may evict it.
    pub spot: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.size, self.location)?;
        if let Some(zone) = &self.zone {
            write!(f, ", zone {zone}")?;
        }
        if self.spot { f.write_str(", spot") } else { Ok(()) }
    }
}

impl Place {
    /// Where a VM is.
    pub fn of(vm: &Vm) -> Place {
        Place { location: vm.location.clone(), size: vm.size.clone(), zone: vm.zone.clone(), spot: vm.spot }
    }
}

/// What is scarce.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Scarce {
    /// Machines of a size there.
    Machines(Place),
    /// The subscription's quota for the sizes of a family there.
    Family { location: String, family: String, spot: bool },
    /// Its quota for all sizes there.
    Region { location: String, spot: bool },
}

/// A refusal, and those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Setback {
    in_a_row: u32,
    at: Timestamp,
    until: Timestamp,
    why: String,
}

/// What is known of a subscription's places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Places {
    #[serde(with = "as_list")]
    setbacks: BTreeMap<Scarce, Setback>,
    /// When a request for a place was last taken.
    #[serde(skip)]
    taken: BTreeMap<Place, Timestamp>,
    /// VMs whose failure was taken in: it is one refusal, however often they are seen.
    #[serde(skip)]
    counted: BTreeMap<String, Timestamp>,
}

/// Why a place is not asked for, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// What Azure said.
    pub why: String,
    /// When it is asked again.
    pub until: Timestamp,
}

impl Places {
    /// Why a place is not asked for now; `None` when it may be.
    pub fn closed(&self, place: &Place, now: Timestamp) -> Option<Closed> {
        let of_place = scarce(place).into_iter().filter_map(|scarce| self.setbacks.get(&scarce));
        let longest = of_place.filter(|setback| setback.until > now).max_by_key(|setback| setback.until)?;
        Some(Closed { why: longest.why.clone(), until: longest.until })
    }

    /// Whether Azure took a request for it lately, and has not refused one since.
    pub fn is_proven(&self, place: &Place, now: Timestamp) -> bool {
        let refused =
            scarce(place).into_iter().filter_map(|scarce| Some(self.setbacks.get(&scarce)?.at)).max();
        let taken = self.taken.get(place).copied().filter(|at| elapsed(*at, now) < PROVEN);
        taken.is_some_and(|taken| refused.is_none_or(|refused| refused < taken))
    }

    /// Takes in that Azure took a request. Whether it makes the VM is not known yet.
    pub fn took(&mut self, place: &Place, now: Timestamp) {
        self.taken.insert(place.clone(), now);
        self.taken.retain(|_, at| elapsed(*at, now) < PROVEN);
    }

    /// Takes in that Azure refused one; whether it was for want of room.
    pub fn refused(&mut self, place: &Place, error: &CallError, now: Timestamp) -> bool {
        self.set_back(place, error, FIRST_WAIT, now)
    }

    fn set_back(&mut self, place: &Place, error: &CallError, first: Duration, now: Timestamp) -> bool {
        let (scarce, longest) = match error.kind {
            Trouble::NoCapacity => (Scarce::Machines(place.clone()), LONGEST_WAIT),
            Trouble::NoQuota(of) => (quota(place, of), LONGEST_QUOTA_WAIT),
            _ => return false,
        };
        self.setbacks.retain(|_, setback| elapsed(setback.until, now) < FORGOTTEN);
        let before = self.setbacks.get(&scarce);
        // Those of one moment count once.
        if before.is_some_and(|before| before.until > now && before.at <= now) {
            return true;
        }
        let in_a_row = before.map_or(1, |before| before.in_a_row + 1);
        let wait = (first * 2_u32.pow(in_a_row.saturating_sub(1).min(10))).min(longest);
        let setback = Setback { in_a_row, at: now, until: now + wait, why: error.to_string() };
        self.setbacks.insert(scarce, setback);
        true
    }

    /// Takes in what became of VMs: those that Azure made show that there is room, those that it could not
    /// make, for a reason that is known, that there is none.
    pub fn saw<'v>(&mut self, vms: impl IntoIterator<Item = &'v Vm>, now: Timestamp) {
        for vm in vms {
            let place = Place::of(vm);
            match (vm.provisioning, &vm.failure) {
                (ProvisioningState::Succeeded, _) => {
                    let is_older = |setback: &Setback| setback.at < vm.tags.created_at;
                    for scarce in scarce(&place) {
                        if self.setbacks.get(&scarce).is_some_and(is_older) {
                            self.setbacks.remove(&scarce);
                        }
                    }
                }
                (ProvisioningState::Failed, Some(failure)) if !self.counted.contains_key(&vm.name) => {
                    self.counted.insert(vm.name.clone(), now);
                    self.set_back(&place, failure, FIRST_WAIT_AFTER_FAILURE, now);
                }
                _ => {}
            }
        }
        self.counted.retain(|_, at| elapsed(*at, now) < FORGOTTEN);
    }

    /// Takes in what was known before a restart, where nothing newer is. What lies ahead of a clock that was
    /// set back is not believed.
    pub fn recall(&mut self, earlier: Places, now: Timestamp) {
        for (scarce, setback) in earlier.setbacks {
            if setback.at <= now {
                self.setbacks.entry(scarce).or_insert(setback);
            }
        }
    }

    /// Takes in that a VM goes: its part of the quotas is free soon.
    pub fn freed(&mut self, now: Timestamp) {
        let soon = now + QUOTA_RETURNS;
        for (scarce, setback) in &mut self.setbacks {
            if !matches!(scarce, Scarce::Machines(_)) {
                setback.until = setback.until.min(soon);
            }
        }
    }
}

/// A map whose keys are no texts, as JSON has them.
mod as_list {
    use super::{BTreeMap, Deserialize, Scarce, Serialize, Setback};

    pub(super) fn serialize<S: serde::Serializer>(
        map: &BTreeMap<Scarce, Setback>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Scarce, Setback>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Everything that a VM at a place takes.
fn scarce(place: &Place) -> [Scarce; 3] {
    let (location, spot) = (place.location.clone(), place.spot);
    [
        Scarce::Machines(place.clone()),
        Scarce::Family { location: location.clone(), family: family(&place.size), spot },
        Scarce::Region { location, spot },
    ]
}

/// The quota that is used up at a place.
fn quota(place: &Place, of: QuotaScope) -> Scarce {
    let (location, spot) = (place.location.clone(), place.spot);
    match of {
        QuotaScope::Region => Scarce::Region { location, spot },
        QuotaScope::Family => Scarce::Family { location, family: family(&place.size), spot },
    }
}

/// The family of a size, as the size's name tells it: `Standard_D4s_v5` and `Standard_D16s_v5` are both
/// `Ds_v5` (Azure docs, VM sizes: naming conventions).
fn family(size: &str) -> String {
    let size = size.strip_prefix("Standard_").unwrap_or(size);
    let letters = size.find(|c: char| c.is_ascii_digit()).unwrap_or(size.len());
    let (series, rest) = size.split_at(letters);
    series.to_owned() + rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    fn place(size: &str) -> Place {
        Place { location: "westeurope".to_owned(), size: size.to_owned(), zone: None, spot: false }
    }

    fn no_capacity() -> CallError {
        CallError::new(Trouble::NoCapacity, "AllocationFailed")
    }

    fn no_quota(of: QuotaScope) -> CallError {
        CallError::new(Trouble::NoQuota(of), "exceeding approved quota")
    }

    fn waits(places: &Places, size: &str, now: i64) -> Option<i64> {
        let closed = places.closed(&place(size), at(now))?;
        Some(closed.until.as_second() - at(now).as_second())
    }

    #[test]
    fn families_by_the_names_of_sizes() {
        for (size, expected) in [
            ("Standard_D4s_v5", "Ds_v5"),
            ("Standard_D16s_v5", "Ds_v5"),
            ("Standard_D4as_v5", "Das_v5"),
            ("Standard_E4-2ds_v4", "Eds_v4"),
            ("Standard_B2ms", "Bms"),
            ("Standard_F8", "F"),
        ] {
            assert_eq!(family(size), expected, "{size}");
        }
    }

    #[test]
    fn a_place_is_left_alone_for_longer_each_time_and_others_are_not() {
        let mut places = Places::default();
        let mut now = 0;
        for wait in [30, 60, 120, 240, 480, 960, 1800, 1800] {
            for _ in 0..10 {
                assert!(places.refused(&place("Standard_D4s_v5"), &no_capacity(), at(now)));
            }
            assert_eq!(waits(&places, "Standard_D4s_v5", now), Some(wait));
            now += wait;
            assert_eq!(waits(&places, "Standard_D4s_v5", now), None);
        }
        assert_eq!(waits(&places, "Standard_D8s_v5", now - 1), None, "another size of the family");
        let elsewhere = Place { zone: Some("2".to_owned()), ..place("Standard_D4s_v5") };
        assert_eq!(places.closed(&elsewhere, at(now - 1)), None, "another zone");
        places.refused(&place("Standard_D4s_v5"), &no_capacity(), at(now + 8000));
        assert_eq!(waits(&places, "Standard_D4s_v5", now + 8000), Some(30), "what was long ago is forgotten");
    }

    #[test]
    fn a_quota_closes_its_family_or_the_region_and_opens_soon_after_a_vm_went() {
        for (of, other_of_family, other_family) in
            [(QuotaScope::Family, true, false), (QuotaScope::Region, true, true)]
        {
            let mut places = Places::default();
            places.refused(&place("Standard_D4s_v5"), &no_quota(of), at(0));
            assert_eq!(waits(&places, "Standard_D8s_v5", 0).is_some(), other_of_family, "{of:?}");
            assert_eq!(waits(&places, "Standard_F8s_v2", 0).is_some(), other_family, "{of:?}");
            let spot = Place { spot: true, ..place("Standard_D4s_v5") };
            assert_eq!(places.closed(&spot, at(0)), None, "spot VMs have a quota of their own");
            for now in [30, 90, 210] {
                places.refused(&place("Standard_D4s_v5"), &no_quota(of), at(now));
            }
            assert_eq!(waits(&places, "Standard_D4s_v5", 210), Some(240));
            places.freed(at(211));
            assert_eq!(waits(&places, "Standard_D4s_v5", 211), Some(60));
        }
    }

    #[test]
    fn what_was_refused_outlives_a_restart() {
        let mut places = Places::default();
        places.refused(&place("Standard_D4s_v5"), &no_capacity(), at(100));
        places.refused(&place("Standard_F8s_v2"), &no_quota(QuotaScope::Region), at(100));
        let text = serde_json::to_string(&places).expect("written");
        let read: Places = serde_json::from_str(&text).expect("read");
        assert_eq!(read, places);
        let mut after = Places::default();
        after.recall(read.clone(), at(110));
        assert_eq!(waits(&after, "Standard_D4s_v5", 110), Some(20));
        let mut set_back = Places::default();
        set_back.recall(read, at(50));
        assert_eq!(set_back, Places::default());
    }

    #[test]
    fn other_refusals_say_nothing_of_the_place() {
        let mut places = Places::default();
        for trouble in
            [Trouble::NotPermitted, Trouble::Invalid, Trouble::Unavailable, Trouble::OutcomeUnknown]
        {
            assert!(!places.refused(&place("Standard_D4s_v5"), &CallError::new(trouble, "no"), at(0)));
        }
        assert_eq!(places, Places::default());
    }

    #[test]
    fn a_place_is_proven_by_a_request_that_was_taken_until_one_is_refused() {
        let (mut places, place) = (Places::default(), place("Standard_D4s_v5"));
        assert!(!places.is_proven(&place, at(0)));
        places.took(&place, at(0));
        assert!(places.is_proven(&place, at(1)) && !places.is_proven(&place, at(601)));
        places.refused(&place, &no_capacity(), at(2));
        assert!(!places.is_proven(&place, at(3)));
        places.took(&place, at(40));
        assert!(places.is_proven(&place, at(41)));
    }

    #[test]
    fn what_is_remembered_is_forgotten_in_time() {
        let (one, other) = (place("Standard_D4s_v5"), place("Standard_F8s_v2"));
        let mut places = Places::default();
        places.took(&one, at(0));
        assert!(places.is_proven(&one, at(599)) && !places.is_proven(&one, at(600)));
        places.took(&other, at(600));
        let mut only_other = Places::default();
        only_other.took(&other, at(600));
        assert_eq!(places, only_other);
        only_other.refused(&other, &no_capacity(), at(600));
        assert!(!only_other.is_proven(&other, at(601)), "refused at the same moment");

        let again_after = |seconds: i64| {
            let mut places = Places::default();
            places.refused(&one, &no_capacity(), at(0));
            places.refused(&one, &no_capacity(), at(30 + seconds));
            waits(&places, &one.size, 30 + seconds)
        };
        assert_eq!((again_after(2 * 3600 - 1), again_after(2 * 3600)), (Some(60), Some(30)));
    }

    #[test]
    fn what_became_of_vms_closes_and_opens_their_places() {
        let now = 1000;
        let pool = "ci".parse().expect("valid");
        let vm = |provisioning, failure: Option<CallError>, age| {
            let created_at = at(now - age);
            let runner_name = crate::runner_name::RunnerName::new(&pool, created_at, 1);
            let fleet = crate::testing::fleet("ci", "");
            let tags = crate::vm::VmTags {
                pool: pool.clone(),
                github: String::new(),
                scope: fleet.scope,
                created_at,
                config_hash: String::new(),
                runner_id: None,
                replaces: None,
                host_key: None,
                runner_name,
            };
            Vm {
                name: tags.runner_name.to_string(),
                group: fleet.vm.group,
                size: "Standard_D4s_v5".to_owned(),
                location: "westeurope".to_owned(),
                zone: None,
                spot: false,
                provisioning,
                failure,
                power: crate::vm::PowerState::Unknown,
                tags,
            }
        };
        let failed = vm(ProvisioningState::Failed, Some(no_capacity()), 60);
        let size = failed.size.clone();
        let mut places = Places::default();
        places.saw([&failed], at(now));
        places.saw([&failed], at(now + 400));
        assert_eq!(waits(&places, &size, now), Some(120), "seen twice, counted once");
        assert_eq!(waits(&places, &size, now + 400), None);
        places.saw([&vm(ProvisioningState::Succeeded, None, 60)], at(now + 1));
        assert_eq!(waits(&places, &size, now + 1), Some(119), "one that was made before says nothing");
        places.saw([&vm(ProvisioningState::Succeeded, None, -2)], at(now + 5));
        assert_eq!(waits(&places, &size, now + 5), None);
        places.saw([&vm(ProvisioningState::Failed, None, 60)], at(now + 6));
        assert_eq!(waits(&places, &size, now + 6), None, "why is not known yet");
        places.refused(&Place::of(&failed), &no_capacity(), at(now + 10));
        places.saw([&vm(ProvisioningState::Succeeded, None, -10)], at(now + 11));
        assert_eq!(waits(&places, &size, now + 11), Some(29), "made at the moment of the refusal");
        // Lists show a failed VM for as long as it is there.
        let (counted, mut places) = (now + 2 * 3600, Places::default());
        places.saw([&failed], at(now));
        places.saw([&failed], at(counted - 1));
        assert_eq!(waits(&places, &size, counted - 1), None, "counted already");
        places.saw([], at(counted));
        places.saw([&failed], at(counted + 1));
        assert_eq!(waits(&places, &size, counted + 1), Some(240), "counted anew, and the second in a row");
    }
}
