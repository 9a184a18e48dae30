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

    /// Where the next VM is requested, which then counts as one of the fleet's.
    pub(crate) fn offerings(&self, fleet: &Fleet, vms: &mut SpotCount) -> Vec<Offering> {
        let next = if vms.is_next_spot(&fleet.vm) { &self.spot_first } else { &self.regular_first };
        if let Some(first) = next.first() {
            vms.add(first.spot);
        }
        next.clone()
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

/// How many VMs a fleet has or asks for, and how many of them are spot VMs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpotCount {
    all: u32,
    spot: u32,
}

impl SpotCount {
    /// Counts VMs, each by whether it is a spot VM.
    pub(crate) fn of(vms: impl IntoIterator<Item = bool>) -> Self {
        let mut count = SpotCount::default();
        vms.into_iter().for_each(|is_spot| count.add(is_spot));
        count
    }

    fn add(&mut self, is_spot: bool) {
        self.all += 1;
        self.spot += u32::from(is_spot);
    }

    /// Whether the next VM should be a spot VM, so that the configured share is kept.
    fn is_next_spot(self, vm: &VmConfig) -> bool {
        vm.spot.is_some() && self.spot * 100 < vm.spot_share * (self.all + 1)
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
        write!(f, "Azure is out of capacity: tried {}", self.offering)?;
        match self.more {
            0 => {}
            1 => f.write_str(" and 1 other place")?,
            more => write!(f, " and {more} other places")?,
        }
        write!(f, ": {}", self.why)
    }
}

#[cfg(test)]
mod tests;
