//! What Azure offers: VMs of a size, in a region and zone, spot or regular.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Vm;

/// One way to get a VM: a size, a region and zone, spot or regular. Azure may write a size in another case than the
/// fleet's file, so the case of a size does not count.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Offering {
    /// The region.
    pub location: String,
    /// The size.
    pub size: String,
    /// The availability zone. Absent means a VM in no particular zone.
    pub zone: Option<String>,
    /// Whether Azure may evict the VM.
    pub spot: bool,
}

impl fmt::Display for Offering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.size, self.location)?;
        if let Some(zone) = &self.zone {
            write!(f, ", zone {zone}")?;
        }
        if self.spot { f.write_str(", spot") } else { Ok(()) }
    }
}

impl Ord for Offering {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |offering: &Self| offering.size.to_ascii_lowercase();
        let rest = |offering: &Self| (offering.zone.clone(), offering.spot);
        let by_size = || size(self).cmp(&size(other));
        self.location.cmp(&other.location).then_with(by_size).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Offering {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Offering {}

impl PartialEq for Offering {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Offering {
    /// The offering that a VM came from.
    pub fn of(vm: &Vm) -> Offering {
        Offering {
            location: vm.location.to_string(),
            size: vm.size.to_string(),
            zone: vm.zone.clone().map(String::from),
            spot: vm.spot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_a_size_does_not_count() {
        let offering = |size: &str, zone: &str| Offering {
            location: "westeurope".to_owned(),
            size: size.to_owned(),
            zone: Some(zone.to_owned()),
            spot: false,
        };
        assert_eq!(offering("Standard_D4s_v5", "1"), offering("standard_d4s_V5", "1"));
        assert_ne!(offering("Standard_D4s_v5", "1"), offering("standard_d4s_v5", "2"));
        assert!(offering("STANDARD_A", "2") < offering("standard_b", "1"));
    }

    #[test]
    fn it_says_only_what_is_known() {
        let offering = |zone: Option<&str>, spot| Offering {
            location: "westeurope".to_owned(),
            size: "Standard_D4s_v5".to_owned(),
            zone: zone.map(str::to_owned),
            spot,
        };
        assert_eq!(offering(None, false).to_string(), "Standard_D4s_v5 in westeurope");
        assert_eq!(offering(Some("1"), true).to_string(), "Standard_D4s_v5 in westeurope, zone 1, spot");
    }
}
