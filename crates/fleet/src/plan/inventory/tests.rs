//! Where a runner stands, by what is seen of it.

use crate::fixture::{
    Entry::{Absent, Busy, Idle, Offline},
    NOW, Scene, at, runs,
};
use crate::model::{
    PowerState::Running,
    ProvisioningState::{Deleting, Succeeded},
};
use crate::observe::{Operation, ScaleSetStatus, SetWatch};

/// The phase of runner 1, or "" where there is none.
fn phase(scene: &Scene) -> &'static str {
    let plan = scene.plan();
    let phases: Vec<&'static str> = plan.runners.iter().map(|runner| runner.status.kind().as_str()).collect();
    assert!(phases.len() < 2, "{phases:?}");
    phases.first().copied().unwrap_or_default()
}

fn under_way(mut scene: Scene, operation: Operation) -> Scene {
    scene.seen.in_flight.insert(scene.name(1, 60), operation);
    scene
}

fn working(mut scene: Scene) -> Scene {
    let name = scene.name(1, 60).to_string();
    scene.seen.working.insert(name.into(), runs(7));
    scene
}

#[test]
fn where_a_runner_stands() {
    let entry = |entry| Scene::new("").entry(1, 60, entry);
    let both = |entry| Scene::new("").runner(1, 60, entry);
    let installs = |scene| under_way(scene, Operation::Install);
    let asked = |ago| Scene::new("").remember(1, 60, move |known| known.asked_for = Some(at(NOW - ago)));
    let removed =
        |ago, scene: Scene| scene.remember(1, 60, move |known| known.removal_asked = Some(at(NOW - ago)));
    for (situation, scene, expected) in [
        ("being installed", installs(both(Offline)), "provisioning"),
        ("being installed, and not known to GitHub", installs(both(Absent)), "provisioning"),
        ("being installed, and online already", installs(both(Idle)), "registered"),
        ("being installed, and busy already", installs(both(Busy)), "active"),
        ("being installed, and a job says that it runs on it", installs(working(both(Idle))), "active"),
        ("being asked for", under_way(asked(1), Operation::Provision { replaces: None }), "provisioning"),
        ("being removed", under_way(both(Idle), Operation::Destroy), "destroyed"),
        ("asked for, and no list shows it yet", asked(119), "provisioning"),
        ("asked for, and every list would show it", asked(120), ""),
        ("its removal was asked for lately", removed(119, both(Idle)), "destroyed"),
        ("it is there still", removed(120, both(Idle)), "registered"),
        ("its removal was asked for, and it is gone", removed(10, Scene::new("")), ""),
        ("Azure removes it", Scene::new("").vm(1, 60, Deleting, Running).entry(1, 60, Idle), "destroyed"),
        ("no VM, and idle", entry(Idle), "registered"),
        ("no VM, and busy", entry(Busy), "active"),
        ("no VM, and a job says that it runs on it", working(entry(Offline)), "active"),
        ("no entry, and a job says that it runs on it", working(both(Absent)), "active"),
        ("both, and a job says that it runs on it", working(both(Offline)), "active"),
        ("both, and it boots", both(Offline), "provisioning"),
        ("an entry without VM", entry(Offline), "draining"),
        ("a VM of its own", Scene::new("").vm(1, 60, Succeeded, Running), "draining"),
    ] {
        assert_eq!(phase(&scene), expected, "{situation}");
    }
}

#[test]
fn a_runner_that_was_made_before_the_scale_set_gets_none_of_its_jobs() {
    let of_set = |entry, made_ago: i64| {
        let mut scene = Scene::new("").runner(1, 60, entry);
        let made_at = Some(at(NOW - made_ago));
        scene.seen.scale_set = Some(ScaleSetStatus { made_at, ..SetWatch::default().status("ci") });
        scene
    };
    for (situation, scene, expected) in [
        ("made after it", of_set(Idle, 90), "registered"),
        ("made before it, and idle", of_set(Idle, 30), "draining"),
        ("made before it, and at work", of_set(Busy, 30), "active"),
        ("made before it, and it boots", of_set(Offline, 30), "draining"),
    ] {
        assert_eq!(phase(&scene), expected, "{situation}");
    }
    assert_eq!(of_set(Idle, 30).brief(), "-1?", "its VM is asked");
}
