//! What Azure never makes: closed for hours, for one configuration, and nothing else.

use crate::config::Elsewhere;
use crate::model::{Spot, UnfitScope};

use super::*;

fn unfit(scope: UnfitScope) -> CallError {
    CallError::new(CallErrorKind::Unfit(scope), "it never works")
}

/// Two sizes in two zones of two regions, as spot VMs and as regular ones.
fn wide() -> Fleet {
    let mut fleet = ci();
    fleet.vm.sizes = vec!["Standard_D4s_v5".to_owned(), "Standard_F8s_v2".to_owned()];
    fleet.vm.zones = vec!["1".to_owned(), "2".to_owned()];
    (fleet.vm.spot, fleet.vm.regular_fallback) = (Some(Spot { max_price: None }), true);
    fleet.vm.elsewhere = vec![Elsewhere {
        location: "northeurope".to_owned(),
        subnet_id: "/subscriptions/0/north".to_owned(),
        zones: vec!["1".to_owned()],
        nsg_id: None,
    }];
    fleet
}

fn is_closed(known: &CapacityBackoff, fleet: &Fleet, offering: &Offering, now: i64) -> bool {
    known.unavailable(fleet, offering, at(now)).is_some_and(|found| found.closed.is_some())
}

#[test]
fn a_refusal_closes_what_it_names_and_nothing_else() {
    let fleet = wide();
    let refused = Offering {
        location: "westeurope".to_owned(),
        size: "Standard_D4s_v5".to_owned(),
        zone: Some("1".to_owned()),
        spot: true,
    };
    let size = |each: &Offering| each.size == "Standard_D4s_v5";
    let zone = |each: &Offering| each.zone.as_deref() == Some("1");
    type Expected<'a> = &'a dyn Fn(&Offering) -> bool;
    let table: [(UnfitScope, Expected<'_>, &str); 7] = [
        (UnfitScope::Size, &size, "Standard_D4s_v5 in westeurope"),
        (UnfitScope::SpotSize, &|each| size(each) && each.spot, "spot VMs of Standard_D4s_v5 in westeurope"),
        (UnfitScope::Zone, &zone, "zone 1 of westeurope"),
        (UnfitScope::Region, &|_| true, "westeurope"),
        (
            UnfitScope::Quota(QuotaScope::Family),
            &|each| size(each) && each.spot,
            "spot VMs of the family of Standard_D4s_v5 in westeurope",
        ),
        (UnfitScope::Quota(QuotaScope::Region), &|each| each.spot, "spot VMs in westeurope"),
        (UnfitScope::Spot, &|each| each.spot, "spot VMs"),
    ];
    for (scope, expected, what) in table {
        let mut known = CapacityBackoff::default();
        let effect = known.refused(&fleet, &refused, &unfit(scope), at(0));
        assert_eq!(effect, RefusalEffect::Closes { is_new: true });
        for each in fleet.vm.offerings(true) {
            let is_there = scope == UnfitScope::Spot || each.location == "westeurope";
            let is_named = is_there && expected(&each);
            assert_eq!(is_closed(&known, &fleet, &each, 1), is_named, "{scope:?}: {each}");
        }
        let closed = known.closed(&fleet, at(1));
        assert_eq!(closed.iter().map(ClosedPlace::what).collect::<Vec<_>>(), [what], "{scope:?}");
        assert!(
            closed[0].to_string().contains("is closed since")
                && closed[0].to_string().ends_with("it never works")
        );
    }
}

#[test]
fn it_lasts_for_hours_through_successes_elsewhere_and_is_told_once() {
    let (fleet, size) = (wide(), |known: &CapacityBackoff, now| {
        known.unavailable(&wide(), &offering("Standard_D4s_v5"), at(now)).is_some()
    });
    let mut known = CapacityBackoff::default();
    known.refused(&fleet, &offering("Standard_D4s_v5"), &unfit(UnfitScope::Size), at(0));
    known.took(&offering("Standard_F8s_v2"), at(5));
    known.freed(at(6));
    assert!(size(&known, 6 * 3600 - 1) && !size(&known, 6 * 3600));
    let effect = known.refused(&fleet, &offering("Standard_D4s_v5"), &unfit(UnfitScope::Size), at(6 * 3600));
    assert_eq!(effect, RefusalEffect::Closes { is_new: false }, "a person was told");
    let closed = known.closed(&fleet, at(6 * 3600 + 1));
    assert_eq!((closed[0].since, closed[0].until), (at(0), at(12 * 3600)));
}

#[test]
fn another_spelling_of_a_size_is_the_same_size() {
    let mut known = CapacityBackoff::default();
    known.refused(&ci(), &offering("standard_d4s_V5"), &unfit(UnfitScope::Size), at(0));
    known.refused(&ci(), &offering("STANDARD_F8S_V2"), &no_capacity(), at(0));
    assert!(known.unavailable(&wide(), &offering("Standard_D4s_v5"), at(1)).is_some());
    assert!(known.unavailable(&wide(), &offering("Standard_F8s_v2"), at(1)).is_some());
}

#[test]
fn only_vms_of_that_configuration_are_held_back() {
    let other = crate::fixture::fleet_with("ci", "labels = [\"gpu\"]", "");
    let mut known = CapacityBackoff::default();
    for error in [unfit(UnfitScope::Region), no_quota(QuotaScope::Addresses)] {
        known.refused(&wide(), &offering("Standard_D4s_v5"), &error, at(0));
    }
    assert!(known.unavailable(&wide(), &offering("Standard_D4s_v5"), at(1)).is_some());
    assert_eq!(
        known.unavailable(&other, &offering("Standard_D4s_v5"), at(1)),
        None,
        "a person changed the file"
    );
    assert_eq!(known.of_configuration(other.config_hash()), CapacityBackoff::default());
    assert_eq!(known.of_configuration(ci().config_hash()), known);
}

#[test]
fn addresses_wait_as_a_quota_does() {
    let mut known = CapacityBackoff::default();
    let full = no_quota(QuotaScope::Addresses);
    assert_eq!(known.refused(&ci(), &offering("Standard_D4s_v5"), &full, at(0)), RefusalEffect::Waits);
    assert!(waits(&known, "Standard_F8s_v2", 0).is_some(), "another size needs an address too");
    let elsewhere = Offering { location: "northeurope".to_owned(), ..offering("Standard_D4s_v5") };
    assert_eq!(known.unavailable(&ci(), &elsewhere, at(1)), None, "another region has another subnet");
    known.refused(&ci(), &offering("Standard_D4s_v5"), &full, at(30));
    known.refused(&ci(), &offering("Standard_D4s_v5"), &full, at(90));
    known.freed(at(91));
    assert_eq!(waits(&known, "Standard_D4s_v5", 91), Some(60));
}

#[test]
fn where_all_is_closed_one_place_after_the_other_is_tried_every_two_minutes() {
    let mut fleet = ci();
    fleet.vm.sizes = vec!["Standard_A".to_owned(), "Standard_B".to_owned()];
    let [a, b] = fleet.vm.offerings(true).try_into().expect("two");
    let open = |known: &CapacityBackoff, now: i64| {
        let is_open = |place: &&Offering| known.unavailable(&fleet, place, at(now)).is_none();
        [&a, &b].into_iter().filter(is_open).map(|place| place.size.clone()).collect::<Vec<_>>()
    };
    let mut known = CapacityBackoff::default();
    known.refused(&fleet, &a, &unfit(UnfitScope::Size), at(0));
    assert!(!known.is_nowhere(&fleet, at(1)));
    assert_eq!(open(&known, 300), ["Standard_B"], "no probe while there is another place");
    known.refused(&fleet, &b, &unfit(UnfitScope::Size), at(300));
    assert!(known.is_nowhere(&fleet, at(301)));
    assert!(open(&known, 419).is_empty());
    assert_eq!(open(&known, 420), ["Standard_A"], "the one that was not tried for longest");
    known.refused(&fleet, &a, &unfit(UnfitScope::Size), at(420));
    assert!(open(&known, 539).is_empty());
    assert_eq!(open(&known, 540), ["Standard_B"]);
    // Where one place only waits, it is not nowhere.
    let mut mixed = CapacityBackoff::default();
    mixed.refused(&fleet, &a, &unfit(UnfitScope::Size), at(0));
    mixed.refused(&fleet, &b, &no_capacity(), at(0));
    assert!(!mixed.is_nowhere(&fleet, at(1)));
    assert!(mixed.unavailable(&fleet, &a, at(200)).is_some());
}

#[test]
fn a_file_of_an_older_version_is_read() {
    let text = r#"{"setbacks": [
        [{"Machines": {"location": "westeurope", "size": "Standard_D4s_v5", "zone": null, "spot": false}},
         {"in_a_row": 2, "at": "2027-01-15T08:00:00Z", "until": "2027-01-15T08:01:00Z", "why": "AllocationFailed"}],
        [{"Family": {"location": "westeurope", "family": "Fs_v2", "spot": false}},
         {"in_a_row": 1, "at": "2027-01-15T08:00:00Z", "until": "2027-01-15T08:00:30Z", "why": "quota"}]
    ]}"#;
    let known: CapacityBackoff = serde_json::from_str(text).expect("read");
    assert_eq!(
        (waits(&known, "Standard_D4s_v5", 0), waits(&known, "Standard_F8s_v2", 0)),
        (Some(60), Some(30))
    );
}

#[test]
fn what_is_closed_outlives_a_restart() {
    let mut known = CapacityBackoff::default();
    for scope in [UnfitScope::Spot, UnfitScope::Region, UnfitScope::Quota(QuotaScope::Family)] {
        known.refused(
            &wide(),
            &Offering { spot: true, ..offering("Standard_D4s_v5") },
            &unfit(scope),
            at(100),
        );
    }
    let text = serde_json::to_string(&known).expect("written");
    assert_eq!(serde_json::from_str::<CapacityBackoff>(&text).expect("read"), known);
}
