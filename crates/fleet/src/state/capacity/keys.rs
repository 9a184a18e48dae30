//! What a refusal holds back: the things that a VM needs of Azure, as keys.
//!
//! Azure spells sizes and regions in several cases, so keys are in lower case.

use serde::{Deserialize, Serialize};

use crate::model::{CallErrorKind, Offering, QuotaScope, UnfitScope};

/// What a VM needs of Azure and may be refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum CapacityKey {
    /// Free machines of a size in an offering.
    Machines(Offering),
    /// The subscription's quota for a family of sizes in a region.
    Family { location: String, family: String, spot: bool },
    /// Its quota for all sizes in a region.
    Region { location: String, spot: bool },
    /// IP addresses in a region, for VMs of this configuration: it says which subnet, and whether public ones.
    Addresses { location: String, config_hash: String },
    /// What Azure never gives to VMs of this configuration. Another configuration may be given it: another image
    /// boots on the size, a smaller disk fits into its cache.
    Unfit { config_hash: String, what: UnfitKey },
}

/// What Azure never gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum UnfitKey {
    Size { location: String, size: String },
    SpotSize { location: String, size: String },
    Spot,
    Zone { location: String, zone: String },
    Region { location: String },
    FamilyQuota { location: String, family: String, spot: bool },
    RegionQuota { location: String, spot: bool },
}

impl CapacityKey {
    /// What an error of this kind, to a request for this offering, says is lacking. `None` if it says nothing of the
    /// offering.
    pub(super) fn of(kind: CallErrorKind, offering: &Offering, config_hash: &str) -> Option<CapacityKey> {
        match kind {
            CallErrorKind::NoCapacity => Some(CapacityKey::Machines(in_lower_case(offering))),
            CallErrorKind::NoQuota(of) => Some(quota(offering, config_hash, of)),
            CallErrorKind::Unfit(scope) => {
                let what = UnfitKey::of(scope, offering);
                Some(CapacityKey::Unfit { config_hash: config_hash.to_owned(), what })
            }
            CallErrorKind::NotPermitted
            | CallErrorKind::NotFound
            | CallErrorKind::Invalid
            | CallErrorKind::NameTaken
            | CallErrorKind::Throttled
            | CallErrorKind::Blocked
            | CallErrorKind::Unavailable
            | CallErrorKind::OutcomeUnknown
            | CallErrorKind::Unknown => None,
        }
    }

    /// Whether a VM of this configuration needs it at an offering. It is asked for each place in each tick, so it
    /// copies nothing.
    pub(super) fn is_needed(&self, offering: &Offering, hash: &str) -> bool {
        let is_here = |location: &str| location.eq_ignore_ascii_case(&offering.location);
        match self {
            CapacityKey::Machines(Offering { location, size, zone, spot }) => {
                is_here(location)
                    && size.eq_ignore_ascii_case(&offering.size)
                    && *zone == offering.zone
                    && *spot == offering.spot
            }
            CapacityKey::Family { location, family, spot } => {
                *spot == offering.spot && is_here(location) && is_family(family, &offering.size)
            }
            CapacityKey::Region { location, spot } => *spot == offering.spot && is_here(location),
            CapacityKey::Addresses { location, config_hash } => config_hash == hash && is_here(location),
            CapacityKey::Unfit { config_hash, what } => config_hash == hash && what.is_part_of(offering),
        }
    }

    /// What is closed, if Azure never gives it.
    pub(super) fn closes(&self) -> Option<UnfitScope> {
        match self {
            CapacityKey::Unfit { what, .. } => Some(what.scope()),
            CapacityKey::Machines(_)
            | CapacityKey::Family { .. }
            | CapacityKey::Region { .. }
            | CapacityKey::Addresses { .. } => None,
        }
    }

    /// The same key, as this version writes it.
    pub(super) fn in_lower_case(self) -> CapacityKey {
        match self {
            CapacityKey::Machines(offering) => CapacityKey::Machines(in_lower_case(&offering)),
            CapacityKey::Family { location, family, spot } => {
                CapacityKey::Family { location, family: family.to_ascii_lowercase(), spot }
            }
            other => other,
        }
    }

    /// Whether it concerns the VMs of that configuration.
    pub(super) fn concerns(&self, hash: &str) -> bool {
        match self {
            CapacityKey::Addresses { config_hash, .. } | CapacityKey::Unfit { config_hash, .. } => {
                config_hash == hash
            }
            CapacityKey::Machines(_) | CapacityKey::Family { .. } | CapacityKey::Region { .. } => true,
        }
    }

    /// Whether a VM that goes makes room.
    pub(super) fn is_freed_by_vms(&self) -> bool {
        match self {
            CapacityKey::Family { .. } | CapacityKey::Region { .. } | CapacityKey::Addresses { .. } => true,
            CapacityKey::Machines(_) | CapacityKey::Unfit { .. } => false,
        }
    }
}

impl UnfitKey {
    fn of(scope: UnfitScope, offering: &Offering) -> UnfitKey {
        let Offering { location, size, zone, spot } = in_lower_case(offering);
        match (scope, zone) {
            (UnfitScope::Size, _) => UnfitKey::Size { location, size },
            (UnfitScope::SpotSize, _) => UnfitKey::SpotSize { location, size },
            (UnfitScope::Spot, _) => UnfitKey::Spot,
            (UnfitScope::Zone, Some(zone)) => UnfitKey::Zone { location, zone },
            (UnfitScope::Zone, None) | (UnfitScope::Region, _) => UnfitKey::Region { location },
            (UnfitScope::Quota(QuotaScope::Family), _) => {
                UnfitKey::FamilyQuota { location, family: family(&size), spot }
            }
            (UnfitScope::Quota(QuotaScope::Region | QuotaScope::Addresses), _) => {
                UnfitKey::RegionQuota { location, spot }
            }
        }
    }

    fn scope(&self) -> UnfitScope {
        match self {
            UnfitKey::Size { .. } => UnfitScope::Size,
            UnfitKey::SpotSize { .. } => UnfitScope::SpotSize,
            UnfitKey::Spot => UnfitScope::Spot,
            UnfitKey::Zone { .. } => UnfitScope::Zone,
            UnfitKey::Region { .. } => UnfitScope::Region,
            UnfitKey::FamilyQuota { .. } => UnfitScope::Quota(QuotaScope::Family),
            UnfitKey::RegionQuota { .. } => UnfitScope::Quota(QuotaScope::Region),
        }
    }

    fn is_part_of(&self, offering: &Offering) -> bool {
        let is_here = |location: &str| location.eq_ignore_ascii_case(&offering.location);
        let is_size = |size: &str| size.eq_ignore_ascii_case(&offering.size);
        match self {
            UnfitKey::Size { location, size } => is_here(location) && is_size(size),
            UnfitKey::SpotSize { location, size } => offering.spot && is_here(location) && is_size(size),
            UnfitKey::Spot => offering.spot,
            UnfitKey::Zone { location, zone } => {
                is_here(location) && offering.zone.as_deref() == Some(zone.as_str())
            }
            UnfitKey::Region { location } => is_here(location),
            UnfitKey::FamilyQuota { location, family, spot } => {
                *spot == offering.spot && is_here(location) && is_family(family, &offering.size)
            }
            UnfitKey::RegionQuota { location, spot } => *spot == offering.spot && is_here(location),
        }
    }
}

fn in_lower_case(offering: &Offering) -> Offering {
    Offering {
        location: offering.location.to_ascii_lowercase(),
        size: offering.size.to_ascii_lowercase(),
        ..offering.clone()
    }
}

/// The quota that is used up for an offering.
fn quota(offering: &Offering, config_hash: &str, of: QuotaScope) -> CapacityKey {
    let Offering { location, size, spot, .. } = in_lower_case(offering);
    match of {
        QuotaScope::Region => CapacityKey::Region { location, spot },
        QuotaScope::Family => CapacityKey::Family { location, family: family(&size), spot },
        QuotaScope::Addresses => CapacityKey::Addresses { location, config_hash: config_hash.to_owned() },
    }
}

/// The family of a size, by its name: `Standard_D4s_v5` and `Standard_D16s_v5` are both `ds_v5` (Azure docs, VM
/// sizes: naming conventions).
pub(super) fn family(size: &str) -> String {
    let (series, version) = family_parts(size);
    (series.to_owned() + version).to_ascii_lowercase()
}

/// Whether a size is of this family.
fn is_family(family: &str, size: &str) -> bool {
    let (series, version) = family_parts(size);
    family
        .split_at_checked(series.len())
        .is_some_and(|(begin, end)| begin.eq_ignore_ascii_case(series) && end.eq_ignore_ascii_case(version))
}

/// What stands in a size's name before and after its number.
fn family_parts(size: &str) -> (&str, &str) {
    let size = match size.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => size,
    };
    let letters = size.find(|c: char| c.is_ascii_digit()).unwrap_or(size.len());
    let (series, rest) = size.split_at(letters);
    (series, rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-'))
}

/// How the names of sizes begin.
const PREFIX: &str = "standard_";
