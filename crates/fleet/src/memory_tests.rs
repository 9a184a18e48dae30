//! What is remembered of what was seen and done, and for how long.

use super::*;
use crate::plan::scene::Entry::{Absent, Busy, Idle, Offline};
use crate::plan::scene::{NOW, Scene};
use crate::plan::{Deregister, Destroy};
use crate::remedy::Failure;
use crate::snapshot::Operation;
use crate::testing::at;

const PROVISION: Action = Action::Provision { replaces: None, places: vec![], reason: String::new() };

fn see(scene: &Scene, later: i64) -> Memory {
    scene.memory.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW + later))
}

fn destroy(scene: &Scene, number: u32, age: i64, why: DrainReason) -> (RunnerName, Action) {
    let runner = scene.name(number, age);
    let destroy = Destroy {
        runner: runner.clone(),
        scope: scene.fleet.scope.clone(),
        first: Deregister::Nothing,
        vm: None,
        stop: None,
        why,
        reason: String::new(),
    };
    (runner, Action::Destroy(destroy))
}

#[test]
fn a_fleet_that_must_be_up_within_minutes_is_in_a_cloud_whose_lists_lag_less() {
    let mut fleet = Scene::new("").fleet;
    assert_eq!(list_lag(&fleet), Duration::from_secs(120));
    fleet.lifecycle.boot_timeout = Duration::from_secs(60);
    assert_eq!(list_lag(&fleet), Duration::from_secs(30));
}

#[test]
fn what_begins_is_known_before_any_list_shows_it() {
    let scene = Scene::new("");
    let (new, old) = (scene.name(1, 0), scene.name(2, 0));
    let mut memory = Memory::default();
    let replace = Action::Provision { replaces: Some(old.clone()), places: vec![], reason: String::new() };
    memory.begin(&new, &replace, at(NOW));
    let known = &memory.runners[&new];
    assert_eq!((known.asked_for, known.replaces.as_ref()), (Some(at(NOW)), Some(&old)));
    let kept = memory.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW + 119));
    assert!(kept.runners.contains_key(&new), "a list may not show it yet");
    let gone = memory.after_seeing(&scene.fleet, &scene.seen, at(NOW + 120));
    assert!(gone.runners.is_empty(), "it never came");
}

#[test]
fn a_runner_is_offline_since_it_was_last_online() {
    let never = see(&Scene::new("").runner(1, 60, Offline), 0);
    let name = Scene::new("").name(1, 60);
    assert_eq!(never.runners[&name].offline_since, None, "it boots");
    let mut scene = Scene::new("").runner(1, 60, Idle);
    scene.memory = see(&scene, 0);
    let mut lost = Scene::new("").runner(1, 60, Offline);
    lost.memory = scene.memory;
    for later in [60, 120] {
        lost.memory = see(&lost, later);
        assert_eq!(lost.memory.runners[&name].offline_since, Some(at(NOW + 60)));
    }
}

#[test]
fn a_runner_is_remembered_as_long_as_anything_shows_it() {
    let name = Scene::new("").name(1, 900);
    let all = [
        Scene::new("").vm(1, 900, ProvisioningState::Succeeded, crate::vm::PowerState::Running),
        Scene::new("").entry(1, 900, Idle),
        {
            let mut scene = Scene::new("").remember(1, 900, |_| {});
            scene.seen.in_flight.insert(name.clone(), Operation::Destroy);
            scene
        },
    ];
    for scene in all {
        assert!(see(&scene, 0).runners.contains_key(&name), "{scene:?}");
    }
    assert!(see(&Scene::new("").remember(1, 900, |_| {}), 0).runners.is_empty());
}

#[test]
fn a_vm_without_an_entry_is_unregistered_since_it_was_seen_so_and_nobody_worked_on_it() {
    let since = |scene: &Scene| see(scene, 7).runners[&scene.name(1, 900)].unregistered_since;
    let mut bare = Scene::new("").runner(1, 900, Absent);
    assert_eq!(since(&bare), Some(at(NOW + 7)));
    bare.memory = see(&bare, 0);
    assert_eq!(since(&bare), Some(at(NOW)), "the first time counts");
    let mut worked_on = Scene { memory: bare.memory.clone(), ..Scene::new("").runner(1, 900, Absent) };
    worked_on.seen.in_flight.insert(worked_on.name(1, 900), Operation::Install);
    assert_eq!(since(&worked_on), None);
    let registered = Scene { memory: bare.memory.clone(), ..Scene::new("").runner(1, 900, Idle) };
    assert_eq!(since(&registered), None);
}

#[test]
fn lists_that_do_not_show_a_vm_any_more_are_counted_unless_its_removal_was_asked_for() {
    let missed = |scene: &Scene| see(scene, 0).runners[&scene.name(1, 900)].vm_missed;
    let entry = || Scene::new("").entry(1, 900, Idle);
    assert_eq!(missed(&entry().remember(1, 900, |known| known.vm_seen = true)), 1);
    let twice = |known: &mut Remembered| (known.vm_seen, known.vm_missed) = (true, 1);
    assert_eq!(missed(&entry().remember(1, 900, twice)), 2);
    assert_eq!(missed(&entry().remember(1, 900, |_| {})), 0, "no list has ever shown it");
    let removed = |known: &mut Remembered| (known.vm_seen, known.removal_asked) = (true, Some(at(NOW - 300)));
    assert_eq!(missed(&entry().remember(1, 900, removed)), 0, "it was removed from here");
    assert_eq!(missed(&Scene::new("").runner(1, 900, Idle).remember(1, 900, twice)), 0, "it is there again");
}

#[test]
fn a_place_that_a_fleet_has_left_is_looked_after_for_an_hour_after_its_last_vm() {
    let old = ResourceGroup { subscription_id: "s".to_owned(), name: "old".to_owned() };
    let mut scene = Scene::new("");
    let both = BTreeSet::from([scene.fleet.vm.group.clone(), old.clone()]);
    scene.memory = Memory { groups: both.clone(), moved_since: Some(at(NOW - 3000)), ..Memory::default() };
    assert_eq!(see(&scene, 0).moved_since, Some(at(NOW - 3000)), "it goes on");
    assert_eq!(see(&scene, 600).groups.len(), 1, "the hour is over");
    let here = Scene { memory: scene.memory.clone(), ..Scene::new("").runner(1, 900, Busy) };
    assert_eq!(see(&here, 0).moved_since, Some(at(NOW - 3000)), "a VM that is where it belongs");
    let there = Scene { memory: scene.memory.clone(), ..Scene::new("").runner(1, 900, Busy) }
        .last_vm(|vm| vm.group = old.clone());
    assert_eq!(see(&there, 0).moved_since, None, "one is there still");
    let mut unread = Scene { memory: scene.memory.clone(), ..Scene::new("") };
    unread.seen.unread.insert(old, "403".to_owned());
    assert_eq!(see(&unread, 0).moved_since, None, "nobody knows whether one is there");
}

#[test]
fn a_start_that_came_to_nothing_begins_no_cooldown() {
    for (outcome, begins) in [
        (Outcome::NoRoom("no room".to_owned()), false),
        (Outcome::Failed(Failure::later("no answer")), false),
        (Outcome::Started, true),
        (Outcome::Unclear("no answer".to_owned()), true),
        (Outcome::LeftAlone("stopping".to_owned()), true),
    ] {
        let mut memory = Memory { last_scaling: Some(at(NOW)), ..Memory::default() };
        memory.record(&Scene::new("").name(1, 0), &PROVISION, &outcome, at(NOW));
        assert_eq!(memory.last_scaling.is_some(), begins, "{outcome:?}");
    }
}

#[test]
fn a_runner_that_had_its_job_before_any_list_showed_it_ends_the_backoff() {
    let scene = Scene::new("");
    let failing = || Memory {
        failures: Failures { count: 3, last: Some(at(NOW)), why: "x".to_owned(), remedy: Remedy::Later },
        ..Memory::default()
    };
    for (why, was_online, ends) in [
        (DrainReason::Finished, false, true),
        (DrainReason::Finished, true, false),
        (DrainReason::Surplus("too many".to_owned()), false, false),
    ] {
        let mut memory = failing();
        let (name, action) = destroy(&scene, 1, 900, why.clone());
        memory.of(&name).was_online = was_online;
        memory.record(&name, &action, &Outcome::Removed, at(NOW + 5));
        assert_eq!(memory.failures == Failures::default(), ends, "{why:?} {was_online}");
        assert_eq!(memory.runners[&name].removal_asked, Some(at(NOW + 5)));
    }
}

#[test]
fn a_runner_that_never_came_online_is_a_start_that_failed_once() {
    let scene = Scene::new("");
    let broken = || DrainReason::Broken("it does not boot".to_owned());
    for (was_online, was_counted, count) in [(false, false, 1), (true, false, 0), (false, true, 0)] {
        let mut memory = Memory::default();
        let (name, action) = destroy(&scene, 1, 900, broken());
        memory.of(&name).was_online = was_online;
        memory.of(&name).failed = was_counted.then(|| "told before".to_owned());
        memory.record(&name, &action, &Outcome::Removed, at(NOW));
        assert_eq!(memory.failures.count, count, "online {was_online}, counted {was_counted}");
    }
}

#[test]
fn only_what_a_person_must_mend_stops_the_starts() {
    let with = |count, remedy| Failures { count, last: Some(at(NOW)), why: String::new(), remedy };
    assert!(with(1, Remedy::Stop).is_stopped());
    assert!(!with(0, Remedy::Stop).is_stopped());
    assert!(!with(1, Remedy::Later).is_stopped());
}

#[test]
fn jobs_are_counted_once_whether_named_or_only_told_as_busy() {
    let mut jobs = Jobs::default();
    jobs.see(true, None);
    assert_eq!((jobs.taken, jobs.finished()), (1, 0));
    jobs.see(true, Some(JobId(1)));
    assert_eq!((jobs.taken, jobs.last), (1, Some(JobId(1))), "the same one, named afterwards");
    jobs.see(true, None);
    assert_eq!((jobs.taken, jobs.last), (1, Some(JobId(1))), "the queue did not name it this time");
    jobs.see(true, Some(JobId(2)));
    assert_eq!((jobs.taken, jobs.finished()), (2, 1));
    jobs.see(false, None);
    assert_eq!((jobs.taken, jobs.finished()), (2, 2));
    jobs.see(true, None);
    assert_eq!((jobs.taken, jobs.last), (3, None), "of this one nothing is known");
}

#[test]
fn lists_tell_until_they_are_old_or_something_was_done_that_they_may_not_show() {
    let scene = Scene::new("");
    let told = |memory: &Memory, age: i64| memory.is_told_by_lists_of(at(NOW - age), &scene.fleet, at(NOW));
    let nothing = Memory::default();
    assert_eq!([0, 119, 120, 121].map(|age| told(&nothing, age)), [true, true, true, false]);
    let (runner, settled) = (scene.name(1, 0), scene.name(2, 0));
    let set: [fn(&mut Remembered) -> &mut Option<Timestamp>; 3] =
        [|known| &mut known.asked_for, |known| &mut known.removal_asked, |known| &mut known.installed];
    for set in set {
        // Done so long before the lists were read, or after.
        for (before, is_told) in [(-20, false), (0, false), (119, false), (120, true), (9_999, true)] {
            let mut memory = Memory::default();
            memory.runners.entry(settled.clone()).or_default().asked_for = Some(at(NOW - 99_999));
            *set(memory.runners.entry(runner.clone()).or_default()) = Some(at(NOW - 30 - before));
            assert_eq!(told(&memory, 30), is_told, "{before} s before");
        }
    }
}

/// Seed 1057 of simulated weeks: a clock that was set 199 s ahead made what was asked for 8 s ago older than lists lag.
#[test]
fn a_clock_that_is_set_ahead_makes_nothing_older() {
    let scene = Scene::new("");
    let name = scene.name(1, 0);
    let mut memory = Memory { last_scaling: Some(at(NOW)), ..Memory::default() };
    memory.begin(&name, &PROVISION, at(NOW));
    let seen = |memory: Memory| memory.after_seeing(&scene.fleet, &scene.seen, at(NOW + 207));
    assert!(seen(memory.clone()).runners.is_empty(), "by the clock alone it is missing for too long");
    memory.clock_was_set_ahead(Duration::from_secs(199));
    let memory = seen(memory);
    assert_eq!(memory.runners.get(&name).and_then(|known| known.asked_for), Some(at(NOW + 199)));
    assert_eq!(memory.last_scaling, Some(at(NOW + 199)), "nor does a cooldown end by it");
}

#[test]
fn a_clock_was_set_that_runs_ahead_of_time_by_seconds() {
    let seconds = Duration::from_secs;
    for (told, gone_by, ahead) in
        [(60, 60, None), (64, 60, None), (65, 60, Some(5)), (259, 60, Some(199)), (0, 60, None)]
    {
        assert_eq!(set_ahead(seconds(told), seconds(gone_by)), ahead.map(seconds), "{told} for {gone_by}");
    }
}
