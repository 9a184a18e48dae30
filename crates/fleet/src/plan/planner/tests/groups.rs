//! Resource groups that a fleet has left, or that cannot be read.

use super::*;

#[test]
fn an_entry_stays_while_its_vm_may_be_in_a_group_that_cannot_be_read() {
    let mut scene = Scene::new("").entry(1, 900, Offline).remember(1, 900, |known| known.vm_seen = true);
    assert_eq!(scene.brief(), "-1");
    let old = ResourceGroup { subscription_id: "s".to_owned(), name: "old".to_owned() };
    scene.seen.unread.insert(old, "AuthorizationFailed".to_owned());
    assert_eq!(scene.brief(), "");
}

#[test]
fn vms_are_looked_for_where_they_were_made() {
    let old = ResourceGroup { subscription_id: "s".to_owned(), name: "old".to_owned() };
    let current = Scene::new("").fleet.vm.group;
    let see =
        |fleet_state: FleetState, scene: &Scene| fleet_state.after_seeing(&scene.fleet, &scene.seen, at(NOW));
    let begun = see(FleetState::default(), &Scene::new(""));
    assert_eq!(begun.groups(), &BTreeSet::from([current.clone()]));
    let moved = FleetState {
        groups: KnownGroups::since(BTreeSet::from([old.clone()]), None),
        ..FleetState::default()
    };
    let with_vm = Scene::new("").runner(1, 900, Busy).last_vm(|vm| vm.group = old.clone());
    let both = BTreeSet::from([current.clone(), old.clone()]);
    assert_eq!(see(moved.clone(), &with_vm).groups(), &both, "as long as one is there");
    let mut asked = moved.clone();
    asked.begin(
        &with_vm.name(2, 0),
        &Action::Provision {
            replaces: None,
            standby: None,
            offerings: vec![],
            reason: StartReason::Scaling(ScalingReason::IDLE),
        },
        at(NOW),
    );
    assert_eq!(see(asked, &Scene::new("")).groups(), &both, "as long as one may be there");
    let empty = Scene::new("");
    let mut later = see(see(moved, &empty), &empty);
    assert_eq!(later.groups(), &both, "what its VMs left behind there is looked for");
    later = later.after_seeing(&empty.fleet, &empty.seen, at(NOW + 3599));
    assert_eq!(later.groups(), &both);
    later = later.after_seeing(&empty.fleet, &empty.seen, at(NOW + 3600));
    assert_eq!(later.groups(), &BTreeSet::from([current]));
}
