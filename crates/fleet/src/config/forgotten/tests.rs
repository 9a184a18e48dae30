//! Which VMs have no fleet any more, and what is said of them.

use super::*;
use crate::fixture::{Entry, NOW, Scene, at, fleet_with};
use crate::model::TagsLeft;

/// What a group holds: VMs of the scene's fleet, as another name has them.
fn content(scene: &Scene) -> BTreeMap<ResourceGroup, GroupContent> {
    let vms = scene.seen.vms.as_ref().expect("readable");
    let content = GroupContent::of(vms.values().map(AsRef::as_ref), &[]);
    BTreeMap::from([(scene.fleet.vm.group.clone(), content)])
}

fn two() -> Scene {
    Scene::new("").runner(1, 600, Entry::Idle).runner(2, 600, Entry::Busy)
}

fn named(name: &str, scene: &Scene) -> Fleet {
    let mut fleet = scene.fleet.clone();
    fleet.name = name.parse().expect("a name");
    fleet
}

fn priced() -> Prices {
    let mut prices = Prices::default();
    prices.on_demand.set("westeurope", "Standard_D4s_v5", 230_000);
    prices
}

#[test]
fn vms_without_a_fleet_are_told_with_number_cost_and_cure() {
    let scene = two();
    let none = BTreeSet::new();
    let look = |fleets: &[Fleet], others: &BTreeSet<PoolName>, prices: &Prices| {
        forgotten(&content(&scene), fleets, others, prices, &[], at(NOW))
    };
    assert_eq!(look(std::slice::from_ref(&scene.fleet), &none, &priced()), [], "its file is there");
    let bad = BTreeSet::from([scene.fleet.name.clone()]);
    assert_eq!(look(&[], &bad, &priced()), [], "its file is bad, which is told by itself");
    let found = look(&[], &none, &priced());
    let [gone] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((gone.vms, gone.since, gone.per_hour), (2, at(NOW), Some(0.46)));
    let group = scene.fleet.vm.group.to_string();
    assert_eq!(
        gone.to_string(),
        format!(
            "2 VMs of pool ci keep running and are billed ($0.46 an hour): fleets/ci.toml is gone, and no fleet manages \
             them. To drain them, put the file back with `enabled = false`; or delete them by hand in {group}. If another \
             daemon has pool ci, give it a resource group of its own"
        )
    );
    let unpriced = look(&[], &none, &Prices::default());
    assert!(unpriced[0].to_string().contains(" billed (price not known): "), "{}", unpriced[0]);
    let before = ForgottenFleet { since: at(NOW - 600), ..gone.clone() };
    let later = forgotten(&content(&scene), &[], &none, &priced(), &[before], at(NOW));
    assert_eq!(later[0].since, at(NOW - 600), "it keeps its beginning");
}

#[test]
fn a_renamed_pool_is_recognised_and_another_fleet_is_not_taken_for_one() {
    let scene = two();
    let mut other_repo = named("web", &scene);
    other_repo.scope = "repo:o/other".parse().expect("a scope");
    let gpu = fleet_with("gpu", "labels = [\"gpu\"]", "");
    for (situation, fleets, expected) in [
        ("no other fleet", vec![], None),
        ("the same file under another name", vec![named("builds", &scene)], Some("builds")),
        (
            "the same file beside another of the scope",
            vec![gpu.clone(), named("builds", &scene)],
            Some("builds"),
        ),
        ("another scope", vec![other_repo], None),
    ] {
        let found = forgotten(&content(&scene), &fleets, &BTreeSet::new(), &priced(), &[], at(NOW));
        let renamed = found[0].renamed_to.as_ref().map(PoolName::as_str);
        assert_eq!(renamed, expected, "{situation}");
        if let Some(new) = expected {
            let told = found[0].to_string();
            assert!(
                told.contains(&format!(": pool ci was renamed to {new}, and its VMs were not. To drain")),
                "{told}"
            );
        }
    }
}

#[test]
fn vms_that_are_being_deleted_are_not_told_and_those_without_tags_are() {
    let scene = two().last_vm(|vm| vm.provisioning = ProvisioningState::Deleting);
    let found = forgotten(&content(&scene), &[], &BTreeSet::new(), &priced(), &[], at(NOW));
    assert_eq!(found[0].vms, 1);
    let vm = scene.seen.vms.as_ref().expect("readable").values().next().expect("one").clone();
    let left = TagsLeft { lost: vec!["azlin-pool"], host_key: None };
    let untagged = (*vm).clone().with_tags(|_| left);
    let stranger = UntaggedVm { name: "build-7".into(), ..untagged.clone() };
    let groups = BTreeMap::from([(vm.group.clone(), GroupContent::of([], &[untagged, stranger]))]);
    let found = forgotten(&groups, &[], &BTreeSet::new(), &priced(), &[], at(NOW));
    let told: Vec<_> = found.iter().map(|one| (one.pool.as_str(), one.vms, one.scope.clone())).collect();
    assert_eq!(told, [("ci", 1, None)]);
}
