//! The resource groups that hold a fleet's VMs: its own, and those that it was moved from.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ResourceGroup, elapsed};

/// How long a group is still read after the last VM of a fleet that was moved is gone from it. Parts that VMs left
/// behind there are found by then.
const READ_AFTER_MOVE: Duration = Duration::from_secs(3600);

/// Where a fleet's VMs are, so that they are still seen after its configuration names another group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownGroups {
    /// All of them.
    groups: BTreeSet<ResourceGroup>,
    /// Since when all VMs are in the group that the configuration names.
    moved_since: Option<Timestamp>,
}

impl KnownGroups {
    /// All of them.
    pub fn all(&self) -> &BTreeSet<ResourceGroup> {
        &self.groups
    }

    /// Takes in that the lists were read; whether VMs of the fleet are, or may be, in a group.
    pub(crate) fn saw(
        &mut self,
        current: &ResourceGroup,
        is_used: impl Fn(&ResourceGroup) -> bool,
        now: Timestamp,
    ) {
        let has_moved = !self.groups.contains(current);
        if has_moved || self.groups.iter().any(|group| group != current && is_used(group)) {
            self.moved_since = None;
        } else if elapsed(*self.moved_since.get_or_insert(now), now) >= READ_AFTER_MOVE {
            self.groups.clear();
        }
        self.groups.insert(current.clone());
    }

    /// Every time that waiting is measured from.
    pub(crate) fn times(&mut self) -> [&mut Option<Timestamp>; 1] {
        [&mut self.moved_since]
    }
}

#[cfg(test)]
impl KnownGroups {
    /// Groups as they were left at this time.
    pub(crate) fn since(groups: BTreeSet<ResourceGroup>, moved_since: Option<Timestamp>) -> Self {
        KnownGroups { groups, moved_since }
    }

    /// Since when all VMs are where they belong.
    pub(crate) fn moved_since(&self) -> Option<Timestamp> {
        self.moved_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    const NOW: i64 = 1_000_000;

    fn group(name: &str) -> ResourceGroup {
        ResourceGroup { subscription_id: "s".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_group_is_read_for_an_hour_after_the_last_vm_is_gone_from_it() {
        let (old, new) = (group("old"), group("new"));
        let mut groups = KnownGroups::default();
        groups.saw(&old, |_| false, at(NOW));
        groups.saw(&new, |_| true, at(NOW + 10));
        assert_eq!(groups.all().len(), 2, "the fleet has moved");
        groups.saw(&new, |group| *group == new, at(NOW + 20));
        groups.saw(&new, |group| *group == old, at(NOW + 3000));
        assert_eq!(groups.moved_since(), None, "a VM is still there");
        groups.saw(&new, |group| *group == new, at(NOW + 4000));
        groups.saw(&new, |group| *group == new, at(NOW + 7599));
        assert_eq!(groups.all().len(), 2);
        groups.saw(&new, |group| *group == new, at(NOW + 7600));
        assert_eq!(groups.all(), &BTreeSet::from([new]));
    }
}
