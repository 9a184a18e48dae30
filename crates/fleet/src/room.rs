//! Where a fleet's next VM is requested: in those of its places that were not refused lately, with the
//! configured share of spot VMs.

use std::fmt;

use jiff::Timestamp;

use crate::config::{Fleet, VmConfig};
use crate::place::{Closed, Place, Places};

/// Where there may be capacity for a fleet's VMs.
#[derive(Debug, PartialEq)]
pub(crate) struct Room {
    /// Open places with spot VMs first, and with regular ones first.
    spot_first: Vec<Place>,
    regular_first: Vec<Place>,
    /// Refused places.
    closed: Vec<(Place, Closed)>,
}

impl Room {
    /// The fleet's places now. After starts that failed for another reason than capacity, the next start begins
    /// with a later place of the same price: the size may be the reason that the VM does not boot.
    pub(crate) fn of(fleet: &Fleet, known: &Places, failed: u32, now: Timestamp) -> Room {
        let open = |spot_first| {
            let mut places = fleet.vm.places(spot_first);
            places.retain(|place| known.closed(place, now).is_none());
            let alike = places.iter().take_while(|place| place.spot == places[0].spot).count();
            let (first, _) = places.split_at_mut(alike);
            first.rotate_left(failed as usize % alike.max(1));
            places
        };
        let all = fleet.vm.places(true).into_iter();
        Room {
            spot_first: open(true),
            regular_first: open(false),
            closed: all.filter_map(|place| Some((place.clone(), known.closed(&place, now)?))).collect(),
        }
    }

    /// Whether any place is open.
    pub(crate) fn is_somewhere(&self) -> bool {
        !self.spot_first.is_empty()
    }

    /// Where the next VM is requested. `others` says of each other VM whether it is a spot VM.
    pub(crate) fn places(&self, fleet: &Fleet, others: impl Iterator<Item = bool>) -> Vec<Place> {
        if is_next_spot(&fleet.vm, others) { self.spot_first.clone() } else { self.regular_first.clone() }
    }

    /// That there is no capacity anywhere, if so.
    pub(crate) fn none(&self) -> Option<NoRoom> {
        if self.is_somewhere() {
            return None;
        }
        let (place, closed) = self.closed.first()?;
        let until = self.closed.iter().map(|(_, closed)| closed.until).min()?;
        let (place, why, more) = (place.clone(), closed.why.clone(), self.closed.len() - 1);
        Some(NoRoom { place, more, why, until })
    }
}

/// Azure has no capacity for another VM of a fleet in any of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoom {
    /// The first place that was refused.
    pub place: Place,
    /// How many other places were refused.
    pub more: usize,
    /// What Azure said of the first.
    pub why: String,
    /// When Azure is asked again.
    pub until: Timestamp,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Azure has no room for another VM: {}", self.place)?;
        match self.more {
            0 => {}
            1 => f.write_str(" (nor in 1 place more)")?,
            more => write!(f, " (nor in {more} places more)")?,
        }
        write!(f, ": {}", self.why)
    }
}

/// Whether the next VM should be a spot VM, so that the configured share is kept.
fn is_next_spot(vm: &VmConfig, others: impl Iterator<Item = bool>) -> bool {
    if vm.spot.is_none() {
        return false;
    }
    let (all, spot) = others.fold((0_u32, 0_u32), |(all, spot), is| (all + 1, spot + u32::from(is)));
    spot * 100 < vm.spot_share * (all + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{CallError, Trouble};
    use crate::testing::{at, fleet};
    use crate::vm::Spot;

    fn of(sizes: &[&str], spot: bool, share: u32, regular_fallback: bool) -> Fleet {
        let mut fleet = fleet("ci", "");
        fleet.vm.sizes = sizes.iter().map(|size| (*size).to_owned()).collect();
        fleet.vm.spot = spot.then_some(Spot { max_price: None });
        (fleet.vm.spot_share, fleet.vm.regular_fallback) = (share, regular_fallback);
        fleet
    }

    fn first(places: &[Place]) -> String {
        places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn what_was_refused_is_passed_over_and_the_last_is_said() {
        let fleet = of(&["Standard_A", "Standard_B"], false, 100, false);
        let [a, b] = fleet.vm.places(true).try_into().expect("two");
        let mut known = Places::default();
        let others = || std::iter::empty();
        assert_eq!(first(&Room::of(&fleet, &known, 0, at(0)).places(&fleet, others())), format!("{a} | {b}"));
        known.refused(&a, &CallError::new(Trouble::NoCapacity, "AllocationFailed"), at(0));
        let room = Room::of(&fleet, &known, 0, at(10));
        assert_eq!((room.places(&fleet, others()), room.none()), (vec![b.clone()], None));
        known.refused(&b, &CallError::new(Trouble::NoCapacity, "ZonalAllocationFailed"), at(10));
        let room = Room::of(&fleet, &known, 0, at(15));
        assert!(!room.is_somewhere());
        let why = "Azure has no room for another VM: Standard_A in westeurope (nor in 1 place more): AllocationFailed";
        let none = room.none().expect("both are closed");
        assert_eq!((none.to_string().as_str(), none.until), (why, at(30)));
        assert_eq!(Room::of(&fleet, &known, 0, at(31)).places(&fleet, others()), vec![a]);
    }

    #[test]
    fn a_start_that_failed_begins_with_another_place_of_the_same_price() {
        let fleet = of(&["Standard_A", "Standard_B"], true, 100, true);
        let known = Places::default();
        let order = |failed| {
            let places = Room::of(&fleet, &known, failed, at(0)).places(&fleet, std::iter::empty());
            places.iter().map(|place| &place.to_string()[9..10] == "A").collect::<Vec<_>>()
        };
        assert_eq!(order(0), [true, false, true, false]);
        assert_eq!(order(1), [false, true, true, false], "spot VMs stay first");
        assert_eq!(order(2), order(0));
    }

    #[test]
    fn spot_vms_are_the_share_that_is_asked_for() {
        for (share, expected) in
            [(100, "ssssssssss"), (50, "srsrsrsrsr"), (80, "ssssrssssr"), (1, "srrrrrrrrr")]
        {
            let fleet = of(&["Standard_A"], true, share, false);
            let mut made = Vec::new();
            for _ in 0..10 {
                made.push(is_next_spot(&fleet.vm, made.iter().copied()));
            }
            let made: String = made.into_iter().map(|spot| if spot { 's' } else { 'r' }).collect();
            assert_eq!(made, expected, "{share} of a hundred");
        }
        assert!(!is_next_spot(&of(&["Standard_A"], false, 100, false).vm, std::iter::empty()));
    }
}
