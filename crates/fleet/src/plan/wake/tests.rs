use super::*;
use crate::fixture::{Entry::Idle, NOW, Scene, at};
use crate::model::ErrorPolicy;
use crate::plan::{at_hours, plan};

fn scaled(mut scene: Scene, ago: i64) -> Scene {
    scene.fleet_state.scaling.at = Some(at(NOW - ago));
    scene
}

fn failed(mut scene: Scene, ago: i64) -> Scene {
    scene.fleet_state.failures = crate::state::StartBackoff {
        count: 1,
        last: Some(at(NOW - ago)),
        why: "502".to_owned(),
        policy: ErrorPolicy::Later,
        console: None,
    };
    scene
}

/// Seconds until the fleet wakes by itself.
fn wakes_in(scene: &Scene) -> Option<i64> {
    let wakes_at = wakes_at(&scene.fleet, &scene.plan(), &scene.fleet_state, at(NOW))?;
    Some(wakes_at.as_second() - at(NOW).as_second())
}

#[test]
fn it_wakes_when_its_own_reason_says_so_and_then_acts() {
    let threshold = || Scene::new("jobs_per_runner = 1\nscale_up_threshold = 2\nmax_queue_wait = '60s'");
    let cooldown = || Scene::new("jobs_per_runner = 1\nscale_up_threshold = 0\nmax_queue_wait = '1h'");
    let table = [
        ("nothing waits", threshold(), None),
        ("a start is planned at once", threshold().pending(8, 1), None),
        ("short within the threshold until the job has waited", threshold().pending(1, 20), Some(40)),
        ("the cooldown ends first", scaled(cooldown().pending(4, 1), 290), Some(10)),
        ("the job has waited first", scaled(cooldown().pending(4, 3590), 100), Some(10)),
        ("what is surplus goes after the cooldown", scaled(cooldown().runner(1, 900, Idle), 240), Some(60)),
        ("starts are tried again", failed(threshold().pending(8, 1), 4), Some(6)),
        ("both are over", failed(threshold().pending(1, 59), 1), Some(9)),
        ("both are over, the other way round", failed(threshold().pending(1, 31), 1), Some(29)),
    ];
    for (situation, scene, expected) in table {
        assert_eq!(wakes_in(&scene), expected, "{situation}: {}", scene.plan().decision.reason);
        let acts = |seconds: i64| {
            let then = at(NOW + seconds).checked_add(JUST_AFTER).expect("in range");
            !plan(&scene.fleet, &scene.seen, &scene.fleet_state, then).actions.is_empty()
        };
        if let Some(seconds) = expected {
            assert_eq!((acts(seconds - 1), acts(seconds)), (false, true), "{situation}");
        }
    }
}

#[test]
fn a_fleet_that_cannot_be_seen_or_is_full_does_not_wake() {
    let mut blind = Scene::new("").pending(1, 20);
    blind.seen.vms = Err("Azure said 500".to_owned());
    assert_eq!(wakes_in(&blind), None);
    let full = Scene::new("max_runners = 1\njobs_per_runner = 1").runner(1, 900, Idle).pending(4, 20);
    assert_eq!(wakes_in(&full), None);
}

#[test]
fn it_wakes_a_boot_before_its_hours_begin_and_starts_what_they_ask_for() {
    // 13 minutes and 20 seconds from now.
    let hours =
        "min_runners = 0\n[[hours]]\nfrom = '12:00'\nto = '13:00'\ntime_zone = 'UTC'\nmin_runners = 2";
    let scene = Scene::new(hours);
    assert_eq!(wakes_in(&scene), Some(800 - 180), "a usual boot");
    let starts = |seconds: i64| {
        let then = at(NOW + seconds).checked_add(JUST_AFTER).expect("in range");
        let fleet = at_hours(&scene.fleet, scene.fleet_state.boots.longest(), then);
        plan(&fleet, &scene.seen, &scene.fleet_state, then).actions.len()
    };
    assert_eq!((starts(619), starts(620)), (0, 2));
}

#[test]
fn it_wakes_when_runners_need_no_longer_stay_warm() {
    let mut scene = Scene::new("[warm]\nkeep_for = '10m'").runner(1, 900, Idle);
    scene.fleet_state.last_job = Some(at(NOW - 590));
    assert_eq!(wakes_in(&scene), Some(10), "{}", scene.plan().decision.reason);
    scene.fleet_state.last_job = Some(at(NOW - 600));
    assert_eq!(scene.brief(), "-1?", "{}", scene.plan().decision.reason);
}
