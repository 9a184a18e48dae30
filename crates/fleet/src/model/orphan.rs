//! Parts of VMs that still exist after their VMs are gone.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{ForeignText, PoolName, ResourceGroup, RunnerName, VmTags};

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

/// A part that belongs to no VM, and is ours by its tags or, where they were lost, perhaps by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The resource group that holds the part.
    pub group: ResourceGroup,
    /// The kind of part.
    pub kind: OrphanKind,
    /// The name of the part.
    pub name: ForeignText,
    /// The tags of the part. They equal those of the VM that it was made with. `None` where a policy took them, or an
    /// older version of the API never set them.
    pub tags: Option<VmTags>,
}

impl Orphan {
    /// Reads a part; `None` if neither its tags nor the form of its name are ours. The daemon never touches what it did
    /// not create.
    pub fn of(
        group: &ResourceGroup,
        kind: OrphanKind,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let tags = VmTags::of_part(tags);
        let is_ours = tags.is_some() || beginnings(name).any(RunnerName::has_form);
        is_ours.then(|| Orphan { group: group.clone(), kind, name: name.into(), tags })
    }

    /// The runner of this pool whose VM it was made with: `ci-1nmkmg00000723` of `ci-1nmkmg00000723_OsDisk_1_0a`.
    pub(crate) fn runner(&self, pool: &PoolName) -> Option<RunnerName> {
        match &self.tags {
            Some(tags) => (tags.pool == *pool).then(|| tags.runner_name.clone()),
            None => {
                let name = self.name.to_ascii_lowercase();
                beginnings(&name).find_map(|beginning| RunnerName::of_pool(pool, beginning))
            }
        }
    }

    /// The key of the part: the same for every spelling of its name.
    pub(crate) fn key(&self) -> (String, OrphanKind, String) {
        (self.group.to_string().to_ascii_lowercase(), self.kind, self.name.to_ascii_lowercase())
    }
}

/// The beginnings of a part's name that may be its VM's name: Azure and we put more behind a hyphen or an underscore.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices(['-', '_']).map(|(at, _)| at);
    ends.chain([name.len()]).map(|end| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name() {
        let names = OrphanKind::ALL.map(|kind| kind.to_string());
        assert_eq!(names, ["network interface", "public IP address", "disk"]);
    }

    #[test]
    fn a_part_without_tags_is_known_by_its_name() {
        let pool: PoolName = "CI_workers".parse().expect("valid");
        let other: PoolName = "ci".parse().expect("valid");
        let group = ResourceGroup { subscription_id: "s".to_owned(), name: "g".to_owned() };
        let part = |name: &str| Orphan::of(&group, OrphanKind::Disk, name, &BTreeMap::new());
        let runner = |name: &str| part(name).and_then(|part| part.runner(&pool)).map(|name| name.to_string());
        let ours = Some("ci-workers-1nmkmg00000723".to_owned());
        for (name, expected) in [
            ("ci-workers-1nmkmg00000723_OsDisk_1_0a", ours.clone()),
            ("CI-WORKERS-1NMKMG00000723_disk1_0a-b", ours.clone()),
            ("ci-workers-1nmkmg00000723-nic", ours.clone()),
            ("ci-workers-1nmkmg00000723", ours),
            ("ci-workers-1nmkmg00000724_OsDisk_1", None),
            ("ci-workers-1nmkmg00000723x_OsDisk_1", None),
            ("ci-workers_OsDisk_1", None),
            ("", None),
        ] {
            assert_eq!(runner(name), expected, "{name}");
        }
        let part = part("ci-workers-1nmkmg00000723-nic").expect("it may be ours");
        assert_eq!(part.runner(&other), None, "it is of another pool");
    }
}
