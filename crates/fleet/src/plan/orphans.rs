//! When parts that VMs left behind are removed: network interfaces, public addresses and disks. They cost money, and
//! no list of VMs shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{Orphan, OrphanKind, ResourceGroup, Vm, elapsed};

/// How often they are looked for. They cost cents an hour, and each search is several requests for each resource group.
pub const SEARCH_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// When they are looked for first, after the daemon has started: what it was doing before a restart has settled by then.
pub const FIRST_SEARCH: Duration = Duration::from_secs(60);
/// How long one is seen without a VM before it is removed: a VM's parts come before it and go after it.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// Since when each orphan has been seen.
#[derive(Debug, Clone, Default)]
pub struct OrphanAges(BTreeMap<(String, OrphanKind, String), Timestamp>);

impl OrphanAges {
    /// The orphans of a group that are removed now, each with the fleet that made it. `vms` are the VMs that the
    /// group held after the orphans were listed.
    pub fn due<'a, 'f>(
        &mut self,
        group: &ResourceGroup,
        found: &'a [Orphan],
        vms: &[Vm],
        fleets: impl IntoIterator<Item = &'f Fleet>,
        now: Timestamp,
    ) -> Vec<(&'a Orphan, &'f Fleet)> {
        let keys: BTreeSet<_> = found.iter().map(Orphan::key).collect();
        let of_group = group.to_string().to_ascii_lowercase();
        self.0.retain(|key, _| key.0 != of_group || keys.contains(key));
        let fleets: Vec<&Fleet> = fleets.into_iter().collect();
        let vms: BTreeSet<String> = vms.iter().map(|vm| vm.name.to_ascii_lowercase()).collect();
        let due = |orphan: &'a Orphan| {
            let made_by = |fleet: &&'f Fleet| Some((*fleet, orphan.runner(&fleet.name)?));
            let (fleet, runner) = fleets.iter().find_map(made_by)?;
            let (is_ours, made_at) = match &orphan.tags {
                Some(tags) => (tags.github == fleet.github && tags.scope == fleet.scope, tags.created_at),
                // Its name alone speaks for it, so it must be where the fleet's VMs are.
                None => (fleet.vm.group.to_string().eq_ignore_ascii_case(&of_group), runner.created_at()),
            };
            if !is_ours || vms.contains(&runner.as_str().to_ascii_lowercase()) {
                self.0.remove(&orphan.key());
                return None;
            }
            let since = *self.0.entry(orphan.key()).or_insert(now);
            let is_old = [since, made_at].iter().all(|at| elapsed(*at, now) >= GRACE);
            is_old.then_some((orphan, fleet))
        };
        let mut due: Vec<_> = found.iter().filter_map(due).collect();
        due.sort_by_key(|(orphan, _)| orphan.kind);
        due
    }
}

#[cfg(test)]
mod tests;
