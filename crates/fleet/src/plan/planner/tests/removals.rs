//! Removals that failed a moment ago, and what they take room from.

use super::*;
use crate::model::{Action, Advice, CallError, CallErrorKind, Completed, DestroyOutcome, Failure, Proof};

/// The scene after the removal of this runner failed so many times, the last time so long ago.
fn failed(mut scene: Scene, number: u32, age: i64, times: u32, ago: i64) -> Scene {
    let locked: Failure = CallError::new(CallErrorKind::NotPermitted, "409 ScopeLocked")
        .advise(Advice::RemoveLock(None))
        .into();
    let name = scene.name(number, age);
    for _ in 0..times {
        scene.fleet_state.removals.failed(name.as_str(), &locked, at(NOW - ago));
    }
    scene
}

fn stopped(scaling: &str) -> Scene {
    Scene::new(scaling).runner(1, 9000, Offline).last_vm(|vm| vm.power = Stopped)
}

#[test]
fn a_removal_that_failed_is_tried_again_within_minutes() {
    for (situation, times, ago, expected) in [
        ("it failed a moment ago", 1, 29, ""),
        ("it failed half a minute ago", 1, 30, "-1"),
        ("it failed again a minute ago", 2, 59, ""),
        ("it failed again more than a minute ago", 2, 60, "-1"),
        ("it has failed for a day", 700, 119, ""),
        ("it has failed for a day, the last time two minutes ago", 700, 120, "-1"),
    ] {
        assert_eq!(failed(stopped(""), 1, 9000, times, ago).brief(), expected, "{situation}");
    }
    let scene = failed(stopped("").runner(2, 8000, Offline).last_vm(|vm| vm.power = Stopped), 1, 9000, 3, 5);
    assert_eq!(scene.brief(), "-2", "only what failed is held back");
}

#[test]
fn a_fleet_full_of_vms_that_cannot_be_removed_says_so() {
    let scene = failed(stopped("max_runners = 1").pending(4, 300), 1, 9000, 3, 5);
    let reason = scene.plan().decision.reason.to_string();
    assert!(
        reason.starts_with(
            "1 VM that cannot be removed takes the room of max_runners (1): see why its removal fails"
        ),
        "{reason}"
    );
    assert!(!reason.contains("raise it"), "{reason}");
}

#[test]
fn an_entry_whose_vm_azure_no_longer_has_takes_no_room() {
    let plan = |is_gone: bool| {
        let scene = Scene::new("max_runners = 1\njobs_per_runner = 1\nscale_up_threshold = 0").pending(1, 90);
        let scene = scene.entry(1, 900, Busy).remember(1, 900, |known| {
            (known.vm_seen, known.removal_asked, known.is_gone) = (true, Some(at(NOW - 10)), is_gone);
        });
        scene.brief()
    };
    assert_eq!(plan(false), "", "a list that lags may still show the VM");
    assert_eq!(plan(true), "-1 +");
}

#[test]
fn how_a_removal_went_is_remembered_until_it_gets_on() {
    let name = stopped("").name(1, 9000);
    let scene = stopped("");
    let destroy = scene.plan().actions.into_iter().find_map(|action| match action {
        Action::Destroy(destroy) => Some(destroy),
        Action::Provision { .. }
        | Action::Install(_)
        | Action::Prepare { .. }
        | Action::Deallocate(_)
        | Action::ClearUserData(_) => None,
    });
    let destroy = destroy.expect("it is removed");
    assert_eq!(destroy.proof, Proof::Stopped);
    let fails = || DestroyOutcome::Failed(Failure::later("500"));
    for (outcome, is_failing) in [
        (fails(), true),
        (DestroyOutcome::LeftAlone("the list lags".to_owned()), true),
        (DestroyOutcome::Asked("no answer yet".to_owned()), false),
        (DestroyOutcome::Busy, false),
        (DestroyOutcome::Removed, false),
        (DestroyOutcome::Gone, false),
    ] {
        let mut state = scene.fleet_state.clone();
        let mut record = |outcome| {
            state.record(&name, &Completed::Destroy { destroy: destroy.clone(), outcome }, at(NOW));
        };
        record(fails());
        record(outcome.clone());
        assert_eq!(state.removals.of(&name).is_some(), is_failing, "{outcome:?}");
    }
    let mut gone = failed(stopped(""), 1, 9000, 1, 5);
    gone.vms().clear();
    gone.seen.entries = Ok(std::collections::BTreeMap::new());
    let after = gone.fleet_state.after_seeing(&gone.fleet, &gone.seen, at(NOW));
    assert!(after.removals.is_empty(), "another hand removed it");
}
