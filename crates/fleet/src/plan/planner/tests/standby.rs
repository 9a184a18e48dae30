//! VMs on standby: which are made, deallocated, started and removed.

use super::*;
use crate::fixture::Entry;
use crate::model::{Offering, PowerState, StandbyTag};

const TWO: &str = "max_runners = 4\njobs_per_runner = 1\nscale_up_threshold = 0\n[warm]\nstandby = 2";

fn scene() -> Scene {
    Scene::new(TWO)
}

/// A VM for standby, of this age, in this power state.
fn kept(scene: Scene, number: u32, age: i64, power: PowerState) -> Scene {
    let scene = scene.vm(number, age, Succeeded, power).last_vm(|vm| {
        vm.tags.runner_id = None;
        vm.tags.standby = Some(StandbyTag::Kept);
    });
    let is_off = power == PowerState::Deallocated;
    scene.remember(number, age, |known| {
        known.is_for_standby = true;
        known.standby_since = is_off.then(|| at(NOW - age + 60));
    })
}

/// A VM on standby.
fn ready(scene: Scene, number: u32, age: i64) -> Scene {
    kept(scene, number, age, PowerState::Deallocated)
}

fn under_way(mut scene: Scene, number: u32, age: i64, operation: Operation) -> Scene {
    let name = scene.name(number, age);
    scene.seen.in_flight.insert(name, operation);
    scene
}

/// It was made from another configuration of the fleet.
fn outdated(scene: Scene) -> Scene {
    scene.last_vm(|vm| vm.tags.config_hash = "before".into())
}

#[test]
fn so_many_are_kept_as_the_file_says() {
    use PowerState::{Running, Stopped, Unknown};
    let disabled = || {
        let mut scene = scene();
        scene.fleet.enabled = false;
        scene
    };
    let unread = |mut scene: Scene| {
        scene.seen.demand = Err("no answer".to_owned());
        scene
    };
    let full = || (1..=4).fold(scene(), |scene, number| scene.runner(number, 900, Busy));
    let almost = || (1..=3).fold(scene(), |scene, number| scene.runner(number, 900, Busy));
    for (what, scene, expected) in [
        ("none is there", scene(), "+standby +standby"),
        ("a job waits", scene().pending(1, 5), "+"),
        ("the queue is not known", unread(scene()), ""),
        ("one is there", ready(scene(), 1, 3600), "+standby"),
        ("one is being made", under_way(scene(), 1, 5, Operation::Prepare), "+standby"),
        ("both are there", ready(ready(scene(), 1, 3600), 2, 3600), ""),
        ("max_runners has no room", full(), ""),
        ("max_runners has room for one", almost(), "+standby"),
        ("one is being set up", kept(ready(scene(), 1, 3600), 2, 60, Running), "_2"),
        ("one is set up", kept(ready(scene(), 1, 3600), 2, 60, Stopped), "_2"),
        ("nothing is known of its power", kept(ready(scene(), 1, 3600), 2, 60, Unknown), "_2"),
        (
            "it is being deallocated",
            under_way(kept(ready(scene(), 1, 3600), 2, 60, Stopped), 2, 60, Operation::Deallocate),
            "",
        ),
        ("one too many is set up", kept(ready(ready(scene(), 1, 3600), 2, 3500), 3, 60, Stopped), "-1"),
        (
            "one too many is still being set up",
            kept(ready(ready(scene(), 1, 3600), 2, 3500), 3, 60, Running),
            "",
        ),
        ("there are three", ready(ready(ready(scene(), 1, 3600), 2, 3500), 3, 3400), "-1"),
        ("the fleet is disabled", ready(kept(disabled(), 1, 60, Stopped), 2, 3600), "-2 -1"),
        ("one is not set up in time", kept(ready(scene(), 1, 3600), 2, 601, Running), "-2? +standby"),
        (
            "one was started by a person",
            {
                let scene = kept(ready(scene(), 1, 3600), 2, 3600, Running);
                scene.remember(2, 3600, |known| known.standby_since = None)
            },
            "-2? +standby",
        ),
    ] {
        assert_eq!(scene.brief(), expected, "{what}");
    }
}

#[test]
fn a_start_takes_the_oldest_that_fits() {
    let two = || ready(ready(scene(), 1, 3600), 2, 7200);
    let settled = |scene: Scene, ago: i64| {
        scene.remember(2, 7200, |known| known.deallocation_asked = Some(at(NOW - ago)))
    };
    let refused = |mut scene: Scene| {
        scene.fleet.vm.sizes.push("Standard_D4as_v5".to_owned());
        let vm = scene.vms().values().next().expect("one").clone();
        let error = CallError::new(CallErrorKind::NoCapacity, "AllocationFailed");
        scene.fleet_state.capacity.refused(&scene.fleet, &Offering::of(&vm), &error, at(NOW - 1));
        scene
    };
    for (what, scene, expected) in [
        ("one job", two().pending(1, 5), "+from2"),
        ("two jobs", two().pending(2, 5), "+from2 +from1"),
        ("three jobs", two().pending(3, 5), "+from2 +from1 +"),
        (
            "max_runners is reached",
            { (3..=6).fold(two().pending(1, 5), |scene, number| scene.runner(number, 900, Busy)) },
            "",
        ),
        ("the oldest is outdated", outdated(two()).pending(1, 5), "+from1"),
        (
            "the oldest is busy with something",
            { under_way(two().pending(1, 5), 2, 7200, Operation::Destroy) },
            "+from1",
        ),
        ("its deallocation may still come", settled(two().pending(1, 5), 60), "+from1"),
        ("its deallocation does not come any more", settled(two().pending(1, 5), 121), "+from2"),
        ("there is no capacity for its size", refused(two().pending(1, 5)), "+"),
    ] {
        assert_eq!(scene.brief(), expected, "{what}");
    }
}

#[test]
fn an_outdated_one_stays_until_another_is_ready_in_its_place() {
    use PowerState::{Running, Stopped};
    let both = || outdated(ready(outdated(ready(scene(), 1, 7200)), 2, 3600));
    for (what, scene, expected) in [
        ("nothing has begun", both(), "+standby"),
        ("another is being made", under_way(both(), 3, 5, Operation::Prepare), ""),
        ("another is being set up", kept(both(), 3, 60, Running), ""),
        ("another is set up", kept(both(), 3, 60, Stopped), "-1"),
        ("the old one goes", under_way(kept(both(), 3, 60, Stopped), 1, 7200, Operation::Destroy), ""),
        ("one is new", outdated(ready(ready(scene(), 2, 3600), 1, 7200)), "+standby"),
        ("it is too old", ready(ready(scene(), 1, 86_401), 2, 3600), "+standby"),
    ] {
        assert_eq!(scene.brief(), expected, "{what}");
    }
}

/// One that was taken from standby, so long ago.
fn used(scene: Scene, ago: i64, power: PowerState, entry: Entry) -> Scene {
    ready(scene, 1, 7200)
        .last_vm(|vm| {
            vm.power = power;
            vm.tags.standby = Some(StandbyTag::Used(at(NOW - ago)));
            vm.tags.runner_id = Some(crate::model::RunnerId(1));
        })
        .remember(1, 7200, |known| {
            known.standby_since = None;
            known.used = Some(at(NOW - ago));
            known.asked_for = Some(at(NOW - ago));
        })
        .entry(1, 7200, entry)
}

#[test]
fn one_that_was_taken_from_standby_is_a_runner_or_goes() {
    use Entry::{Absent, Busy, Idle, Offline};
    use PowerState::{Deallocated, Running, Starting, Stopped};
    let none = || Scene::new("min_runners = 1");
    let failed = |scene: Scene| {
        scene.remember(1, 7200, |known| {
            (known.used, known.asked_for, known.failed) = (None, None, Some("no capacity".to_owned()));
        })
    };
    for (what, scene, expected) in [
        ("it was asked for a moment ago, and the list lags", used(none(), 60, Deallocated, Offline), ""),
        ("it starts", used(none(), 60, Starting, Offline), ""),
        ("it boots", used(none(), 60, Running, Offline), ""),
        ("it has never started", used(none(), 200, Deallocated, Offline), "-1 +"),
        ("Azure refused the start", failed(used(none(), 30, Deallocated, Absent)), "-1 +"),
        ("it was not online in time", used(none(), 601, Running, Offline), "-1? +"),
        ("it is idle", used(none(), 300, Running, Idle), "clear1"),
        ("it works", used(none(), 300, Running, Busy), "+ clear1"),
        ("its job is done", used(none(), 300, Stopped, Absent), "-1 +"),
        (
            "its user data are removed",
            { used(none(), 300, Running, Idle).remember(1, 7200, |known| known.is_user_data_cleared = true) },
            "",
        ),
        (
            "it is being taken",
            {
                under_way(
                    ready(none().pending(1, 5), 1, 7200).entry(1, 7200, Offline),
                    1,
                    7200,
                    Operation::Provision { replaces: None },
                )
            },
            "",
        ),
        ("its registration was interrupted", ready(none(), 1, 7200).entry(1, 7200, Offline), "-1 +"),
    ] {
        assert_eq!(scene.brief(), expected, "{what}");
    }
}

/// A policy took its tags, and the state remembers it.
#[test]
fn one_without_tags_is_known_by_the_state() {
    let stripped = |scene: Scene| scene.last_vm(|vm| vm.tags.standby = None);
    assert_eq!(stripped(ready(scene().pending(1, 5), 1, 3600)).brief(), "+from1");
    let plan = stripped(ready(scene(), 1, 3600)).plan();
    assert_eq!(plan.runners[0].status, Phase::Standby);
}

#[test]
fn what_is_on_standby_takes_no_room_and_what_is_set_up_does() {
    let max = |max: u32| {
        Scene::new(&format!(
            "max_runners = {max}\njobs_per_runner = 1\nscale_up_threshold = 0\n[warm]\nstandby = 1"
        ))
    };
    assert_eq!(
        ready(max(1).pending(2, 5), 1, 3600).brief(),
        "+from1",
        "of max_runners there is room for one"
    );
    let preparing = kept(max(1).pending(1, 5), 1, 60, Running);
    assert_eq!(preparing.brief(), "_1", "it takes the only place");
    let reason = preparing.plan().decision.reason.to_string();
    assert!(reason.contains("wait until those that are prepared for standby are deallocated"), "{reason}");
}

/// An entry goes before a VM that a late request may start again.
#[test]
fn a_vm_of_standby_that_is_off_goes_after_its_entry() {
    let plan = used(Scene::new(""), 200, PowerState::Deallocated, Offline).plan();
    let Some(Action::Destroy(destroy)) = plan.actions.first() else { panic!("{:?}", plan.actions) };
    assert_eq!(destroy.proof, Proof::StoppedStandby);
    let plan = ready(Scene::new(""), 1, 3600).plan();
    assert!(
        matches!(plan.actions.first(), Some(Action::Destroy(destroy)) if destroy.proof == Proof::StoppedStandby)
    );
}
