//! Which error a fleet has in which outage, with which cause, and that it ends.

use super::*;
use crate::fixture::{
    Entry::{Busy, Idle, Offline},
    NOW, Scene, at,
};
use crate::model::{CallError, CallErrorKind, ErrorPolicy, JobId, NamedJob, PowerState, ProvisioningState};
use crate::observe::{QueuedJob, UnservedJobs};
use crate::state::StartBackoff;

/// A situation, and its errors: the kind, and a part of what it says.
type ErrorRow = (&'static str, Scene, &'static [(&'static str, &'static str)]);

/// The errors of a scene: `kind: what`.
fn told(scene: &Scene) -> Vec<String> {
    let (plan, now) = (scene.plan(), at(NOW));
    let errors = lasting(&scene.fleet, &plan, &scene.seen, &scene.fleet_state, &[], now);
    errors.iter().map(|error| format!("{}: {}", error.about.as_str(), error.what)).collect()
}

/// Azure refused each place of the fleet, so many seconds ago.
fn refused(mut scene: Scene, seconds: i64) -> Scene {
    let error = CallError::new(CallErrorKind::NoCapacity, "409 AllocationFailed");
    for place in scene.fleet.vm.offerings(true) {
        scene.fleet_state.capacity.refused(&scene.fleet, &place, &error, at(NOW - seconds));
    }
    scene
}

fn failed(mut scene: Scene, seconds: i64, policy: ErrorPolicy) -> Scene {
    let why = "not online 44s after it was made".to_owned();
    scene.fleet_state.failures =
        StartBackoff { count: 3, last: Some(at(NOW - seconds)), why, policy, console: None };
    scene
}

fn printed(mut scene: Scene, console: &str) -> Scene {
    scene.fleet_state.failures.console = Some(console.into());
    scene
}

fn unserved(mut scene: Scene, seconds: i64) -> Scene {
    let oldest = QueuedJob {
        job: NamedJob { name: Some("build".into()), ..JobId(7).into() },
        since: at(NOW - seconds),
    };
    if let Ok(demand) = &mut scene.seen.demand {
        demand.unserved = Some(UnservedJobs { count: 2, oldest, labels: vec!["dokcer".into()] });
    }
    scene
}

#[test]
fn each_outage_is_an_error_of_its_own_with_its_own_cause() {
    let waits = |seconds| Scene::new("").pending(3, seconds);
    let never = ErrorPolicy::GiveUp;
    let table: Vec<ErrorRow> = vec![
        ("nothing is wrong", waits(10), &[]),
        ("no capacity", refused(waits(10), 5), &[("no_capacity", "next try in 25s: 409 AllocationFailed")]),
        // It ended with "out of trouble" five seconds before each further failure.
        ("its next try is under way", refused(waits(10), 40), &[("no_capacity", "it is asked again now")]),
        ("a refusal of long ago says nothing", refused(waits(10), 900), &[]),
        ("no job wants a VM", refused(Scene::new(""), 5), &[]),
        (
            "a boot that failed",
            failed(waits(10), 5, never),
            &[("starting", "3 starts failed in a row: not online 44s")],
        ),
        (
            "what its VM printed last says why",
            printed(failed(waits(10), 5, never), "the setup ended with 7"),
            &[("starting", "after it was made; its console ended with: the setup ended with 7; next try in")],
        ),
        // The cause of an older failure sent the operator to the image.
        (
            "no capacity after it",
            refused(failed(waits(10), 60, never), 5),
            &[("no_capacity", "AllocationFailed")],
        ),
        (
            "a boot that failed after it",
            failed(refused(waits(10), 60), 5, never),
            &[("starting", "not online"), ("no_capacity", "AllocationFailed")],
        ),
        (
            "only a person can help",
            refused(failed(waits(10), 60, ErrorPolicy::Stop), 5),
            &[("starting", "needs your attention"), ("no_capacity", "")],
        ),
        ("a job waits for its rule and a boot", waits(600), &[]),
        ("a job waits for longer", waits(700), &[("waiting", "has waited for 11m 40s")]),
        (
            "since there is no capacity",
            refused(waits(700), 5),
            &[("no_capacity", ""), ("waiting", "Azure has no capacity for its VM")],
        ),
        (
            "since max_runners is reached",
            Scene::new("max_runners = 1").pending(3, 700).runner(1, 900, Busy),
            &[("waiting", "max_runners (1) leaves no room")],
        ),
        (
            "since its runner is starting",
            Scene::new("max_runners = 1")
                .pending(1, 700)
                .vm(1, 60, ProvisioningState::Creating, PowerState::Unknown)
                .entry(1, 60, Offline),
            &[("waiting", ": its runner is starting;")],
        ),
        (
            "since GitHub gives it to no idle runner",
            Scene::new("").pending(1, 700).runner(1, 900, Idle),
            &[("waiting", "1 runner is idle, and GitHub gives it to none")],
        ),
        ("a job that no fleet serves, for a moment", unserved(Scene::new(""), 30), &[]),
        (
            "a job that no fleet serves",
            unserved(Scene::new(""), 90),
            &[(
                "unserved",
                "no fleet serves 2 queued jobs: job 7 (build) asks for `dokcer` and has waited for 1m 30s",
            )],
        ),
    ];
    for (situation, scene, expected) in table {
        let told = told(&scene);
        assert_eq!(told.len(), expected.len(), "{situation}: {told:#?}");
        for (told, (kind, what)) in told.iter().zip(expected) {
            assert!(told.starts_with(&format!("{kind}: ")) && told.contains(what), "{situation}: {told}");
        }
    }
}

/// GitHub goes away in the middle of an outage: what was wrong does not end for that.
#[test]
fn no_error_ends_because_nothing_can_be_seen() {
    let mut scene = refused(unserved(Scene::new("").pending(3, 700), 700), 5);
    let errors = |scene: &Scene, before: &[LastingError]| {
        lasting(&scene.fleet, &scene.plan(), &scene.seen, &scene.fleet_state, before, at(NOW))
    };
    let before = errors(&scene, &[]);
    let kinds = |errors: &[LastingError]| errors.iter().map(|error| error.about.as_str()).collect::<Vec<_>>();
    assert_eq!(kinds(&before), ["no_capacity", "waiting", "unserved"]);
    scene.seen.demand = Err("502".to_owned());
    scene.seen.entries = Err("502".to_owned());
    let away = errors(&scene, &before);
    assert_eq!(kinds(&away), ["seeing", "no_capacity", "waiting", "unserved"]);
    let healed = Scene::new("");
    assert_eq!(kinds(&errors(&healed, &away)), [] as [&str; 0]);
}

#[test]
fn each_kind_has_a_name_and_an_end_of_its_own() {
    let names: std::collections::BTreeSet<&str> =
        FleetErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let ends: std::collections::BTreeSet<&str> =
        FleetErrorKind::ALL.iter().map(|kind| kind.recovered()).collect();
    assert_eq!((names.len(), ends.len()), (FleetErrorKind::ALL.len(), FleetErrorKind::ALL.len()));
}
