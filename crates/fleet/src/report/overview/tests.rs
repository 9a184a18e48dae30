//! Which fleets are listed, in which order, and what their lines say.

use super::*;
use crate::fixture::Entry::{Busy, Idle};
use crate::fixture::{NOW, Scene, at};
use crate::report::Presentation;
use crate::report::{FleetErrorKind, LastingError, Tick};

fn fleet(name: &str, scene: &Scene) -> FleetStatus {
    let tick = Tick { number: 1, at: at(NOW), next: Some(at(NOW + 60)) };
    let plan = scene.plan();
    let status = FleetStatus::of(
        &scene.fleet,
        &plan,
        &scene.seen,
        &scene.fleet_state,
        &Presentation::default(),
        tick,
        &[],
    );
    FleetStatus { pool: name.parse().expect("a name"), ..status }
}

fn in_trouble(name: &str, errors: &[&str]) -> FleetStatus {
    let error = |what: &&str| LastingError {
        about: FleetErrorKind::Starting,
        what: (*what).to_owned(),
        since: at(NOW - 720),
    };
    FleetStatus { errors: errors.iter().map(error).collect(), ..fleet(name, &Scene::new("")) }
}

fn lines(overview: &Overview) -> Vec<(&str, Standing, &str)> {
    overview.lines.iter().map(|line| (line.pool.as_str(), line.standing, line.what.as_str())).collect()
}

#[test]
fn trouble_is_first_and_then_what_works() {
    let mut disabled = fleet("d", &Scene::new(""));
    disabled.enabled = false;
    let late = FleetStatus { next_poll: Some(at(NOW - 300)), ..fleet("l", &Scene::new("")) };
    let mut unread = Scene::new("");
    unread.seen.vms = Err("Azure: 503".to_owned());
    let fleets = [
        fleet("a", &Scene::new("")),
        fleet("b", &Scene::new("").runner(1, 60, Idle).runner(2, 60, Busy)),
        fleet("c", &Scene::new("").runner(1, 60, Idle).last_vm(|vm| vm.tags.config_hash = "before".into())),
        disabled,
        late,
        in_trouble("t", &["no subnet", "the token expires"]),
        fleet("u", &unread),
    ];
    let overview = Overview::of(&fleets, Listed::Screen, at(NOW));
    let (rolling, listed) = (overview.lines[3].what.clone(), lines(&overview));
    assert!(
        rolling.starts_with("rolling: 0 of 1 up to date (the configuration has changed); next: "),
        "{rolling}"
    );
    assert_eq!(
        listed,
        [
            ("l", Standing::Trouble, "its tick was due 5m ago"),
            ("t", Standing::Trouble, "(1 error more) 12m: no subnet"),
            ("u", Standing::Trouble, "0s: Azure: 503"),
            ("c", Standing::Rolling, rolling.as_str()),
            ("b", Standing::Working, "1 busy, 1 idle"),
            ("a", Standing::Quiet, "in order"),
            ("d", Standing::NotEnabled, "not enabled"),
        ]
    );
    assert_eq!((overview.in_trouble, overview.left_out), (3, 0));
    assert_eq!((overview.lines[2].waiting, overview.lines[2].runners), (Some(0), None), "what is known");
}

#[test]
fn of_120_fleets_a_screen_full_is_listed_with_all_that_are_in_trouble() {
    let many = |troubles: usize| -> Vec<FleetStatus> {
        let quiet = fleet("x", &Scene::new(""));
        let named = |index: usize, status: FleetStatus| FleetStatus {
            pool: format!("f{index:03}").parse().expect("a name"),
            ..status
        };
        (0..120)
            .map(|index| {
                named(index, if index >= 120 - troubles { in_trouble("x", &["no"]) } else { quiet.clone() })
            })
            .collect()
    };
    for (troubles, listed, expected) in [
        (6, Listed::Screen, (25, 6, 95)),
        (50, Listed::Screen, (50, 50, 70)),
        (6, Listed::All, (120, 6, 0)),
        (6, Listed::Problems, (6, 6, 114)),
        (0, Listed::Problems, (0, 0, 120)),
    ] {
        let overview = Overview::of(&many(troubles), listed, at(NOW));
        let found = (overview.lines.len(), overview.in_trouble, overview.left_out);
        assert_eq!(found, expected, "{troubles} in trouble, {listed:?}");
        let first = overview.lines.iter().take(troubles);
        assert!(first.clone().all(|line| line.standing == Standing::Trouble), "{troubles}");
    }
}
