//! Situations of a fleet that is bootstrapped over SSH, and of runners with more than one job.

use super::*;
use crate::fixture::Entry::{Absent, Busy, Idle, Offline};
use crate::fixture::at;
use crate::fixture::{NOW, Scene, runs};
use crate::model::{PowerState::Stopped, RunnerId};
use crate::observe::Operation;
use crate::state::{Jobs, RunnerState};

#[test]
fn what_is_done_with_a_vm_that_is_to_be_a_runner() {
    let scene = || Scene::new("").pending(1, 1);
    let two = || Scene::new("min_runners = 2");
    let installed = |ago: i64| {
        move |known: &mut RunnerState| {
            known.installed = Some(at(NOW - ago));
            known.runner_id = Some(RunnerId(1));
        }
    };
    let just_now = |known: &mut RunnerState| known.unregistered_since = Some(at(NOW - 5));
    let failed = |known: &mut RunnerState| known.failed = Some("config.sh failed".to_owned());
    let under_way = |mut scene: Scene, operation| {
        let name = scene.name(1, 60);
        scene.seen.in_flight.insert(name, operation);
        scene
    };
    let table: Vec<(&str, Scene, &str)> = vec![
        ("nobody has begun, or who began was killed", scene().ssh(1, 60, Absent), "*1"),
        ("who began was killed after config.sh", scene().ssh(1, 60, Offline), "*1"),
        ("it is being installed", under_way(scene().ssh(1, 60, Absent), Operation::Install), ""),
        (
            "it is being made",
            under_way(scene().ssh(1, 60, Absent), Operation::Provision { replaces: None }),
            "",
        ),
        ("installed, and not in the list yet", scene().ssh(1, 60, Absent).remember(1, 60, installed(10)), ""),
        ("installed, and not online yet", scene().ssh(1, 60, Offline).remember(1, 60, installed(10)), ""),
        (
            "installed, and gone: a job between two looks",
            scene().ssh(1, 60, Absent).remember(1, 60, installed(40)),
            "-1@",
        ),
        (
            "seen by us, and gone",
            scene().ssh(1, 60, Absent).remember(1, 60, |known| known.entry_seen = true),
            "-1@",
        ),
        (
            "it says that it was a runner",
            scene().ssh(1, 60, Absent).remember(1, 60, |known| known.ended = true),
            "-1@",
        ),
        ("it cannot be made one", scene().ssh(1, 60, Absent).remember(1, 60, failed), "-1@"),
        (
            "it was registered, and cannot be started",
            scene().ssh(1, 60, Offline).remember(1, 60, failed),
            "-1@",
        ),
        (
            "it failed for us, and came online all the same",
            scene().ssh(1, 60, Idle).remember(1, 60, failed),
            "",
        ),
        ("not in time", scene().ssh(1, 601, Absent), "-1@"),
        (
            "it cannot be made one, and may have been registered a moment ago",
            scene().ssh(1, 60, Absent).remember(1, 60, failed).remember(1, 60, just_now),
            "-1@",
        ),
        (
            "surplus, and the daemon has just started",
            Scene::new("").ssh(1, 60, Absent).remember(1, 60, just_now),
            "-1@",
        ),
        (
            "its job was over before a list showed it",
            scene().ssh(1, 60, Absent).last_vm(|vm| vm.power = Stopped).remember(1, 60, installed(10)),
            "-1",
        ),
        (
            "nobody remembers it, and it is too old to be begun with",
            scene().ssh(1, 721, Absent).remember(1, 721, |known| *known = RunnerState::default()),
            "-1@",
        ),
        ("it stopped", scene().ssh(1, 60, Absent).last_vm(|vm| vm.power = Stopped), "-1"),
        ("surplus before it is one", Scene::new("").ssh(1, 60, Absent), "-1@"),
        ("the rest of the minimum", two().ssh(1, 60, Absent), "+ *1"),
        ("it runs a job that the list does not show yet", scene().ssh(1, 60, Busy), ""),
        (
            "of another repository",
            scene().ssh(1, 60, Absent).last_vm(|vm| vm.tags.scope = "repo:o/old".parse().expect("valid")),
            "-1@",
        ),
        (
            "no runner in time, and GitHub may not show yet that it registered a moment ago",
            scene().pending(1, 1).ssh(1, 719, Absent).remember(1, 719, just_now),
            "-1@",
        ),
        (
            "so old that nobody is at work on it",
            scene().pending(1, 1).ssh(1, 720, Absent).remember(1, 720, just_now),
            "-1@",
        ),
    ];
    for (situation, scene, expected) in table {
        assert_eq!(scene.brief(), expected, "{situation}: {}", scene.plan().decision.reason);
    }
}

#[test]
fn a_vm_with_a_host_key_is_asked_over_ssh() {
    let is_asked = |scene: &Scene| match scene.plan().actions.as_slice() {
        [Action::Destroy(destroy)] => matches!(destroy.proof, Proof::Drain(Some(_))),
        other => panic!("{other:?}"),
    };
    assert!(is_asked(&Scene::new("").ssh(1, 60, Idle)), "surplus");
    assert!(!is_asked(&Scene::new("").runner(1, 60, Idle)), "nothing listens on it");
    assert!(is_asked(&Scene::new("").ssh(1, 601, Absent)), "whatever GitHub shows of it");
    assert!(is_asked(&Scene::new("").pending(1, 1).ssh(1, 601, Offline)), "it may work all the same");
}

#[test]
fn a_runner_of_several_jobs_is_drained_after_them() {
    let several = |most, jobs: Jobs| {
        let mut scene = Scene::new("min_runners = 1").ssh(1, 900, if jobs.is_busy { Busy } else { Idle });
        scene.fleet.lifecycle.max_job_count = most;
        scene.remember(1, 900, |known| known.jobs = jobs)
    };
    let jobs = |taken, is_busy| Jobs { taken, is_busy, ..Jobs::default() };
    for (situation, scene, expected) in [
        ("two of three", several(3, jobs(2, false)), ""),
        ("in its third", several(3, jobs(3, true)), "+"),
        ("after its third", several(3, jobs(3, false)), "-1@ +"),
        ("ephemeral: GitHub removes it", several(1, jobs(1, false)), ""),
    ] {
        assert_eq!(scene.brief(), expected, "{situation}");
    }
    let reason = several(3, jobs(3, false)).plan().actions[0].clone();
    let Action::Destroy(destroy) = reason else { panic!("{reason:?}") };
    assert_eq!(destroy.why.to_string(), "it has had 3 jobs, and max_job_count is 3");
}

#[test]
fn jobs_are_counted_by_what_the_polls_see() {
    let mut fleet_state = FleetState::default();
    for (entry, job, taken, finished) in [
        (Idle, None, 0, 0),
        (Busy, None, 1, 0),
        (Busy, Some(7), 1, 0),
        (Busy, Some(7), 1, 0),
        (Busy, Some(8), 2, 1),
        (Idle, Some(8), 2, 1),
        (Idle, None, 2, 2),
        (Busy, None, 3, 2),
        (Busy, Some(9), 3, 2),
        (Idle, None, 3, 3),
    ] {
        let mut scene = Scene::new("").ssh(1, 60, entry);
        let name = scene.name(1, 60);
        scene.seen.working.extend(job.map(|job| (name.as_str().into(), runs(job))));
        fleet_state = fleet_state.after_seeing(&scene.fleet, &scene.seen, at(NOW));
        let jobs = &fleet_state.runners.get(&name).expect("remembered").jobs;
        assert_eq!((jobs.taken, jobs.finished()), (taken, finished), "{entry:?} {job:?}");
    }
}
