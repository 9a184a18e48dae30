use super::*;
use crate::fixture::{Entry, NOW, Scene, at};
use crate::model::VmTags;

/// A scene with one VM, and a disk with its tags.
fn scene() -> (Scene, Orphan, Vec<Vm>) {
    let scene = Scene::new("").runner(1, 3600, Entry::Idle);
    let vms: Vec<Vm> = scene.seen.vms.as_ref().expect("a list").values().map(|vm| Vm::clone(vm)).collect();
    let tags = vms[0].tags.to_tags();
    let disk = Orphan::of(&vms[0].group, OrphanKind::Disk, "x_OsDisk_1", &tags).expect("ours");
    (scene, disk, vms)
}

#[test]
fn what_no_vm_holds_goes_after_a_while_and_what_is_held_or_young_stays() {
    let (scene, disk, vms) = scene();
    let mut young = disk.clone();
    young.name = "young".into();
    young.tags.as_mut().expect("it has tags").created_at = at(NOW + 500);
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
        |tags: &mut VmTags| tags.github = "ghes.example".into(),
    ] {
        let mut other = disk.clone();
        change(other.tags.as_mut().expect("it has tags"));
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
fn what_lost_its_tags_goes_by_its_name_where_the_fleets_vms_are() {
    let (scene, disk, vms) = scene();
    let name = format!("{}_OsDisk_1_0a", vms[0].name);
    let stripped = Orphan::of(&disk.group, OrphanKind::Disk, &name, &BTreeMap::new()).expect("perhaps ours");
    let mut elsewhere = stripped.clone();
    elsewhere.group.name = "elsewhere".to_owned();
    let mut other = Scene::new("");
    other.fleet.name = "other".parse().expect("valid");
    for (orphan, fleet, vms, expected) in [
        (&stripped, &scene.fleet, &[][..], 1),
        (&stripped, &scene.fleet, &vms[..], 0),
        (&elsewhere, &scene.fleet, &[][..], 0),
        (&stripped, &other.fleet, &[][..], 0),
    ] {
        let mut sweep = OrphanAges::default();
        let mut due =
            |now| sweep.due(&orphan.group, std::slice::from_ref(orphan), vms, [fleet], at(now)).len();
        assert_eq!((due(NOW), due(NOW + 660)), (0, expected), "{orphan:?}");
    }
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
