//! What is remembered of what was seen and done, and for how long.

use super::*;
use crate::fixture::{
    Entry::{Absent, Busy, Idle, Offline},
    NOW, Scene, at,
};
use crate::model::{
    BrokenReason, CallError, CallErrorKind, Destroy, EntryRef, Failure, PowerState, Proof, ProvisioningState,
    ScalingReason, StandbyTag, StartReason,
};
use crate::observe::Operation;
use crate::state::RunnerState;

const WHY: StartReason = StartReason::Scaling(ScalingReason::IDLE);
const PROVISION: Action = Action::Provision { replaces: None, standby: None, offerings: vec![], reason: WHY };

fn see(scene: &Scene, later: i64) -> FleetState {
    scene.fleet_state.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW + later))
}

fn removed(scene: &Scene, number: u32, age: i64, why: DrainReason) -> (RunnerName, Completed) {
    let runner = scene.name(number, age);
    let destroy = Destroy {
        runner: runner.clone(),
        scope: scene.fleet.scope.clone(),
        entry: EntryRef::Unlisted(None),
        vm: None,
        proof: Proof::Stopped,
        frees_room: false,
        why,
    };
    (runner, Completed::Destroy { destroy, outcome: DestroyOutcome::Removed })
}

fn is_empty(fleet_state: &FleetState) -> bool {
    fleet_state.runners.names().next().is_none()
}

/// A scaling action was taken a moment ago.
fn scaled() -> FleetState {
    let scaling = LastScaling { at: Some(at(NOW)), under: None };
    FleetState { scaling, ..FleetState::default() }
}

#[test]
fn what_begins_is_known_before_any_list_shows_it() {
    let scene = Scene::new("");
    let (new, old) = (scene.name(1, 0), scene.name(2, 0));
    let mut fleet_state = FleetState::default();
    let replace =
        Action::Provision { replaces: Some(old.clone()), standby: None, offerings: vec![], reason: WHY };
    fleet_state.begin(&new, &replace, at(NOW));
    let known = fleet_state.runners.get(&new).expect("remembered");
    assert_eq!((known.asked_for, known.replaces.as_ref()), (Some(at(NOW)), Some(&old)));
    let kept = fleet_state.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW + 119));
    assert!(kept.runners.contains(&new), "a list may not show it yet");
    let gone = fleet_state.after_seeing(&scene.fleet, &scene.seen, at(NOW + 120));
    assert!(is_empty(&gone), "it never came");
}

#[test]
fn what_made_no_vm_is_forgotten_unless_an_earlier_request_for_it_may_arrive() {
    let name = Scene::new("").name(1, 0);
    let resumed = || StartReason::Interrupted { runner: name.clone() };
    let failed = || ProvisionOutcome::Failed(Failure::later("503"));
    let text = || "why".to_owned();
    // Whether the runner is known afterwards, and whether its start is resumed once more.
    for (reason, outcome, expected) in [
        (WHY, ProvisionOutcome::Started, Some(false)),
        (WHY, ProvisionOutcome::Unclear(text()), Some(false)),
        (WHY, ProvisionOutcome::LeftAlone(text()), None),
        (WHY, ProvisionOutcome::NoCapacity(text()), None),
        (WHY, failed(), None),
        (resumed(), ProvisionOutcome::Started, Some(false)),
        (resumed(), ProvisionOutcome::Unclear(text()), Some(false)),
        (resumed(), ProvisionOutcome::LeftAlone(text()), Some(true)),
        (resumed(), ProvisionOutcome::NoCapacity(text()), Some(true)),
        (resumed(), failed(), Some(true)),
    ] {
        let mut fleet_state = FleetState::default();
        fleet_state.begin(&name, &PROVISION, at(NOW));
        assert!(fleet_state.runners.get(&name).is_some_and(|known| known.is_unanswered), "before it is sent");
        let situation = format!("{reason:?} {outcome:?}");
        fleet_state.record(
            &name,
            &Completed::Provision { reason, is_from_standby: false, outcome },
            at(NOW + 5),
        );
        let known = fleet_state.runners.get(&name).map(|known| known.is_unanswered);
        assert_eq!(known, expected, "{situation}");
    }
}

#[test]
fn a_list_that_shows_the_vm_answers_a_start() {
    let mut scene = Scene::new("").runner(1, 0, Absent);
    let name = scene.name(1, 0);
    scene.fleet_state.begin(&name, &PROVISION, at(NOW));
    let known = see(&scene, 1).runners.get(&name).map(|known| known.is_unanswered);
    assert_eq!(known, Some(false));
}

#[test]
fn a_runner_is_offline_since_it_was_last_online() {
    let never = see(&Scene::new("").runner(1, 60, Offline), 0);
    let name = Scene::new("").name(1, 60);
    assert_eq!(never.runners.get(&name).expect("remembered").offline_since, None, "it boots");
    let mut scene = Scene::new("").runner(1, 60, Idle);
    scene.fleet_state = see(&scene, 0);
    let mut lost = Scene::new("").runner(1, 60, Offline);
    lost.fleet_state = scene.fleet_state;
    for later in [60, 120] {
        lost.fleet_state = see(&lost, later);
        assert_eq!(
            lost.fleet_state.runners.get(&name).expect("remembered").offline_since,
            Some(at(NOW + 60))
        );
    }
}

#[test]
fn a_runner_is_remembered_as_long_as_anything_shows_it() {
    let name = Scene::new("").name(1, 900);
    let all = [
        Scene::new("").vm(1, 900, ProvisioningState::Succeeded, PowerState::Running),
        Scene::new("").entry(1, 900, Idle),
        {
            let mut scene = Scene::new("").remember(1, 900, |_| {});
            scene.seen.in_flight.insert(name.clone(), Operation::Destroy);
            scene
        },
    ];
    for scene in all {
        assert!(see(&scene, 0).runners.contains(&name), "{scene:?}");
    }
    assert!(is_empty(&see(&Scene::new("").remember(1, 900, |_| {}), 0)));
}

#[test]
fn a_vm_without_an_entry_is_unregistered_since_it_was_seen_so_and_nobody_worked_on_it() {
    let since = |scene: &Scene| {
        see(scene, 7).runners.get(&scene.name(1, 900)).expect("remembered").unregistered_since
    };
    let mut bare = Scene::new("").runner(1, 900, Absent);
    assert_eq!(since(&bare), Some(at(NOW + 7)));
    bare.fleet_state = see(&bare, 0);
    assert_eq!(since(&bare), Some(at(NOW)), "the first time counts");
    let mut worked_on =
        Scene { fleet_state: bare.fleet_state.clone(), ..Scene::new("").runner(1, 900, Absent) };
    worked_on.seen.in_flight.insert(worked_on.name(1, 900), Operation::Install);
    assert_eq!(since(&worked_on), None);
    let registered = Scene { fleet_state: bare.fleet_state.clone(), ..Scene::new("").runner(1, 900, Idle) };
    assert_eq!(since(&registered), None);
}

#[test]
fn lists_that_do_not_show_a_vm_any_more_are_counted_unless_its_removal_was_asked_for() {
    let missed =
        |scene: &Scene| see(scene, 0).runners.get(&scene.name(1, 900)).expect("remembered").vm_missed;
    let entry = || Scene::new("").entry(1, 900, Idle);
    assert_eq!(missed(&entry().remember(1, 900, |known| known.vm_seen = true)), 1);
    let twice = |known: &mut RunnerState| (known.vm_seen, known.vm_missed) = (true, 1);
    assert_eq!(missed(&entry().remember(1, 900, twice)), 2);
    assert_eq!(missed(&entry().remember(1, 900, |_| {})), 0, "no list has ever shown it");
    let removed =
        |known: &mut RunnerState| (known.vm_seen, known.removal_asked) = (true, Some(at(NOW - 300)));
    assert_eq!(missed(&entry().remember(1, 900, removed)), 0, "it was removed from here");
    assert_eq!(missed(&Scene::new("").runner(1, 900, Idle).remember(1, 900, twice)), 0, "it is there again");
}

#[test]
fn a_place_that_a_fleet_has_left_is_looked_after_for_an_hour_after_its_last_vm() {
    let old = ResourceGroup { subscription_id: "s".to_owned(), name: "old".to_owned() };
    let mut scene = Scene::new("");
    let both = BTreeSet::from([scene.fleet.vm.group.clone(), old.clone()]);
    let groups = KnownGroups::since(both, Some(at(NOW - 3000)));
    scene.fleet_state = FleetState { groups, ..FleetState::default() };
    assert_eq!(see(&scene, 0).groups.moved_since(), Some(at(NOW - 3000)), "it goes on");
    assert_eq!(see(&scene, 600).groups().len(), 1, "the hour is over");
    let here = Scene { fleet_state: scene.fleet_state.clone(), ..Scene::new("").runner(1, 900, Busy) };
    assert_eq!(see(&here, 0).groups.moved_since(), Some(at(NOW - 3000)), "a VM that is where it belongs");
    let there = Scene { fleet_state: scene.fleet_state.clone(), ..Scene::new("").runner(1, 900, Busy) }
        .last_vm(|vm| vm.group = old.clone());
    assert_eq!(see(&there, 0).groups.moved_since(), None, "one is there still");
    let mut unread = Scene { fleet_state: scene.fleet_state.clone(), ..Scene::new("") };
    unread.seen.unread.insert(old, "403".to_owned());
    assert_eq!(see(&unread, 0).groups.moved_since(), None, "nobody knows whether one is there");
}

#[test]
fn a_start_that_came_to_nothing_begins_no_cooldown() {
    for (outcome, begins) in [
        (ProvisionOutcome::NoCapacity("no room".to_owned()), false),
        (ProvisionOutcome::Failed(Failure::later("no answer")), false),
        (ProvisionOutcome::Started, true),
        (ProvisionOutcome::Unclear("no answer".to_owned()), true),
        (ProvisionOutcome::LeftAlone("stopping".to_owned()), true),
    ] {
        let mut fleet_state = scaled();
        let completed = Completed::Provision { reason: WHY, is_from_standby: false, outcome };
        fleet_state.record(&Scene::new("").name(1, 0), &completed, at(NOW));
        assert_eq!(fleet_state.scaling.at.is_some(), begins, "{completed:?}");
    }
}

#[test]
fn a_runner_that_had_its_job_before_any_list_showed_it_ends_the_backoff() {
    let scene = Scene::new("");
    let failing = || FleetState {
        failures: StartBackoff {
            count: 3,
            last: Some(at(NOW)),
            why: "x".to_owned(),
            policy: ErrorPolicy::Later,
            console: None,
        },
        ..FleetState::default()
    };
    for (why, was_online, ends) in [
        (DrainReason::Finished, false, true),
        (DrainReason::Finished, true, false),
        (DrainReason::Surplus(ScalingReason::IDLE), false, false),
    ] {
        let mut fleet_state = failing();
        let (name, completed) = removed(&scene, 1, 900, why.clone());
        fleet_state.runners.entry(&name).was_online = was_online;
        fleet_state.record(&name, &completed, at(NOW + 5));
        assert_eq!(fleet_state.failures == StartBackoff::default(), ends, "{why:?} {was_online}");
        assert_eq!(fleet_state.runners.get(&name).expect("remembered").removal_asked, Some(at(NOW + 5)));
    }
}

#[test]
fn a_runner_that_never_came_online_is_a_start_that_failed_once() {
    let scene = Scene::new("");
    let broken = || DrainReason::Broken(BrokenReason::Stopped);
    for (was_online, was_counted, count) in [(false, false, 1), (true, false, 0), (false, true, 0)] {
        let mut fleet_state = FleetState::default();
        let (name, completed) = removed(&scene, 1, 900, broken());
        fleet_state.runners.entry(&name).was_online = was_online;
        fleet_state.runners.entry(&name).failed = was_counted.then(|| "told before".to_owned());
        fleet_state.record(&name, &completed, at(NOW));
        assert_eq!(fleet_state.failures.count, count, "online {was_online}, counted {was_counted}");
    }
}

/// The reason of a removal is that its VM was asked, from the second try on. The failed start was forgotten with the first.
#[test]
fn a_failed_start_is_returned_with_its_reason_once() {
    let (scene, text) = (Scene::new(""), || "why".to_owned());
    let name = scene.name(1, 60);
    let broken = BootstrapOutcome::Broken { why: text(), runner_id: None };
    for (outcome, expected) in [
        (ProvisionOutcome::Started, None),
        (ProvisionOutcome::Unclear(text()), None),
        (ProvisionOutcome::LeftAlone(text()), None),
        (ProvisionOutcome::NoCapacity(text()), Some(FailedStart::NoCapacity)),
        (ProvisionOutcome::Failed(Failure::later(text())), Some(FailedStart::Failed)),
        (ProvisionOutcome::Failed(Failure::stop(text())), Some(FailedStart::Refused)),
        (ProvisionOutcome::Bootstrap(broken), Some(FailedStart::NotInstalled)),
    ] {
        let completed = Completed::Provision { reason: WHY, is_from_standby: false, outcome };
        assert_eq!(FleetState::default().record(&name, &completed, at(NOW)), expected, "{completed:?}");
    }
    let limit = Duration::from_secs(600);
    let no_capacity = CallError::new(CallErrorKind::NoCapacity, "none");
    for (why, expected) in [
        (DrainReason::BootTimeout { age: limit, limit }, Some(FailedStart::NeverOnline)),
        (DrainReason::Broken(BrokenReason::NotRegistered { limit }), Some(FailedStart::NeverOnline)),
        (DrainReason::Broken(BrokenReason::VmFailed(None)), Some(FailedStart::VmFailed)),
        (DrainReason::NoCapacity(no_capacity), Some(FailedStart::NoCapacity)),
        (DrainReason::Finished, None),
    ] {
        let (name, completed) = removed(&scene, 1, 60, why);
        let Completed::Destroy { destroy, .. } = &completed else { panic!("a removal") };
        let asked = DestroyOutcome::Asked(text());
        let asked = Completed::Destroy { destroy: destroy.clone(), outcome: asked };
        let mut fleet_state = FleetState::default();
        assert_eq!(fleet_state.record(&name, &asked, at(NOW)), expected, "{asked:?}");
        assert_eq!(fleet_state.record(&name, &completed, at(NOW)), None, "it is counted already");
        assert_eq!(FleetState::default().record(&name, &completed, at(NOW)), expected, "{completed:?}");
    }
}

#[test]
fn a_start_whose_vm_is_asked_to_drain_first_has_failed_once() {
    let scene = Scene::new("");
    let timeout = DrainReason::BootTimeout { age: Duration::from_secs(660), limit: Duration::from_secs(600) };
    for (situation, first, then, count) in [
        ("never online", timeout.clone(), DrainReason::Asked(timeout.to_string()), 1),
        ("never registered", timeout.clone(), timeout.clone(), 1),
        ("no failed start", DrainReason::Surplus(ScalingReason::IDLE), DrainReason::Asked(String::new()), 0),
    ] {
        let mut fleet_state = FleetState::default();
        for (seconds, why, outcome) in [
            (0, first, DestroyOutcome::Asked("no answer".to_owned())),
            (200, then.clone(), DestroyOutcome::Asked("no answer".to_owned())),
            (400, then, DestroyOutcome::Removed),
        ] {
            let (name, completed) = removed(&scene, 1, 900, why);
            let Completed::Destroy { destroy, .. } = completed else { unreachable!("it is a removal") };
            fleet_state.record(&name, &Completed::Destroy { destroy, outcome }, at(NOW + seconds));
            assert_eq!(fleet_state.failures.count, count, "{situation}, after {seconds} s");
        }
    }
}

#[test]
fn what_the_daemon_asked_for_removed_and_installed_are_its_changes() {
    let mut fleet_state = FleetState::default();
    let one = RunnerState { asked_for: Some(at(1)), installed: Some(at(2)), ..RunnerState::default() };
    let other = RunnerState { removal_asked: Some(at(3)), idle_since: Some(at(9)), ..RunnerState::default() };
    let scene = Scene::new("");
    fleet_state.runners = [(scene.name(1, 0), one), (scene.name(2, 0), other)].into_iter().collect();
    let changes: BTreeSet<Timestamp> = fleet_state.changes().collect();
    assert_eq!(changes, BTreeSet::from([at(1), at(2), at(3)]));
}

/// Seed 1057 of simulated weeks: a clock that was set 199 s ahead made what was asked for 8 s ago older than lists lag.
#[test]
fn a_clock_that_is_set_ahead_makes_nothing_older() {
    let scene = Scene::new("");
    let name = scene.name(1, 0);
    let mut fleet_state = scaled();
    fleet_state.begin(&name, &PROVISION, at(NOW));
    let seen = |fleet_state: FleetState| fleet_state.after_seeing(&scene.fleet, &scene.seen, at(NOW + 207));
    assert!(is_empty(&seen(fleet_state.clone())), "by the clock alone it is missing for too long");
    fleet_state.clock_was_set_ahead(Duration::from_secs(199));
    let fleet_state = seen(fleet_state);
    assert_eq!(fleet_state.runners.get(&name).and_then(|known| known.asked_for), Some(at(NOW + 199)));
    assert_eq!(fleet_state.scaling.at, Some(at(NOW + 199)), "nor does a cooldown end by it");
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

/// As version 0.1 wrote it.
const OLDER_FILE: &str = r#"{
  "last_scaling": "2026-01-02T03:04:05Z",
  "scaled_under": "0123456789abcdef",
  "runners": {
    "NAME": {
      "asked_for": "2026-01-02T03:04:05Z", "replaces": null, "vm_seen": true, "made": "2026-01-02T03:05:05Z",
      "vm_missed": 1, "is_spot": true, "entry_seen": true, "unregistered_since": null, "was_online": true,
      "runner_id": 7, "installed": null, "failed": "config.sh failed", "ended": false,
      "jobs": {"taken": 2, "is_busy": true, "last": 11},
      "idle_since": "2026-01-02T03:06:05Z", "offline_since": null, "removal_asked": null,
      "counted_until": "2026-01-02T03:07:05Z"
    }
  },
  "failures": {"count": 3, "last": "2026-01-02T03:04:05Z", "why": "no answer", "remedy": "later"},
  "places": {
    "setbacks": [
      [
        {"Machines": {"location": "westeurope", "size": "Standard_D4s_v5", "zone": null, "spot": false}},
        {"in_a_row": 2, "at": "2026-01-02T03:04:05Z", "until": "2026-01-02T03:05:05Z", "why": "AllocationFailed"}
      ]
    ]
  },
  "groups": [{"subscription_id": "s", "name": "new"}, {"subscription_id": "s", "name": "old"}],
  "moved_since": "2026-01-02T03:04:05Z",
  "ledger": {
    "since": "2026-01-01T00:00:00Z", "jobs": 9,
    "spent": [
      {
        "size": "Standard_D4s_v5", "region": "westeurope", "spot": true,
        "starting_ms": 1, "busy_ms": 2, "idle_ms": 3, "leaving_ms": 4
      }
    ]
  }
}"#;

#[test]
fn the_state_file_of_an_older_version_is_read_and_written_as_it_was() {
    let name = Scene::new("").name(1, 60);
    let text = OLDER_FILE.replace("NAME", name.as_str());
    let fleet_state: FleetState = serde_json::from_str(&text).expect("it is read");
    let known = fleet_state.runners.get(&name).expect("remembered");
    assert_eq!((known.jobs.taken, known.runner_id), (2, Some(crate::model::RunnerId(7))));
    assert_eq!((fleet_state.groups().len(), fleet_state.failures.count, fleet_state.ledger.jobs), (2, 3, 9));
    assert_eq!(fleet_state.scaling.under.as_deref(), Some("0123456789abcdef"));
    assert!(fleet_state.groups.moved_since().is_some() && fleet_state.capacity != CapacityBackoff::default());
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let written = serde_json::to_string(&fleet_state).expect("it is written");
    // Keys of places are in lower case, as Azure spells them in several.
    assert_eq!(
        value(&written),
        value(&text.replace("\"Standard_D4s_v5\", \"zone\"", "\"standard_d4s_v5\", \"zone\""))
    );
}

#[test]
fn a_state_file_that_lacks_parts_or_has_others_is_read() {
    let partly = r#"{"last_scaling": null, "ledger": {"jobs": 2}, "of_a_newer_version": {"a": [1]}}"#;
    let fleet_state: FleetState = serde_json::from_str(partly).expect("it is read");
    assert_eq!(
        fleet_state,
        FleetState { ledger: Ledger { jobs: 2, ..Ledger::default() }, ..FleetState::default() }
    );
    assert_eq!(serde_json::from_str::<FleetState>("{}").expect("it is read"), FleetState::default());
}

/// Seed 354 of a day: an entry that GitHub kept as busy for hours, without a VM, kept idle runners warm.
#[test]
fn a_job_that_waits_or_runs_is_the_fleets_last_one_but_not_that_of_a_runner_that_is_gone() {
    let last_job = |scene: &Scene| see(scene, 0).last_job;
    assert_eq!(last_job(&Scene::new("").runner(1, 900, Idle)), None);
    assert_eq!(last_job(&Scene::new("").pending(1, 5)), Some(at(NOW)));
    let mut busy = Scene::new("").runner(1, 900, Busy);
    assert_eq!(last_job(&busy), Some(at(NOW)));
    for entry in busy.seen.entries.as_mut().expect("read").values_mut() {
        Arc::make_mut(entry).status = RunnerStatus::Offline;
    }
    assert_eq!(last_job(&busy), Some(at(NOW)), "its VM is there");
    busy.seen.vms = Ok(std::collections::BTreeMap::new());
    assert_eq!(last_job(&busy), None);
}

/// Hours that raise `standby` begin as much earlier as it takes to set up a VM, and one that is started from standby says
/// nothing of that.
#[test]
fn a_boot_is_that_of_a_new_vm_until_it_is_online_or_on_standby() {
    let scene = Scene::new("[warm]\nstandby = 2")
        .vm(1, 600, ProvisioningState::Succeeded, PowerState::Deallocated)
        .last_vm(|vm| vm.tags.standby = Some(StandbyTag::Kept))
        .remember(1, 600, |known| (known.asked_for, known.is_for_standby) = (Some(at(NOW - 600)), true))
        .runner(2, 900, Idle)
        .remember(2, 900, |known| (known.asked_for, known.used) = (Some(at(NOW - 20)), Some(at(NOW - 20))))
        .runner(3, 90, Idle)
        .remember(3, 90, |known| known.asked_for = Some(at(NOW - 90)))
        // Seed 66: with an old state file, what was started from standby seemed to have booted for 14 hours, and the
        // hours of a fleet held 14 hours early.
        .runner(4, 50_000, Idle)
        .remember(4, 50_000, |known| known.asked_for = Some(at(NOW - 50_000)));
    let seen = see(&scene, 0);
    let again = seen.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW + 60));
    let boots = serde_json::to_value(&seen.boots).expect("JSON");
    assert_eq!(boots, serde_json::json!([600, 90]));
    assert_eq!(again.boots, seen.boots, "each counts once");
}
