//! What Azure offers: VMs of a size, in a region and zone, spot or regular.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Vm;

/// One way to get a VM: a size, a region and zone, spot or regular.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl Offering {
    /// The offering that a VM came from.
    pub fn of(vm: &Vm) -> Offering {
        Offering {
            location: vm.location.clone(),
            size: vm.size.clone(),
            zone: vm.zone.clone(),
            spot: vm.spot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
