//! Where a fleet's next VM is requested: in those of its places that were not refused lately, with the
//! configured share of spot VMs.

use std::fmt;

use jiff::Timestamp;

use crate::config::{Fleet, VmConfig};
use crate::model::Offering;
use crate::state::{CapacityBackoff, ClosedPlace, Unavailable};

/// Where there may be capacity for a fleet's VMs.
#[derive(Debug, PartialEq)]
pub(crate) struct Placement {
    /// Open places, spot VMs first, and regular ones first.
    spot_first: Vec<Offering>,
    regular_first: Vec<Offering>,
    /// Refused places.
    unavailable: Vec<(Offering, Unavailable)>,
    /// What Azure never makes the fleet's VMs with.
    pub(crate) closed: Vec<ClosedPlace>,
    /// Whether everything is closed, so that a start only shows whether a person has acted.
    pub(crate) is_nowhere: bool,
}

impl Placement {
    /// The fleet's places now. After starts that failed for another reason than capacity, the next start begins
    /// with a later place of the same price: the size may be the reason that the VM does not boot.
    pub(crate) fn of(fleet: &Fleet, known: &CapacityBackoff, failed: u32, now: Timestamp) -> Placement {
        let open = |spot_first| {
            let mut offerings = fleet.vm.offerings(spot_first);
            offerings.retain(|offering| known.unavailable(fleet, offering, now).is_none());
            let alike = offerings.iter().take_while(|offering| offering.spot == offerings[0].spot).count();
            let (first, _) = offerings.split_at_mut(alike);
            first.rotate_left(failed as usize % alike.max(1));
            offerings
        };
        let all = fleet.vm.offerings(true).into_iter();
        Placement {
            spot_first: open(true),
            regular_first: open(false),
            unavailable: all
                .filter_map(|offering| Some((offering.clone(), known.unavailable(fleet, &offering, now)?)))
                .collect(),
            closed: known.closed(fleet, now),
            is_nowhere: known.is_nowhere(fleet, now),
        }
    }

    /// Whether any place is open.
    pub(crate) fn is_somewhere(&self) -> bool {
        !self.spot_first.is_empty()
    }

    /// Where the next VM is requested. `others` says of each other VM whether it is a spot VM.
    pub(crate) fn offerings(&self, fleet: &Fleet, others: impl Iterator<Item = bool>) -> Vec<Offering> {
        if is_next_spot(&fleet.vm, others) { self.spot_first.clone() } else { self.regular_first.clone() }
    }

    /// That there is no capacity anywhere, if so. What is closed for hours is none of it: `closed` says that.
    pub(crate) fn none(&self) -> Option<NoCapacity> {
        if self.is_somewhere() {
            return None;
        }
        let waiting = || self.unavailable.iter().filter(|(_, unavailable)| unavailable.closed.is_none());
        let (offering, unavailable) = waiting().next()?;
        let until = waiting().map(|(_, unavailable)| unavailable.until).min()?;
        let (offering, why, more) = (offering.clone(), unavailable.why.clone(), self.unavailable.len() - 1);
        Some(NoCapacity { offering, more, why, until })
    }
}

/// Azure has no capacity for another VM of a fleet in any of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCapacity {
    /// The first place that was refused.
    pub offering: Offering,
    /// How many other places were refused.
    pub more: usize,
    /// What Azure said of the first.
    pub why: String,
    /// When Azure is asked again.
    pub until: Timestamp,
}

impl fmt::Display for NoCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Azure has no room for another VM: {}", self.offering)?;
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
        let others = || std::iter::empty();
        assert_eq!(
            first(&Placement::of(&fleet, &known, 0, at(0)).offerings(&fleet, others())),
            format!("{a} | {b}")
        );
        known.refused(&fleet, &a, &CallError::new(CallErrorKind::NoCapacity, "AllocationFailed"), at(0));
        let placement = Placement::of(&fleet, &known, 0, at(10));
        assert_eq!((placement.offerings(&fleet, others()), placement.none()), (vec![b.clone()], None));
        known.refused(
            &fleet,
            &b,
            &CallError::new(CallErrorKind::NoCapacity, "ZonalAllocationFailed"),
            at(10),
        );
        let placement = Placement::of(&fleet, &known, 0, at(15));
        assert!(!placement.is_somewhere());
        let why = "Azure has no room for another VM: Standard_A in westeurope (nor in 1 place more): AllocationFailed";
        let none = placement.none().expect("both are closed");
        assert_eq!((none.to_string().as_str(), none.until), (why, at(30)));
        assert_eq!(Placement::of(&fleet, &known, 0, at(31)).offerings(&fleet, others()), vec![a]);
    }

    #[test]
    fn what_is_closed_is_passed_over_for_hours_and_told_beside_what_waits() {
        let fleet = of(&["Standard_A", "Standard_B"], false, 100, false);
        let [a, b] = fleet.vm.offerings(true).try_into().expect("two");
        let mut known = CapacityBackoff::default();
        let never = CallError::new(CallErrorKind::Unfit(UnfitScope::Size), "VMSizeNotSupported");
        known.refused(&fleet, &a, &never, at(0));
        let placement = Placement::of(&fleet, &known, 0, at(3600));
        assert_eq!(placement.offerings(&fleet, std::iter::empty()), vec![b.clone()]);
        assert_eq!((placement.none(), placement.closed.len(), placement.is_nowhere), (None, 1, false));
        known.refused(&fleet, &b, &CallError::new(CallErrorKind::NoCapacity, "AllocationFailed"), at(3600));
        let none = Placement::of(&fleet, &known, 0, at(3601)).none().expect("B waits");
        assert_eq!(
            (none.offering, none.more, none.until),
            (b.clone(), 1, at(3630)),
            "it is what ends by itself"
        );
        known.refused(&fleet, &b, &never, at(3700));
        let placement = Placement::of(&fleet, &known, 0, at(3701));
        assert_eq!((placement.is_nowhere, placement.is_somewhere(), placement.none()), (true, false, None));
        let probe = Placement::of(&fleet, &known, 0, at(3820));
        assert_eq!((probe.is_nowhere, probe.offerings(&fleet, std::iter::empty())), (true, vec![a]));
    }

    #[test]
    fn a_start_that_failed_begins_with_another_place_of_the_same_price() {
        let fleet = of(&["Standard_A", "Standard_B"], true, 100, true);
        let known = CapacityBackoff::default();
        let order = |failed| {
            let offerings =
                Placement::of(&fleet, &known, failed, at(0)).offerings(&fleet, std::iter::empty());
            offerings.iter().map(|offering| &offering.to_string()[9..10] == "A").collect::<Vec<_>>()
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
