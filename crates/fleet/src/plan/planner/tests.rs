//! Situations of a fleet, and what is done about them.

mod drain;
mod failing_starts;
mod groups;
mod interrupted;
mod order;
mod properties;
mod removals;
mod ssh;
mod standby;

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::fixture::{
    Entry::{Absent, Busy, Idle, Offline},
    NOW, Scene, at,
};
use crate::model::{
    CallError, CallErrorKind, Completed, DestroyOutcome, ErrorPolicy, Failure,
    PowerState::{Running, Stopped, Unknown},
    ProvisioningState::{Creating, Deleting, Failed, Impaired, Succeeded, Withheld},
    QuotaScope, ResourceGroup, UnfitScope,
};
use crate::observe::Operation;
use crate::state::KnownGroups;

#[test]
fn a_vm_that_azure_stopped_for_want_of_payment_is_told() {
    let scene = Scene::new("").pending(1, 90).vm(1, 900, Withheld, Stopped).entry(1, 900, Offline);
    let told = scene.plan().left_alone.expect("a person is told").to_string();
    assert!(told.contains("is not paid: nothing replaces it; settle what is owed"), "{told}");
}

#[test]
fn what_is_done_in_each_situation() {
    let scene = || Scene::new("");
    let two = || Scene::new("min_runners = 2");
    let day = 24 * 3600 + 1;
    let removed = |known: &mut crate::state::RunnerState| known.removal_asked = Some(at(NOW - 10));
    let was_online = |known: &mut crate::state::RunnerState| known.was_online = true;
    let asked = |known: &mut crate::state::RunnerState| known.asked_for = Some(at(NOW - 20));
    let offline = |ago| {
        move |known: &mut crate::state::RunnerState| {
            known.was_online = true;
            known.offline_since = Some(at(NOW - ago));
        }
    };
    let table: Vec<(&str, Scene, &str)> = vec![
        ("nothing to do", scene(), ""),
        ("a burst", scene().pending(8, 1), "+ + + +"),
        ("the minimum", two(), "+ +"),
        ("one of the minimum is on its way", two().runner(1, 30, Offline), "+"),
        (
            "one of the minimum is being asked for",
            two().vm(1, 30, Creating, Unknown).entry(1, 30, Offline),
            "+",
        ),
        ("surplus idle runners, oldest first", scene().runner(1, 60, Idle).runner(2, 90, Idle), "-2? -1?"),
        (
            "surplus: one that is not online yet goes first",
            Scene::new("min_runners = 1").runner(1, 900, Idle).runner(2, 30, Offline),
            "-2?",
        ),
        ("a busy runner is no surplus", scene().runner(1, 60, Busy), ""),
        (
            "it had its job",
            scene().runner(1, 60, Absent).remember(1, 60, |known| known.entry_seen = true),
            "-1?",
        ),
        ("it had its job before the daemon started", scene().runner(1, 60, Absent), "-1?"),
        (
            "just asked for, and the list lags",
            scene().runner(1, 20, Absent).remember(1, 20, asked).pending(1, 90),
            "",
        ),
        (
            "its job was over before a list showed its entry",
            scene().vm(1, 20, Succeeded, Stopped).remember(1, 20, asked).pending(1, 1),
            "-1",
        ),
        (
            "Azure could not make it",
            scene().pending(1, 1).vm(1, 60, Failed, Unknown).entry(1, 60, Offline),
            "-1~",
        ),
        (
            "Azure could not make it, and it has no entry",
            scene().vm(1, 60, Failed, Unknown).last_vm(|vm| vm.tags.runner_id = None),
            "-1~",
        ),
        (
            "Azure says that it could not make it, and it was online",
            scene().pending(1, 1).vm(1, 60, Failed, Running).entry(1, 60, Idle).remember(1, 60, was_online),
            "",
        ),
        (
            "Azure says that it could not make it, and it is online",
            scene().pending(1, 1).vm(1, 60, Failed, Running).entry(1, 60, Idle),
            "",
        ),
        (
            "an extension failed, and it is online",
            scene().pending(1, 1).vm(1, 60, Impaired, Running).entry(1, 60, Idle),
            "",
        ),
        (
            "an extension failed, and it is on its way",
            scene().pending(1, 1).vm(1, 599, Impaired, Running).entry(1, 599, Offline),
            "",
        ),
        (
            "it reported too late, and is not online in time",
            scene().pending(1, 1).vm(1, 601, Impaired, Running).entry(1, 601, Offline),
            "-1?",
        ),
        (
            "an extension failed, and it had its job",
            scene().vm(1, 900, Impaired, Running).remember(1, 900, |known| known.entry_seen = true),
            "-1?",
        ),
        (
            "an extension failed, and it is surplus",
            scene().vm(1, 60, Impaired, Running).entry(1, 60, Idle),
            "-1?",
        ),
        (
            "Azure stopped it for want of payment: nothing replaces it",
            scene().pending(1, 90).vm(1, 900, Withheld, Stopped).entry(1, 900, Offline),
            "",
        ),
        (
            "Azure stopped it for want of payment before it was online",
            scene().pending(1, 90).vm(1, 900, Withheld, Stopped).entry(1, 900, Absent),
            "",
        ),
        (
            "Azure stopped it for want of payment, and nothing needs it",
            scene().vm(1, 900, Withheld, Stopped).entry(1, 900, Offline),
            "-1",
        ),
        ("not online in time", scene().pending(1, 1).runner(1, 601, Offline), "-1?"),
        ("not online, but still in time", scene().pending(1, 1).runner(1, 600, Offline), ""),
        (
            "offline for too long",
            scene().pending(1, 1).runner(1, 900, Offline).remember(1, 900, offline(301)),
            "-1?",
        ),
        (
            "offline for a while",
            scene().pending(1, 1).runner(1, 900, Offline).remember(1, 900, offline(300)),
            "",
        ),
        (
            "its VM was stopped",
            scene().pending(1, 1).vm(1, 900, Succeeded, Stopped).entry(1, 900, Idle),
            "-1",
        ),
        (
            "its VM was stopped, but GitHub says that it is busy",
            scene().vm(1, 900, Succeeded, Stopped).entry(1, 900, Busy),
            "-1",
        ),
        ("its VM is being deleted", scene().vm(1, 900, Deleting, Running).entry(1, 900, Idle), ""),
        (
            "its removal was asked for a moment ago",
            scene().runner(1, 900, Absent).remember(1, 900, removed),
            "",
        ),
        (
            "an entry whose VM is gone",
            scene().entry(1, 900, Offline).remember(1, 900, |known| known.vm_seen = true),
            "-1",
        ),
        ("an entry whose VM was never seen, young", scene().entry(1, 60, Offline), ""),
        ("an entry whose VM was never seen, old", scene().entry(1, 200, Offline), "-1"),
        ("a busy entry without VM", scene().entry(1, 900, Busy), ""),
        (
            "a VM without entry and id, old",
            scene().runner(1, 601, Absent).last_vm(|vm| vm.tags.runner_id = None),
            "-1?",
        ),
        (
            "a VM without entry and id, at its limit",
            scene().pending(1, 1).runner(1, 600, Absent).last_vm(|vm| vm.tags.runner_id = None),
            "",
        ),
        (
            "a VM without entry and id, young",
            scene().pending(1, 1).runner(1, 599, Absent).last_vm(|vm| vm.tags.runner_id = None),
            "",
        ),
        (
            "a day old: its replacement first",
            Scene::new("min_runners = 1").runner(1, day, Idle).remember(1, day, was_online),
            "+for1",
        ),
        ("a day old and busy", scene().runner(1, day, Busy), ""),
        ("a day old to the second", Scene::new("min_runners = 1").runner(1, day - 1, Idle), ""),
        (
            "another configuration",
            Scene::new("min_runners = 1").runner(1, 60, Idle).last_vm(|vm| vm.tags.config_hash = "x".into()),
            "+for1",
        ),
        ("no room for two", Scene::new("min_runners = 1\nmax_runners = 1").runner(1, day, Idle), "-1?"),
        (
            "one after another",
            Scene::new("min_runners = 2").runner(1, day, Idle).runner(2, day + 9, Idle),
            "+for2",
        ),
        (
            "another repository",
            scene()
                .pending(1, 1)
                .runner(1, 60, Absent)
                .last_vm(|vm| vm.tags.scope = "repo:o/old".parse().expect("valid")),
            "-1?",
        ),
        (
            "the repository in another spelling",
            scene()
                .pending(1, 1)
                .runner(1, 60, Idle)
                .last_vm(|vm| vm.tags.scope = "repo:O/R".parse().expect("valid")),
            "",
        ),
        (
            "another GitHub, which may be running a job on it",
            Scene::new("max_runners = 1")
                .pending(1, 90)
                .runner(1, 900, Absent)
                .remember(1, 900, |known| known.entry_seen = true)
                .last_vm(|vm| vm.tags.github = "ghes.example".into()),
            "",
        ),
        ("online, and its VM is not where it is looked for", scene().pending(1, 90).entry(1, 900, Idle), ""),
        (
            "the list of VMs is older than the one before",
            scene().pending(1, 90).entry(1, 20, Offline).remember(1, 20, |known| {
                known.asked_for = Some(at(NOW - 20));
                known.vm_seen = true;
            }),
            "",
        ),
        (
            "removed, and no list may show its VM yet",
            Scene::new("max_runners = 1").pending(1, 90).remember(1, 30, |known| {
                known.asked_for = Some(at(NOW - 30));
                known.removal_asked = Some(at(NOW - 10));
                known.vm_seen = true;
            }),
            "",
        ),
        (
            "removed long after it was asked for, and gone from the lists",
            Scene::new("max_runners = 1").pending(1, 90).remember(1, 300, |known| {
                known.asked_for = Some(at(NOW - 300));
                known.removal_asked = Some(at(NOW - 10));
            }),
            "+",
        ),
        (
            "the maximum was lowered: what is going already is enough",
            Scene::new("min_runners = 1\nmax_runners = 1\ncooldown = \"0s\"")
                .runner(1, 900, Idle)
                .vm(2, 900, Deleting, Running)
                .vm(3, 900, Deleting, Running),
            "",
        ),
        (
            "a replacement that no list shows yet",
            Scene::new("min_runners = 1").runner(1, day, Idle).remember(2, 20, |known| {
                known.asked_for = Some(at(NOW - 20));
                known.replaces = Some(RunnerName::new(&"ci".parse().expect("valid"), at(NOW - day), 1));
            }),
            "",
        ),
        (
            "another GitHub, and nothing runs on its VM any more",
            scene().vm(1, 900, Succeeded, Stopped).last_vm(|vm| vm.tags.github = "ghes.example".into()),
            "-1",
        ),
        (
            "another repository, and nothing runs on its VM any more",
            scene()
                .vm(1, 900, Succeeded, Stopped)
                .last_vm(|vm| vm.tags.scope = "repo:o/old".parse().expect("valid")),
            "-1",
        ),
        ("made by a clock that was hours ahead, and not online", scene().runner(1, -10_000, Offline), "-1?"),
        (
            "more than the maximum",
            Scene::new("max_runners = 1\nscale_down_threshold = 5").runner(1, 60, Idle).runner(2, 90, Idle),
            "-2?",
        ),
    ];
    for (situation, scene, expected) in table {
        assert_eq!(scene.brief(), expected, "{situation}: {}", scene.plan().decision.reason);
    }
}

#[test]
fn only_a_fleet_that_is_forced_ends_running_jobs() {
    let scene = || {
        let mut scene = Scene::new("min_runners = 2").runner(1, 900, Busy).runner(2, 900, Idle);
        scene.fleet.enabled = false;
        scene
    };
    assert_eq!(scene().brief(), "-2?");
    let forced = |mut scene: Scene| {
        scene.fleet.kill_running_jobs = true;
        scene
    };
    assert_eq!(forced(scene()).brief(), "-1x -2x");
    assert!(forced(scene()).plan().actions.iter().all(|action| matches!(action, Action::Destroy(_))));
    assert_eq!(forced(scene().vm(3, 900, Deleting, Running)).brief(), "-1x -2x", "what goes already is left");
    assert_eq!(
        forced(scene().entry(3, 900, Busy)).brief(),
        "-1x -2x",
        "without a VM there is nothing to end"
    );
    let elsewhere = scene().runner(3, 900, Absent).last_vm(|vm| vm.tags.github = "ghes.example".into());
    assert_eq!(forced(elsewhere).brief(), "-1x -2x -3x");
    let lost =
        scene().runner(3, 900, Absent).last_vm(|vm| vm.tags.scope = "repo:o/old".parse().expect("valid"));
    assert_eq!(forced(lost).brief(), "-1x -2x -3x", "whatever that scope's GitHub says");
    let mut enabled = forced(scene());
    enabled.fleet.enabled = true;
    assert_eq!(enabled.brief(), "+", "one that is enabled ends none");
}

#[test]
fn a_replacement_is_online_before_the_old_one_goes() {
    let day = 24 * 3600 + 1;
    let start = || Scene::new("min_runners = 1").runner(1, day, Idle);
    let replaces = |scene: &Scene| Some(scene.name(1, day).to_string());
    let with = |entry| {
        let scene = start().runner(2, 30, entry);
        let tag = replaces(&scene);
        scene.last_vm(|vm| vm.tags.replaces = tag.map(Into::into))
    };
    assert_eq!(with(Offline).brief(), "", "the new one boots");
    assert_eq!(with(Idle).brief(), "-1?", "the new one is online");
    assert_eq!(with(Busy).brief(), "-1? +", "the new one took a job at once");
    let mut in_flight = start();
    let (old, new) = (in_flight.name(1, day), in_flight.name(2, 1));
    in_flight.seen.in_flight.insert(new, Operation::Provision { replaces: Some(old) });
    assert_eq!(in_flight.brief(), "", "the new one is being asked for");
}

#[test]
fn what_was_not_read_whole_removes_nothing_but_the_minimum_is_kept() {
    let scene =
        || Scene::new("min_runners = 1").runner(1, 900, Idle).runner(2, 900, Idle).runner(3, 900, Offline);
    let mut unreadable = scene();
    unreadable.seen.entries = Err("GitHub said 502".to_owned());
    assert_eq!(unreadable.brief(), "");
    assert!(unreadable.plan().decision.reason.to_string().contains("GitHub said 502"));
    let mut unreadable = scene();
    unreadable.seen.vms = Err("Azure said 500".to_owned());
    assert_eq!(unreadable.brief(), "");
    let mut unreadable = Scene::new("min_runners = 2").runner(1, 900, Idle);
    unreadable.seen.demand = Err("the queue could not be read".to_owned());
    assert_eq!(unreadable.brief(), "+");
    let mut unreadable = Scene::new("").runner(1, 900, Idle);
    unreadable.seen.demand = Err("the queue could not be read".to_owned());
    assert_eq!(unreadable.brief(), "");
}

#[test]
fn what_is_left_alone_is_told() {
    let scene = Scene::new("").runner(1, 900, Absent).runner(2, 900, Absent);
    let mut scene = scene.last_vm(|vm| vm.tags.github = "ghes.example".into());
    assert_eq!(scene.brief(), "-1?");
    let plan = scene.plan();
    let told = plan.left_alone.expect("something is left alone").to_string();
    assert!(
        told.contains("was made for the GitHub at ghes.example")
            && plan.decision.reason.to_string().contains(&told),
        "{told}"
    );
    scene.fleet.github = "ghes.example".to_owned();
    assert_eq!(scene.brief(), "-2?", "where it is looked at, it had its job");

    let elsewhere = Scene::new("").entry(1, 900, Idle).entry(2, 900, Idle).entry(3, 30, Idle);
    let told = elsewhere.plan().left_alone.expect("a machine that is not seen").to_string();
    assert!(told.contains("is online and its VM is not in") && told.ends_with("(1 more like it)"), "{told}");
}

#[test]
fn only_what_the_decision_led_to_is_scaling() {
    let scales = |scene: Scene| scene.plan().scales;
    assert!(scales(Scene::new("").pending(8, 1)));
    assert!(scales(Scene::new("").runner(1, 900, Idle)));
    assert!(!scales(Scene::new("").runner(1, 900, Absent)), "a finished runner");
    let mut held = Scene::new("").pending(8, 1).runner(1, 900, Absent);
    held.fleet_state.failures = crate::state::StartBackoff {
        count: 3,
        last: Some(at(NOW)),
        why: "x".to_owned(),
        ..Default::default()
    };
    assert_eq!((held.brief().as_str(), held.plan().decision.action), ("-1?", ScalingAction::ScaleUp));
    assert!(!scales(held), "starts wait, and a finished runner goes");
}

#[test]
fn a_note_on_the_queue_holds_nothing_back() {
    let mut scene = Scene::new("").runner(1, 900, Idle);
    let demand = Demand { notes: vec!["there is no queue".to_owned()], ..Demand::none(at(NOW)) };
    scene.seen.demand = Ok(demand.clone());
    assert_eq!(scene.brief(), "-1?");
    assert!(scene.plan().decision.reason.to_string().ends_with("; there is no queue"));
    scene.seen.demand = Ok(Demand { missing: demand.notes.clone(), ..demand });
    assert_eq!(scene.brief(), "", "but what is missing does");
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_back() {
    let later = Some(at(NOW + 24 * 3600));
    let mut scene = Scene::new("").pending(8, 1).remember(1, 900, |known| known.asked_for = later);
    scene.fleet_state.scaling.at = later;
    scene.fleet_state.failures =
        crate::state::StartBackoff { count: 9, last: later, why: "x".to_owned(), ..Default::default() };
    let fleet_state = scene.fleet_state.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW));
    let hour_later = at(NOW + 3600);
    assert_eq!(fleet_state.failures.wait_left(hour_later), None);
    let fleet_state = fleet_state.after_seeing(&scene.fleet, &scene.seen, hour_later);
    assert!(fleet_state.runners.names().next().is_none(), "{fleet_state:?}");
    let plan = plan(&scene.fleet, &scene.seen, &fleet_state, hour_later);
    assert_eq!(plan.actions.len(), 4, "{}", plan.decision.reason);
}

#[test]
fn room_is_made_for_one_replacement_at_a_time() {
    const DAY: i64 = 24 * 3600 + 1;
    let three = |third: fn(Scene) -> Scene| {
        third(Scene::new("min_runners = 3\nmax_runners = 3").runner(1, DAY, Idle).runner(2, DAY + 9, Idle))
            .brief()
    };
    assert_eq!(three(|scene| scene.runner(3, 60, Idle)), "-2?", "all are online");
    assert_eq!(three(|scene| scene.runner(3, 60, Busy)), "-2?");
    assert_eq!(three(|scene| scene.vm(3, DAY, Deleting, Running)), "", "one goes already");
    assert_eq!(three(|scene| scene.runner(3, 30, Offline)), "", "one comes");
}

#[test]
fn nothing_is_left_to_remember_of_a_runner_that_is_gone() {
    let long_ago =
        |known: &mut crate::state::RunnerState| known.asked_for = Some(at(NOW) - Duration::from_secs(900));
    let scene = Scene::new("").remember(1, 900, long_ago);
    let fleet_state = scene.fleet_state.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW));
    assert!(fleet_state.runners.names().next().is_none(), "{fleet_state:?}");
}
