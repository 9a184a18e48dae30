//! VMs that were asked to drain, and entries without a VM.

use super::*;

/// A runner of the given age that was online, and whose VM was asked to drain so long ago, and again so long ago.
fn asked(entry: crate::fixture::Entry, since: i64, last: i64) -> Scene {
    Scene::new("").runner(1, 9000, entry).remember(1, 9000, move |known| {
        known.was_online = true;
        known.drain.since = Some(at(NOW - since));
        known.drain.asked = Some(at(NOW - last));
        known.drain.why = "it is surplus".to_owned();
    })
}

#[test]
fn a_vm_that_was_asked_to_drain_has_time_to_answer() {
    let over_ssh = |since, last| {
        asked(Idle, since, last).last_vm(|vm| vm.tags.host_key = Some("ssh-ed25519 AAAA".into()))
    };
    let never_online =
        |since, last| asked(Offline, since, last).remember(1, 9000, |known| known.was_online = false);
    let stopped = |scene: Scene| scene.last_vm(|vm| vm.power = Stopped);
    for (situation, scene, expected) in [
        ("asked a moment ago", asked(Idle, 10, 10), ""),
        ("its entry is gone meanwhile", asked(Absent, 10, 10), ""),
        ("it has stopped", stopped(asked(Idle, 10, 10)), "-1"),
        ("it has stopped, and GitHub still calls it busy", stopped(asked(Busy, 10, 10)), "-1"),
        ("asked five minutes ago", asked(Idle, 300, 300), "-1?"),
        ("asked again a moment ago", asked(Idle, 5399, 10), ""),
        ("for ninety minutes nothing has shown a job", asked(Idle, 5400, 10), "-1!"),
        ("over SSH it is asked every minute", over_ssh(60, 60), "-1@"),
        ("over SSH, a moment ago", over_ssh(59, 59), ""),
        ("it was never online, and had its two minutes", never_online(120, 10), "-1!"),
        ("it was never online, and has them yet", never_online(119, 10), ""),
    ] {
        assert_eq!(scene.brief(), expected, "{situation}");
    }
    let plan = asked(Idle, 10, 10).pending(1, 90).plan();
    assert_eq!(plan.runners[0].status.kind().as_str(), "draining");
    assert_eq!(plan.decision.current_runner_count, 0, "it may power off at any moment");
}

#[test]
fn whatever_shows_a_job_begins_the_time_to_answer_anew() {
    let busy = asked(Busy, 5399, 10);
    let named = |entry| {
        let mut scene = asked(entry, 5399, 10);
        let name = scene.name(1, 9000).to_string();
        scene.seen.working.insert(name.into(), crate::fixture::runs(7));
        scene
    };
    for (situation, scene, is_forgotten) in [
        ("GitHub calls it busy", busy, true),
        ("a queue names it", named(Idle), true),
        ("a queue names it, and its entry is gone", named(Absent), true),
        ("nothing does", asked(Idle, 5399, 10), false),
    ] {
        let after = scene.fleet_state.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW));
        let known = after.runners.get(&scene.name(1, 9000)).expect("it is there");
        assert_eq!(known.drain.since.is_none(), is_forgotten, "{situation}");
    }
}

#[test]
fn the_word_of_its_vm_that_a_job_runs_counts_against_github_s() {
    let said = |ago, entry| {
        let scene = Scene::new("").runner(1, 900, entry);
        scene.remember(1, 900, move |known| known.said_busy = Some(at(NOW - ago)))
    };
    for entry in [Idle, Offline, Absent] {
        assert_eq!(said(299, entry).brief(), "", "{entry:?}");
        assert_eq!(said(300, entry).brief(), "-1?", "{entry:?}");
    }
    let mut scene = Scene::new("").runner(1, 900, Idle);
    let [action] = <[Action; 1]>::try_from(scene.plan().actions).expect("it is surplus");
    let name = scene.name(1, 900);
    let Action::Destroy(destroy) = action else { panic!("{action:?}") };
    let mut ended = |outcome| {
        let completed = Completed::Destroy { destroy: destroy.clone(), outcome };
        scene.fleet_state.record(&name, &completed, at(NOW));
        scene.brief()
    };
    assert_eq!(ended(DestroyOutcome::LeftAlone("the list lags".to_owned())), "-1?", "it was not asked");
    assert_eq!(ended(DestroyOutcome::Asked("no answer".to_owned())), "", "it was asked");
    assert_eq!(ended(DestroyOutcome::Busy), "");
    let plan = scene.plan();
    assert_eq!((plan.actions.len(), plan.runners[0].status.kind().as_str()), (0, "active"));
}

#[test]
fn an_entry_that_stays_busy_without_a_vm_takes_no_room_is_told_and_tried_less_and_less() {
    let stuck = |since: i64, count, last: i64| {
        let mut scene = Scene::new("max_runners = 1").pending(1, 90).entry(1, 9000, Busy);
        let name = scene.name(1, 9000);
        let entry = std::sync::Arc::make_mut(
            scene.seen.entries.as_mut().expect("read").get_mut(&name).expect("it is there"),
        );
        entry.status = crate::model::RunnerStatus::Offline;
        scene.remember(1, 9000, move |known| {
            known.entry_refused.since = Some(at(NOW - since));
            known.entry_refused.count = count;
            known.entry_refused.last = (count > 0).then(|| at(NOW - last));
        })
    };
    for (situation, scene, expected) in [
        ("its VM may be in the next list", stuck(119, 0, 0), ""),
        ("no list shows a VM", stuck(120, 0, 0), "-1 +"),
        ("refused a moment ago", stuck(200, 1, 59), "+"),
        ("refused a minute ago", stuck(200, 1, 60), "-1 +"),
        ("refused often", stuck(9000, 9, 3599), "+"),
        ("refused often, an hour ago", stuck(9000, 9, 3600), "-1 +"),
    ] {
        assert_eq!(scene.brief(), expected, "{situation}");
    }
    let told = |since| stuck(since, 1, 1).plan().left_alone.map(|told| told.to_string());
    assert_eq!(told(599), None);
    assert!(told(600).expect("told").contains("busy and offline for 10m"), "{:?}", told(600));
}
