use super::keys::{CapacityKey, family};
use super::*;
use crate::fixture::{at, fleet};

mod closed;

fn ci() -> Fleet {
    fleet("ci", "")
}

fn offering(size: &str) -> Offering {
    Offering { location: "westeurope".to_owned(), size: size.to_owned(), zone: None, spot: false }
}

fn no_capacity() -> CallError {
    CallError::new(CallErrorKind::NoCapacity, "AllocationFailed")
}

fn no_quota(of: QuotaScope) -> CallError {
    CallError::new(CallErrorKind::NoQuota(of), "exceeding approved quota")
}

fn waits(places: &CapacityBackoff, size: &str, now: i64) -> Option<i64> {
    let unavailable = places.unavailable(&ci(), &offering(size), at(now))?;
    Some(unavailable.until.as_second() - at(now).as_second())
}

#[test]
fn families_by_the_names_of_sizes() {
    for (size, expected) in [
        ("Standard_D4s_v5", "ds_v5"),
        ("Standard_D16s_v5", "ds_v5"),
        ("Standard_D4as_v5", "das_v5"),
        ("Standard_E4-2ds_v4", "eds_v4"),
        ("Standard_B2ms", "bms"),
        ("Standard_F8", "f"),
        ("STANDARD_D8S_V5", "ds_v5"),
    ] {
        assert_eq!(family(size), expected, "{size}");
    }
}

#[test]
fn a_key_is_needed_where_the_same_refusal_has_the_same_key() {
    let quotas = [QuotaScope::Family, QuotaScope::Region, QuotaScope::Addresses];
    let unfit =
        [UnfitScope::Size, UnfitScope::SpotSize, UnfitScope::Spot, UnfitScope::Zone, UnfitScope::Region];
    let kinds: Vec<CallErrorKind> = [CallErrorKind::NoCapacity]
        .into_iter()
        .chain(quotas.map(CallErrorKind::NoQuota))
        .chain(unfit.map(CallErrorKind::Unfit))
        .chain(quotas.map(|of| CallErrorKind::Unfit(UnfitScope::Quota(of))))
        .collect();
    let all: Vec<Offering> = ["Standard_D4s_v5", "STANDARD_D4S_V5", "Standard_D16s_v5", "Standard_F8", "D"]
        .iter()
        .flat_map(|size| ["westeurope", "WestEurope", "northeurope"].map(|location| (*size, location)))
        .flat_map(|(size, location)| ["1", "2"].map(|zone| (size, location, zone)))
        .flat_map(|(size, location, zone)| {
            [false, true].map(|spot| Offering {
                location: location.to_owned(),
                size: size.to_owned(),
                zone: Some(zone.to_owned()),
                spot,
            })
        })
        .collect();
    for kind in kinds {
        let is_of_spot = matches!(kind, CallErrorKind::Unfit(UnfitScope::Spot | UnfitScope::SpotSize));
        for refused in all.iter().filter(|refused| refused.spot || !is_of_spot) {
            let key = CapacityKey::of(kind, refused, "hash").expect("it says something of the offering");
            for other in &all {
                let is_same = CapacityKey::of(kind, other, "hash") == Some(key.clone());
                let expected = is_same && (other.spot || !is_of_spot);
                assert_eq!(key.is_needed(other, "hash"), expected, "{kind:?} of {refused:?}, for {other:?}");
            }
            assert!(!key.concerns("another") || key.is_needed(refused, "another"));
        }
    }
}

#[test]
fn a_place_is_left_alone_for_longer_each_time_and_others_are_not() {
    let mut places = CapacityBackoff::default();
    let mut now = 0;
    for wait in [30, 60, 120, 240, 480, 960, 1800, 1800] {
        for _ in 0..10 {
            let effect = places.refused(&ci(), &offering("Standard_D4s_v5"), &no_capacity(), at(now));
            assert_eq!(effect, RefusalEffect::Waits);
        }
        assert_eq!(waits(&places, "Standard_D4s_v5", now), Some(wait));
        now += wait;
        assert_eq!(waits(&places, "Standard_D4s_v5", now), None);
    }
    assert_eq!(waits(&places, "Standard_D8s_v5", now - 1), None, "another size of the family");
    let elsewhere = Offering { zone: Some("2".to_owned()), ..offering("Standard_D4s_v5") };
    assert_eq!(places.unavailable(&ci(), &elsewhere, at(now - 1)), None, "another zone");
    places.refused(&ci(), &offering("Standard_D4s_v5"), &no_capacity(), at(now + 8000));
    assert_eq!(waits(&places, "Standard_D4s_v5", now + 8000), Some(30), "what was long ago is forgotten");
}

#[test]
fn a_quota_closes_its_family_or_the_region_and_opens_soon_after_a_vm_went() {
    for (of, other_of_family, other_family) in
        [(QuotaScope::Family, true, false), (QuotaScope::Region, true, true)]
    {
        let mut places = CapacityBackoff::default();
        places.refused(&ci(), &offering("Standard_D4s_v5"), &no_quota(of), at(0));
        assert_eq!(waits(&places, "Standard_D8s_v5", 0).is_some(), other_of_family, "{of:?}");
        assert_eq!(waits(&places, "Standard_F8s_v2", 0).is_some(), other_family, "{of:?}");
        let spot = Offering { spot: true, ..offering("Standard_D4s_v5") };
        assert_eq!(places.unavailable(&ci(), &spot, at(0)), None, "spot VMs have a quota of their own");
        for now in [30, 90, 210] {
            places.refused(&ci(), &offering("Standard_D4s_v5"), &no_quota(of), at(now));
        }
        assert_eq!(waits(&places, "Standard_D4s_v5", 210), Some(240));
        places.freed(at(211));
        assert_eq!(waits(&places, "Standard_D4s_v5", 211), Some(60));
    }
}

#[test]
fn what_was_refused_outlives_a_restart() {
    let mut places = CapacityBackoff::default();
    places.refused(&ci(), &offering("Standard_D4s_v5"), &no_capacity(), at(100));
    places.refused(&ci(), &offering("Standard_F8s_v2"), &no_quota(QuotaScope::Region), at(100));
    let text = serde_json::to_string(&places).expect("written");
    let read: CapacityBackoff = serde_json::from_str(&text).expect("read");
    assert_eq!(read, places);
    let mut after = CapacityBackoff::default();
    after.recall(read.clone(), at(110));
    assert_eq!(waits(&after, "Standard_D4s_v5", 110), Some(20));
    let mut clock_set_back = CapacityBackoff::default();
    clock_set_back.recall(read, at(50));
    assert_eq!(clock_set_back, CapacityBackoff::default());
}

#[test]
fn other_refusals_say_nothing_of_the_place() {
    let mut places = CapacityBackoff::default();
    for trouble in [
        CallErrorKind::NotPermitted,
        CallErrorKind::Invalid,
        CallErrorKind::Blocked,
        CallErrorKind::Unavailable,
        CallErrorKind::OutcomeUnknown,
    ] {
        let effect =
            places.refused(&ci(), &offering("Standard_D4s_v5"), &CallError::new(trouble, "no"), at(0));
        assert_eq!(effect, RefusalEffect::Nothing);
    }
    assert_eq!(places, CapacityBackoff::default());
}

#[test]
fn a_place_is_proven_by_a_request_that_was_taken_until_one_is_refused() {
    let (mut places, offering) = (CapacityBackoff::default(), offering("Standard_D4s_v5"));
    assert!(!places.is_proven(&ci(), &offering, at(0)));
    places.took(&offering, at(0));
    assert!(places.is_proven(&ci(), &offering, at(1)) && !places.is_proven(&ci(), &offering, at(601)));
    places.refused(&ci(), &offering, &no_capacity(), at(2));
    assert!(!places.is_proven(&ci(), &offering, at(3)));
    places.took(&offering, at(40));
    assert!(places.is_proven(&ci(), &offering, at(41)));
}

#[test]
fn what_is_remembered_is_forgotten_in_time() {
    let (one, other) = (offering("Standard_D4s_v5"), offering("Standard_F8s_v2"));
    let mut places = CapacityBackoff::default();
    places.took(&one, at(0));
    assert!(places.is_proven(&ci(), &one, at(599)) && !places.is_proven(&ci(), &one, at(600)));
    places.took(&other, at(600));
    let mut only_other = CapacityBackoff::default();
    only_other.took(&other, at(600));
    assert_eq!(places, only_other);
    only_other.refused(&ci(), &other, &no_capacity(), at(600));
    assert!(!only_other.is_proven(&ci(), &other, at(601)), "refused at the same moment");

    let again_after = |seconds: i64| {
        let mut places = CapacityBackoff::default();
        places.refused(&ci(), &one, &no_capacity(), at(0));
        places.refused(&ci(), &one, &no_capacity(), at(30 + seconds));
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
        let runner_name = crate::model::RunnerName::new(&pool, created_at, 1);
        let fleet = ci();
        let tags = crate::model::VmTags {
            standby: None,
            pool: pool.clone(),
            github: ForeignText::default(),
            scope: fleet.scope,
            created_at,
            config_hash: ForeignText::default(),
            runner_id: None,
            replaces: None,
            host_key: None,
            runner_name,
        };
        Vm {
            name: tags.runner_name.to_string().into(),
            group: fleet.vm.group,
            size: "Standard_D4s_v5".into(),
            location: "westeurope".into(),
            zone: None,
            spot: false,
            provisioning,
            failure,
            power: crate::model::PowerState::Unknown,
            tags,
        }
    };
    let failed = vm(ProvisioningState::Failed, Some(no_capacity()), 60);
    let size = failed.size.clone();
    let mut places = CapacityBackoff::default();
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
    places.refused(&ci(), &Offering::of(&failed), &no_capacity(), at(now + 10));
    places.saw([&vm(ProvisioningState::Succeeded, None, -10)], at(now + 11));
    assert_eq!(waits(&places, &size, now + 11), Some(29), "made at the moment of the refusal");
    // Lists show a failed VM for as long as it is there.
    let (counted, mut places) = (now + 2 * 3600, CapacityBackoff::default());
    places.saw([&failed], at(now));
    places.saw([&failed], at(counted - 1));
    assert_eq!(waits(&places, &size, counted - 1), None, "counted already");
    places.saw([], at(counted));
    places.saw([&failed], at(counted + 1));
    assert_eq!(waits(&places, &size, counted + 1), Some(240), "counted anew, and the second in a row");
}
