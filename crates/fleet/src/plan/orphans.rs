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

/// Since when each leftover has been seen.
#[derive(Debug, Clone, Default)]
pub struct OrphanAges(BTreeMap<(String, OrphanKind, String), Timestamp>);

impl OrphanAges {
    /// The leftovers of a group that are removed now, each with the fleet that made it. `vms` are the VMs that the
    /// group held after the leftovers were listed.
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
        let fleets: BTreeMap<_, &Fleet> = fleets.into_iter().map(|fleet| (&fleet.name, fleet)).collect();
        let due = |orphan: &'a Orphan| {
            let tags = &orphan.tags;
            let fleet = *fleets.get(&tags.pool)?;
            let is_ours = tags.github == fleet.github && tags.scope == fleet.scope;
            let has_vm = vms.iter().any(|vm| vm.name.eq_ignore_ascii_case(tags.runner_name.as_str()));
            if !is_ours || has_vm {
                self.0.remove(&orphan.key());
                return None;
            }
            let since = *self.0.entry(orphan.key()).or_insert(now);
            let is_old = [since, tags.created_at].iter().all(|at| elapsed(*at, now) >= GRACE);
            is_old.then_some((orphan, fleet))
        };
        let mut due: Vec<_> = found.iter().filter_map(due).collect();
        due.sort_by_key(|(orphan, _)| orphan.kind);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Entry, NOW, Scene, at};
    use crate::model::VmTags;

    /// A scene with one VM, and a disk with its tags.
    fn scene() -> (Scene, Orphan, Vec<Vm>) {
        let scene = Scene::new("").runner(1, 3600, Entry::Idle);
        let vms: Vec<Vm> =
            scene.seen.vms.as_ref().expect("a list").values().map(|vm| Vm::clone(vm)).collect();
        let tags = vms[0].tags.to_tags();
        let disk = Orphan::of(&vms[0].group, OrphanKind::Disk, "x_OsDisk_1", &tags).expect("ours");
        (scene, disk, vms)
    }

    #[test]
    fn what_no_vm_holds_goes_after_a_while_and_what_is_held_or_young_stays() {
        let (scene, disk, vms) = scene();
        let mut young = disk.clone();
        young.name = "young".to_owned();
        young.tags.created_at = at(NOW + 500);
        let found = [disk.clone(), young];
        let mut sweep = OrphanAges::default();
        let mut due = |vms: &[Vm], now| {
            let due = sweep.due(&disk.group, &found, vms, [&scene.fleet], at(now));
            due.into_iter().map(|(orphan, _)| orphan.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(due(&vms, NOW), [""; 0], "its VM is there");
        assert_eq!(due(&[], NOW + 60), [""; 0]);
        assert_eq!(due(&[], NOW + 659), [""; 0]);
        assert_eq!(due(&[], NOW + 660), ["x_OsDisk_1"]);
        assert_eq!(due(&vms, NOW + 700), [""; 0], "its VM is back: a list had lagged");
        assert_eq!(due(&[], NOW + 1300), [""; 0], "and its time begins anew");
        assert_eq!(due(&[], NOW + 1900), ["x_OsDisk_1", "young"]);
    }

    #[test]
    fn each_group_is_looked_at_on_its_own() {
        let (scene, disk, _) = scene();
        let mut other = disk.clone();
        other.group.name = "elsewhere".to_owned();
        let mut sweep = OrphanAges::default();
        for (now, expected) in [(NOW, 0), (NOW + 300, 0), (NOW + 660, 1)] {
            for one in [&disk, &other] {
                let due = sweep.due(&one.group, std::slice::from_ref(one), &[], [&scene.fleet], at(now));
                assert_eq!(due.len(), expected, "{} at {now}", one.group);
            }
        }
        assert!(sweep.due(&disk.group, &[], &[], [&scene.fleet], at(NOW + 700)).is_empty());
        let due = sweep.due(&disk.group, std::slice::from_ref(&disk), &[], [&scene.fleet], at(NOW + 720));
        assert!(due.is_empty(), "it was gone meanwhile: its time begins anew");
    }

    #[test]
    fn what_another_daemon_or_nobody_made_is_never_touched() {
        let (scene, disk, _) = scene();
        for change in [
            |tags: &mut VmTags| tags.pool = "other".parse().expect("valid"),
            |tags: &mut VmTags| tags.scope = "repo:o/elsewhere".parse().expect("valid"),
            |tags: &mut VmTags| tags.github = "ghes.example".to_owned(),
        ] {
            let mut other = disk.clone();
            change(&mut other.tags);
            let mut sweep = OrphanAges::default();
            for now in [NOW, NOW + 100_000] {
                let found = std::slice::from_ref(&other);
                assert_eq!(sweep.due(&disk.group, found, &[], [&scene.fleet], at(now)).len(), 0);
            }
        }
        let foreign = BTreeMap::from([("azlin-pool".to_owned(), "ci".to_owned())]);
        assert_eq!(Orphan::of(&disk.group, OrphanKind::Disk, "d", &foreign), None);
    }

    #[test]
    fn a_network_interface_goes_before_its_address() {
        let (scene, disk, _) = scene();
        let of = |kind| Orphan { kind, ..disk.clone() };
        let found = [disk.clone(), of(OrphanKind::PublicIp), of(OrphanKind::NetworkInterface)];
        let mut sweep = OrphanAges::default();
        sweep.due(&disk.group, &found, &[], [&scene.fleet], at(NOW));
        let due = sweep.due(&disk.group, &found, &[], [&scene.fleet], at(NOW + 900));
        let kinds: Vec<OrphanKind> = due.iter().map(|(orphan, _)| orphan.kind).collect();
        assert_eq!(kinds, OrphanKind::ALL);
    }
}
