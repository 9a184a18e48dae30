//! Parts of VMs that still exist after their VMs are gone.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{ResourceGroup, VmTags};

/// The kind of a VM's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrphanKind {
    /// A NIC.
    NetworkInterface,
    /// A public IP address.
    PublicIp,
    /// A managed disk.
    Disk,
}

impl OrphanKind {
    /// All kinds, in the order in which they can be removed: a network interface holds its address.
    pub const ALL: [OrphanKind; 3] = [OrphanKind::NetworkInterface, OrphanKind::PublicIp, OrphanKind::Disk];
}

impl fmt::Display for OrphanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OrphanKind::NetworkInterface => "network interface",
            OrphanKind::PublicIp => "public IP address",
            OrphanKind::Disk => "disk",
        })
    }
}

/// A part with our tags that belongs to no VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The resource group that holds the part.
    pub group: ResourceGroup,
    /// The kind of part.
    pub kind: OrphanKind,
    /// The name of the part.
    pub name: String,
    /// The tags of the part. They equal those of the VM that it was made with.
    pub tags: VmTags,
}

impl Orphan {
    /// Reads a part by its tags; `None` if the tags are not ours. The daemon never touches what it did not
    /// create.
    pub fn of(
        group: &ResourceGroup,
        kind: OrphanKind,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let tags = VmTags::of_part(tags)?;
        Some(Orphan { group: group.clone(), kind, name: name.to_owned(), tags })
    }

    /// The key of the part: the same for every spelling of its name.
    pub(crate) fn key(&self) -> (String, OrphanKind, String) {
        (self.group.to_string().to_ascii_lowercase(), self.kind, self.name.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name() {
        let names = OrphanKind::ALL.map(|kind| kind.to_string());
        assert_eq!(names, ["network interface", "public IP address", "disk"]);
    }
}
