//! What the status shows of a fleet.

use super::*;
use crate::fixture::runs;
use crate::fixture::{
    Entry::{Absent, Busy, Idle, Offline},
    NOW, Scene, at,
};
use crate::observe::Operation;
use crate::report::FleetErrorKind;
use crate::state::StartBackoff;

fn status(scene: &Scene, before: &[LastingError]) -> FleetStatus {
    let tick = Tick { number: 7, at: at(NOW), next: None };
    FleetStatus::of(
        &scene.fleet,
        &scene.plan(),
        &scene.seen,
        &scene.fleet_state,
        &Presentation::default(),
        tick,
        before,
    )
}

#[test]
fn what_each_runner_does() {
    let asked = |known: &mut crate::state::RunnerState| known.asked_for = Some(at(NOW - 10));
    let lost = |known: &mut crate::state::RunnerState| known.offline_since = Some(at(NOW - 60));
    let under_way = |mut scene: Scene, operation: Operation| {
        scene.seen.in_flight.insert(scene.name(1, 60), operation);
        scene
    };
    let working = |mut scene: Scene| {
        let name = scene.name(1, 60).to_string();
        scene.seen.working.insert(name.into(), runs(7));
        scene
    };
    let old = Scene::new("").name(2, 900);
    let replaces = Operation::Provision { replaces: Some(old.clone()) };
    let entry = |entry| Scene::new("").runner(1, 60, entry);
    let offline = "offline for 1m".to_owned();
    let replacing = format!("is being made, to replace {old}");
    for (scene, phase, doing) in [
        (
            under_way(entry(Absent), Operation::Install),
            PhaseKind::Provisioning,
            "is being installed over SSH",
        ),
        (under_way(Scene::new(""), replaces), PhaseKind::Provisioning, replacing.as_str()),
        (
            under_way(Scene::new(""), Operation::Provision { replaces: None }),
            PhaseKind::Provisioning,
            "is being made",
        ),
        (Scene::new("").remember(1, 60, asked), PhaseKind::Provisioning, "awaits its VM"),
        (entry(Offline), PhaseKind::Provisioning, "boots"),
        (entry(Idle), PhaseKind::Registered, "idle"),
        (entry(Offline).remember(1, 60, lost), PhaseKind::Registered, offline.as_str()),
        (entry(Busy), PhaseKind::Active, "runs a job"),
        (working(entry(Busy)), PhaseKind::Active, "runs job 7"),
        (entry(Absent), PhaseKind::Draining, "is to be removed: its job is finished"),
        (under_way(entry(Idle), Operation::Destroy), PhaseKind::Destroyed, "is being deleted"),
    ] {
        let shown = status(&scene, &[]);
        let runners = shown.known_runners();
        assert_eq!((runners[0].phase, runners[0].doing.as_str()), (phase, doing));
        let others: usize =
            PhaseKind::ALL.into_iter().filter(|other| *other != phase).map(|other| shown.count(other)).sum();
        assert_eq!((runners.len(), shown.count(phase), others), (1, 1, 0), "{doing}");
        assert_eq!(runners[0].vm.is_some(), scene.last_vm.is_some(), "{doing}");
    }
}

#[test]
fn who_is_there_is_brought_up_to_date_between_ticks() {
    let (before, now) = (Scene::new("").runner(1, 60, Offline), Scene::new("").runner(1, 60, Busy));
    let mut shown = status(&before, &[]);
    shown.update(&now.plan().runners, &now.seen, &now.fleet_state, &Presentation::default());
    assert_eq!((shown.count(PhaseKind::Provisioning), shown.count(PhaseKind::Active)), (0, 1));
}

#[test]
fn what_is_known_and_what_is_wrong() {
    let seen = status(&Scene::new(""), &[]);
    assert!(seen.jobs_known && seen.runners_known && seen.errors.is_empty());
    let mut halves = [Scene::new(""), Scene::new("")];
    halves[0].seen.vms = Err("Azure: 503".to_owned());
    halves[1].seen.entries = Err("GitHub: 502".to_owned());
    for half in &halves {
        assert!(!status(half, &[]).runners_known, "half of them is not known");
    }
    let first =
        LastingError { about: FleetErrorKind::Seeing, what: "before".to_owned(), since: at(NOW - 600) };
    let mut wrong = halves[0].seen.clone();
    wrong.expiring = Some("the token ends".to_owned());
    let mut scene = Scene { seen: wrong, ..Scene::new("") };
    scene.fleet_state.failures = StartBackoff {
        count: 3,
        last: Some(at(NOW)),
        why: "no subnet".to_owned(),
        ..StartBackoff::default()
    };
    let errors = status(&scene, &[first]).errors;
    let told: Vec<_> = errors.iter().map(|error| (error.about, error.since)).collect();
    assert_eq!(
        told,
        [
            (FleetErrorKind::Seeing, at(NOW - 600)),
            (FleetErrorKind::Starting, at(NOW)),
            (FleetErrorKind::Credential, at(NOW))
        ],
        "what lasts keeps its beginning"
    );
    assert_eq!(errors[0].what, "Azure: 503");
    assert!(errors[1].what.starts_with("3 starts failed in a row: no subnet; next try in "), "{errors:?}");
}

#[test]
fn what_azure_never_makes_is_an_error_with_what_since_when_until_when_and_why() {
    let mut scene = Scene::new("");
    let place = scene.fleet.vm.offerings(true).remove(0);
    let never = crate::model::CallError::new(
        crate::model::CallErrorKind::Unfit(crate::model::UnfitScope::Size),
        "VMSizeNotSupported",
    );
    scene.fleet_state.capacity.refused(&scene.fleet, &place, &never, at(NOW));
    let errors = status(&scene, &[]).errors;
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    let time = |seconds| at(NOW + seconds).strftime("%Y-%m-%d %H:%M UTC");
    let what = format!(
        "{} in westeurope is closed since {}, until {}: VMSizeNotSupported",
        place.size,
        time(0),
        time(6 * 3600)
    );
    assert_eq!((error.about.as_str(), error.what.as_str()), ("closed", what.as_str()));
}

#[test]
fn removals_that_fail_are_a_trouble_of_their_own() {
    let mut scene = Scene::new("").runner(1, 9000, Absent).remember(1, 9000, |known| known.was_online = true);
    let name = scene.name(1, 9000);
    let failure = crate::model::Failure::later("DELETE …: 500");
    scene.fleet_state.removals.failed(name.as_str(), &failure, at(NOW - 60));
    scene.fleet_state.removals.failed(name.as_str(), &failure, at(NOW));
    scene.fleet_state.left_behind.failed("disk d", &failure, at(NOW - 900));
    let shown = status(&scene, &[]);
    let [error] = &shown.errors[..] else { panic!("{:?}", shown.errors) };
    assert_eq!(error.about, FleetErrorKind::Removing);
    assert!(
        error.what.contains(name.as_str()) && error.what.contains("disk d cannot be removed"),
        "{error:?}"
    );
    let rows: Vec<_> = shown.failing_removals.iter().map(|row| (row.name.as_str(), row.count)).collect();
    assert_eq!(rows, [(name.as_str(), 2), ("disk d", 1)]);
    assert_eq!(shown.failing_removals[0].next_try, Some(at(NOW + 60)));
    assert!(
        shown.known_runners()[0].doing.starts_with("is to be removed, which failed 2 times: "),
        "{shown:?}"
    );
}

/// Unknown is not zero, in JSON too; and what only the lists show does not end because they cannot be read.
#[test]
fn what_could_not_be_read_is_null() {
    let left_alone = LastingError {
        about: FleetErrorKind::LeftAlone,
        what: "ci-1 was made for another GitHub".to_owned(),
        since: at(NOW - 900),
    };
    let mut scene = Scene::new("").runner(1, 60, Busy).pending(3, 60);
    scene.fleet_state.ledger.since = Some(at(NOW - 60));
    let seen = serde_json::to_value(status(&scene, std::slice::from_ref(&left_alone))).expect("JSON");
    assert_eq!((&seen["jobs"]["pending_jobs"], &seen["errors"]), (&3.into(), &serde_json::json!([])));
    scene.seen.demand = Err("GitHub: 502".to_owned());
    scene.seen.entries = Err("GitHub: 502".to_owned());
    scene.seen.vms = Err("Azure: 503".to_owned());
    let shown = status(&scene, std::slice::from_ref(&left_alone));
    assert!(shown.errors.contains(&left_alone), "{:?}", shown.errors);
    let shown = serde_json::to_value(shown).expect("JSON");
    for key in ["jobs", "runners", "oldest_pending"] {
        assert!(shown[key].is_null(), "{key}: {shown}");
    }
    for key in ["jobs_known", "runners_known"] {
        assert_eq!(shown[key], false, "{key}");
    }
    assert!(shown["decision"]["target_runner_count"].is_null(), "{shown}");
    assert!(shown["cost"]["per_hour"].is_null(), "{shown}");
}
