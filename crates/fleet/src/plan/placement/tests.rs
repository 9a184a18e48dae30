//! Where the next VM is requested.

use super::*;
use crate::fixture::{at, fleet};
use crate::model::{CallError, CallErrorKind, Spot, UnfitScope};

fn of(sizes: &[&str], spot: bool, share: u32, regular_fallback: bool) -> Fleet {
    let mut fleet = fleet("ci", "");
    fleet.vm.sizes = sizes.iter().map(|size| (*size).to_owned()).collect();
    fleet.vm.spot = spot.then_some(Spot { max_price: None });
    (fleet.vm.spot_share, fleet.vm.regular_fallback) = (share, regular_fallback);
    fleet
}

fn first(offerings: &[Offering]) -> String {
    offerings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

#[test]
fn what_was_refused_is_passed_over_and_the_last_is_said() {
    let fleet = of(&["Standard_A", "Standard_B"], false, 100, false);
    let [a, b] = fleet.vm.offerings(true).try_into().expect("two");
    let mut known = CapacityBackoff::default();
    let none = SpotCount::default;
    assert_eq!(
        first(&Placement::of(&fleet, &known, 0, at(0)).offerings(&fleet, &mut none())),
        format!("{a} | {b}")
    );
    known.refused(&fleet, &a, &CallError::new(CallErrorKind::NoCapacity, "AllocationFailed"), at(0));
    let placement = Placement::of(&fleet, &known, 0, at(10));
    assert_eq!((placement.offerings(&fleet, &mut none()), placement.none()), (vec![b.clone()], None));
    known.refused(&fleet, &b, &CallError::new(CallErrorKind::NoCapacity, "ZonalAllocationFailed"), at(10));
    let placement = Placement::of(&fleet, &known, 0, at(15));
    assert!(!placement.is_somewhere());
    let why = "Azure is out of capacity: tried Standard_A in westeurope and 1 other place: AllocationFailed";
    let no_room = placement.none().expect("both are closed");
    assert_eq!((no_room.to_string().as_str(), no_room.until), (why, at(30)));
    assert_eq!(Placement::of(&fleet, &known, 0, at(31)).offerings(&fleet, &mut none()), vec![a]);
}

#[test]
fn what_is_closed_is_passed_over_for_hours_and_told_beside_what_waits() {
    let fleet = of(&["Standard_A", "Standard_B"], false, 100, false);
    let [a, b] = fleet.vm.offerings(true).try_into().expect("two");
    let mut known = CapacityBackoff::default();
    let never = CallError::new(CallErrorKind::Unfit(UnfitScope::Size), "VMSizeNotSupported");
    known.refused(&fleet, &a, &never, at(0));
    let placement = Placement::of(&fleet, &known, 0, at(3600));
    assert_eq!(placement.offerings(&fleet, &mut SpotCount::default()), vec![b.clone()]);
    assert_eq!((placement.none(), placement.closed.len(), placement.is_nowhere), (None, 1, false));
    known.refused(&fleet, &b, &CallError::new(CallErrorKind::NoCapacity, "AllocationFailed"), at(3600));
    let none = Placement::of(&fleet, &known, 0, at(3601)).none().expect("B waits");
    assert_eq!((none.offering, none.more, none.until), (b.clone(), 1, at(3630)), "it is what ends by itself");
    known.refused(&fleet, &b, &never, at(3700));
    let placement = Placement::of(&fleet, &known, 0, at(3701));
    assert_eq!((placement.is_nowhere, placement.is_somewhere(), placement.none()), (true, false, None));
    let probe = Placement::of(&fleet, &known, 0, at(3820));
    assert_eq!((probe.is_nowhere, probe.offerings(&fleet, &mut SpotCount::default())), (true, vec![a]));
}

#[test]
fn a_start_that_failed_begins_with_another_place_of_the_same_price() {
    let fleet = of(&["Standard_A", "Standard_B"], true, 100, true);
    let known = CapacityBackoff::default();
    let order = |failed| {
        let offerings =
            Placement::of(&fleet, &known, failed, at(0)).offerings(&fleet, &mut SpotCount::default());
        offerings.iter().map(|offering| &offering.to_string()[9..10] == "A").collect::<Vec<_>>()
    };
    assert_eq!(order(0), [true, false, true, false]);
    assert_eq!(order(1), [false, true, true, false], "spot VMs stay first");
    assert_eq!(order(2), order(0));
}

#[test]
fn spot_vms_are_the_share_that_is_asked_for() {
    for (share, expected) in [(100, "ssssssssss"), (50, "srsrsrsrsr"), (80, "ssssrssssr"), (1, "srrrrrrrrr")]
    {
        let fleet = of(&["Standard_A"], true, share, false);
        let placement = Placement::of(&fleet, &CapacityBackoff::default(), 0, at(0));
        let mut vms = SpotCount::default();
        let made: Vec<bool> = (0..10).map(|_| placement.offerings(&fleet, &mut vms)[0].spot).collect();
        for (before, is_spot) in made.iter().enumerate() {
            let counted = SpotCount::of(made[..before].iter().copied());
            assert_eq!(counted.is_next_spot(&fleet.vm), *is_spot, "a walk over all VMs finds the same");
        }
        let made: String = made.into_iter().map(|spot| if spot { 's' } else { 'r' }).collect();
        assert_eq!(made, expected, "{share} of a hundred");
    }
    assert!(!SpotCount::default().is_next_spot(&of(&["Standard_A"], false, 100, false).vm));
}
