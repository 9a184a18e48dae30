//! Which runner of several, and what holds a step back.

use super::*;
use crate::fixture::Entry::{Absent, Busy, Idle, Offline};
use crate::fixture::at;
use crate::fixture::{NOW, Scene};
use crate::model::{PowerState::Running, ProvisioningState::Succeeded, RunnerId};

const DAY: i64 = 24 * 3600 + 1;

#[test]
fn who_goes_first_and_what_holds_a_step_back() {
    let one = || Scene::new("min_runners = 1");
    let cooling = |mut scene: Scene| {
        scene.fleet_state.scaling.at = Some(at(NOW - 10));
        scene
    };
    let failing = |mut scene: Scene| {
        scene.fleet_state.failures = crate::state::StartBackoff {
            count: 3,
            last: Some(at(NOW)),
            why: "x".to_owned(),
            ..Default::default()
        };
        scene
    };
    let other_file = |scene: Scene| scene.last_vm(|vm| vm.tags.config_hash = "x".into());
    let installed_meanwhile = |mut scene: Scene| {
        let name = scene.name(2, 30);
        scene.seen.in_flight.insert(name, Operation::Install);
        scene
    };
    for (situation, scene, expected) in [
        (
            "one that is being installed keeps its turn: none that works goes for it",
            installed_meanwhile(one().runner(1, 900, Idle).runner(2, 30, Offline)),
            "",
        ),
        (
            "where two are too many, one that works goes meanwhile",
            installed_meanwhile(one().runner(1, 900, Idle).runner(2, 30, Offline).runner(3, 600, Idle)),
            "-1?",
        ),
        ("of two on their way the younger goes", one().runner(1, 60, Offline).runner(2, 30, Offline), "-2?"),
        (
            "one that is due for rotation goes before an older one",
            other_file(one().runner(1, 900, Idle).runner(2, 60, Idle)),
            "-2?",
        ),
        ("starts wait after failures, and so does a rotation", failing(one().runner(1, DAY, Idle)), ""),
        (
            "what the cooldown keeps from being removed is not replaced",
            cooling(one().runner(1, DAY, Idle).runner(2, 900, Idle)),
            "",
        ),
        ("the cooldown is none for a rotation", cooling(one().runner(1, DAY, Idle)), "+for1"),
        ("nor where more are wanted", cooling(one().pending(8, 1).runner(1, DAY, Idle)), "+for1"),
        (
            "a runner that is lost in its job counts towards the maximum",
            Scene::new("max_runners = 4").pending(8, 1).runner(1, 900, Busy),
            "+ + +",
        ),
        (
            "and so does one on its way, once",
            Scene::new("max_runners = 4").pending(8, 1).runner(1, 60, Offline),
            "+ + +",
        ),
        (
            "and one that goes",
            Scene::new("max_runners = 4").pending(8, 1).runner(1, 900, Absent),
            "-1? + + +",
        ),
    ] {
        assert_eq!(scene.brief(), expected, "{situation}: {}", scene.plan().decision.reason);
    }
}

#[test]
fn a_changed_file_does_not_wait_for_the_cooldown() {
    let under = |hash: &str| {
        let mut scene = Scene::new("").pending(8, 1);
        scene.fleet_state.scaling.at = Some(at(NOW - 10));
        scene.fleet_state.scaling.under = Some(hash.to_owned());
        scene
    };
    let same = Scene::new("").fleet.scaling_hash().to_owned();
    assert_eq!((under(&same).brief().as_str(), under("another").brief().as_str()), ("", "+ + + +"));
}

#[test]
fn its_entry_is_known_by_the_list_the_tag_or_the_state() {
    let entry = |scene: Scene| match scene.plan().actions.as_slice() {
        [Action::Destroy(destroy)] => destroy.entry,
        other => panic!("{other:?}"),
    };
    let one = || Scene::new("").vm(1, 900, Succeeded, Running);
    assert_eq!(entry(one().entry(1, 900, Idle)), EntryRef::Listed(RunnerId(1)));
    assert_eq!(entry(one()), EntryRef::Unlisted(Some(RunnerId(1))));
    let without_tag = one().last_vm(|vm| vm.tags.runner_id = None);
    let known = without_tag.remember(1, 900, |known| known.runner_id = Some(RunnerId(7)));
    assert_eq!(entry(known), EntryRef::Unlisted(Some(RunnerId(7))));
}

#[test]
fn what_is_shown_between_two_plans_is_who_is_there() {
    let scene = Scene::new("").runner(1, 900, Busy).runner(2, 60, Offline);
    let shown = runners(&scene.fleet, &scene.seen, &scene.fleet_state, at(NOW));
    assert_eq!(shown, scene.plan().runners);
    assert_eq!(shown.len(), 2);
}

#[test]
fn one_that_is_online_without_a_vm_is_told_once_no_list_can_lag_so_far() {
    let told = |age| Scene::new("").entry(1, age, Idle).plan().left_alone.is_some();
    let lag = i64::try_from(list_lag(&Scene::new("").fleet).as_secs()).expect("minutes");
    assert_eq!((told(lag), told(lag + 1)), (false, true));
}
