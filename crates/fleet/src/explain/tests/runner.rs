//! Why runners still exist, and what changes without a person.

use super::*;
use crate::fixture::{Entry, NOW, Scene, at, runs};
use crate::model::{CallError, CallErrorKind, PowerState, ProvisioningState, UnfitScope};

fn explained(scene: &Scene, number: u32, age: i64) -> Explanation {
    let (plan, queue) = (scene.plan(), Queue::default());
    let view = FleetView {
        fleet: &scene.fleet,
        seen: &scene.seen,
        fleet_state: &scene.fleet_state,
        plan: &plan,
        queue: Ok(&queue),
        now: at(NOW),
    };
    let name = scene.name(number, age);
    let found = plan.runners.iter().find(|each| each.runner_name == name).expect("it is on the roster");
    runner(found, &view)
}

#[test]
fn why_each_runner_lives_and_when_it_goes() {
    let idle = |scaling: &str| Scene::new(scaling).runner(1, 600, Entry::Idle);
    let offline = |mut scene: Scene, seconds: i64| {
        scene = scene.remember(1, 600, |known| {
            known.was_online = true;
            known.entry_seen = true;
            known.offline_since = Some(at(NOW - seconds));
        });
        scene
    };
    let cooling = |mut scene: Scene| {
        scene.fleet_state.scaling.at = Some(at(NOW - 100));
        scene
    };
    let rows: Vec<(&str, Scene, u32, i64, Vec<&str>)> = vec![
        (
            "it runs a job",
            {
                let mut scene = Scene::new("").runner(1, 600, Entry::Busy);
                let name = scene.name(1, 600).to_string();
                scene.seen.working.insert(name.into(), runs(99));
                scene
            },
            1,
            600,
            vec!["runs a job, and goes once its job is done", "runs job 99", "never ended"],
        ),
        (
            "the minimum",
            idle("min_runners = 1"),
            1,
            600,
            vec!["is kept by min_runners (1)", "as surplus when that is lowered", "in 23h 50m, at "],
        ),
        ("by hand", idle("manual_count = 1"), 1, 600, vec!["is kept by manual_count (1)"]),
        ("jobs", idle("").pending(1, 5), 1, 600, vec!["is kept for 1 queued job"]),
        (
            "the cooldown",
            cooling(idle("")),
            1,
            600,
            vec!["is kept by the cooldown, which ends in 3m 20s", "one of 1 runner over the target of 0"],
        ),
        (
            "the threshold",
            idle("scale_down_threshold = 1"),
            1,
            600,
            vec!["is kept by scale_down_threshold (1)"],
        ),
        (
            "half a queue",
            {
                let mut scene = idle("");
                scene.seen.demand.as_mut().expect("set").missing.push("500 runs".to_owned());
                scene
            },
            1,
            600,
            vec!["only partly known", "once the queue is read whole"],
        ),
        (
            "surplus",
            idle(""),
            1,
            600,
            vec!["is removed by the next tick", "1 runner more than needed", "systemctl status"],
        ),
        (
            "off",
            {
                let mut scene = idle("");
                scene.fleet.enabled = false;
                scene
            },
            1,
            600,
            vec!["is removed by the next tick", "not enabled"],
        ),
        (
            "offline",
            offline(Scene::new("min_runners = 1").runner(1, 600, Entry::Offline), 60),
            1,
            600,
            vec![
                "is offline for 1m, and replaced in 4m, at ",
                "registration broken",
                "offline_timeout is 5m",
            ],
        ),
        (
            "offline for too long",
            offline(Scene::new("min_runners = 1").runner(1, 600, Entry::Offline), 400),
            1,
            600,
            vec!["is removed by the next tick: offline for 6m 40s"],
        ),
        (
            "it boots",
            Scene::new("min_runners = 1").vm(1, 60, ProvisioningState::Creating, PowerState::Unknown).entry(
                1,
                60,
                Entry::Offline,
            ),
            1,
            60,
            vec!["has been starting for 1m", "VM waits", "has not been online", "replaced in 9m, at "],
        ),
        (
            "it boots for too long",
            Scene::new("").runner(1, 700, Entry::Offline),
            1,
            700,
            vec!["is removed by the next tick", "boot_timeout"],
        ),
        (
            "it had its job",
            Scene::new("").runner(1, 700, Entry::Absent),
            1,
            700,
            vec!["is removed by the next tick: its job is finished"],
        ),
        (
            "Azure removes it",
            Scene::new("").vm(1, 700, ProvisioningState::Deleting, PowerState::Unknown),
            1,
            700,
            vec!["is being removed", "VM broken"],
        ),
        (
            "another GitHub's",
            Scene::new("").runner(1, 700, Entry::Absent).last_vm(|vm| vm.tags.github = "ghe.example".into()),
            1,
            700,
            vec!["is left alone: it belongs to another GitHub", "delete the VM by hand"],
        ),
        (
            "online without a VM",
            Scene::new("").entry(1, 700, Entry::Idle),
            1,
            700,
            vec!["is left alone", "VM broken", "delete it by hand"],
        ),
        (
            "due for rotation, another first",
            Scene::new("min_runners = 2").runner(1, 90_000, Entry::Idle).runner(2, 90_001, Entry::Idle),
            1,
            90_000,
            vec!["is kept by min_runners (2)", "due to be replaced", "rotation_interval"],
        ),
        (
            "replaced",
            Scene::new("min_runners = 1")
                .runner(1, 90_000, Entry::Idle)
                .vm(2, 60, ProvisioningState::Succeeded, PowerState::Running)
                .entry(2, 60, Entry::Offline)
                .last_vm(|vm| vm.tags.replaces = Some(Scene::new("").name(1, 90_000).to_string().into())),
            1,
            90_000,
            vec!["is kept until ci-", "takes its place"],
        ),
    ];
    let mut wrong = Vec::new();
    for (situation, scene, number, age, words) in rows {
        let explanation = explained(&scene, number, age);
        let links = explanation.links.iter().map(|link| {
            let state = format!("{:?}", link.state).to_ascii_lowercase();
            format!(
                "{} {state}: {} | {}",
                link.link.as_str(),
                link.what,
                link.cure.clone().unwrap_or_default()
            )
        });
        let said = format!("{}\n  {}", explanation.verdict, links.collect::<Vec<_>>().join("\n  "));
        if !words.iter().all(|word| said.contains(word)) {
            wrong.push(format!("{situation}: wanted {words:?}, was told\n  {said}"));
        }
        assert!(!said.contains(" , ") && !said.contains("  |"), "{situation}: {said}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_runner_is_idle_since_it_was_first_seen_so() {
    let idle = Scene::new("").runner(1, 600, Entry::Idle);
    let busy = Scene::new("").runner(1, 600, Entry::Busy);
    let since =
        |fleet_state: &FleetState| fleet_state.runners.iter().next().and_then(|(_, known)| known.idle_since);
    let fleet_state = FleetState::default().after_seeing(&idle.fleet, &idle.seen, at(NOW - 100));
    let fleet_state = fleet_state.after_seeing(&idle.fleet, &idle.seen, at(NOW));
    assert_eq!(since(&fleet_state), Some(at(NOW - 100)));
    let fleet_state = fleet_state.after_seeing(&busy.fleet, &busy.seen, at(NOW + 60));
    assert_eq!(since(&fleet_state), None, "it runs a job");
    let fleet_state = fleet_state.after_seeing(&idle.fleet, &idle.seen, at(NOW + 120));
    assert_eq!(since(&fleet_state), Some(at(NOW + 120)));
}

#[test]
fn what_changes_by_itself_is_told_the_soonest_first() {
    let mut scene = Scene::new("scale_up_threshold = 0")
        .pending(1, 20)
        .vm(1, 60, ProvisioningState::Creating, PowerState::Unknown)
        .entry(1, 60, Entry::Offline)
        .runner(2, 600, Entry::Busy)
        .pending(4, 20);
    scene.fleet_state.scaling.at = Some(at(NOW - 290));
    let (plan, queue) = (scene.plan(), Queue::default());
    let (fleet, seen, fleet_state) = (&scene.fleet, &scene.seen, &scene.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&queue), now: at(NOW) };
    let changes = next_changes(&view);
    let told: Vec<String> = changes
        .iter()
        .map(|change| format!("in {}: {}", in_words(elapsed(at(NOW), change.at)), change.what))
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "in 10s: the cooldown of 5m ends");
    assert_eq!(told[1], "in 40s: job 1 (o/r: build) has waited max_queue_wait (1m)");
    assert!(told[2].starts_with("in 9m: boot_timeout of ci-"), "{told:?}");

    let served = Scene::new("").pending(2, 20).runner(1, 60, Entry::Offline);
    let (plan, fleet, seen, fleet_state) = (served.plan(), &served.fleet, &served.seen, &served.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&queue), now: at(NOW) };
    let told: Vec<String> = next_changes(&view).into_iter().map(|change| change.what).collect();
    assert!(
        told.len() == 1 && told[0].starts_with("boot_timeout of "),
        "a runner comes for the job: {told:?}"
    );
}

#[test]
fn it_is_told_when_a_closed_place_opens() {
    let mut scene = Scene::new("");
    let refused = CallError::new(CallErrorKind::Unfit(UnfitScope::Size), "VMSizeNotSupported");
    let offering = scene.fleet.vm.offerings(true).remove(0);
    scene.fleet_state.capacity.refused(&scene.fleet, &offering, &refused, at(NOW - 3600));
    let (plan, queue) = (scene.plan(), Queue::default());
    let (fleet, seen, fleet_state) = (&scene.fleet, &scene.seen, &scene.fleet_state);
    let view = FleetView { fleet, seen, fleet_state, plan: &plan, queue: Ok(&queue), now: at(NOW) };
    let expected = NextChange {
        at: at(NOW + 5 * 3600),
        what: format!("{} in {} is asked for again", offering.size, offering.location),
    };
    assert_eq!(next_changes(&view), [expected]);
}

#[test]
fn what_is_explained_has_a_name() {
    let job = |name: Option<&str>| ExplainedItem::Job {
        pool: None,
        id: JobId(7),
        name: name.map(str::to_owned),
        repo: None,
        workflow: None,
        link: None,
    };
    assert_eq!(job(Some("build")).to_string(), "job 7 (build)");
    assert_eq!(job(None).to_string(), "job 7");
    let scene = Scene::new("").runner(1, 600, Entry::Idle);
    let about = ExplainedItem::Runner { pool: scene.fleet.name.clone(), name: scene.name(1, 600) };
    assert_eq!(about.to_string(), format!("runner {}", scene.name(1, 600)));
}

#[test]
fn a_moment_is_told_with_its_day_where_it_is_not_near() {
    let hours = |hours: i64| when(at(hours * 3600), at(0));
    assert_eq!(hours(0), "at once");
    assert_eq!(hours(11), "in 11h, at 19:00:00 UTC");
    assert_eq!(hours(12), "in 12h, at 2027-01-15 20:00 UTC");
}

/// The text of one link of a runner's chain, with its state.
fn link(scene: &Scene, number: u32, age: i64, step: &str) -> String {
    let explanation = explained(scene, number, age);
    let found = explanation.links.iter().find(|link| link.link.as_str() == step).expect("each has it");
    format!("{:?}: {}", found.state, found.what)
}

#[test]
fn what_github_knows_of_it() {
    let one = |entry| Scene::new("min_runners = 1").runner(1, 60, entry);
    let was_there = |known: &mut crate::state::RunnerState| known.entry_seen = true;
    for (scene, expected) in [
        (one(Entry::Idle), "Holds: runner 1 at repo:o/r, online"),
        (one(Entry::Offline), "Waits: runner 1 at repo:o/r, which has not been online yet"),
        (one(Entry::Absent).remember(1, 60, was_there), "Broken: its entry is gone from repo:o/r"),
        (
            one(Entry::Absent).remember(1, 60, |known| known.ended = true),
            "Broken: its entry is gone from repo:o/r",
        ),
        (one(Entry::Absent), "Waits: it has no entry at repo:o/r"),
    ] {
        assert_eq!(link(&scene, 1, 60, "registration"), expected);
    }
}

#[test]
fn how_its_vm_is() {
    use PowerState::{Deallocated, Deallocating, Running, Starting, Stopped, Stopping, Unknown};
    use ProvisioningState::{Creating, Failed, Succeeded};
    for (provisioning, power, expected) in [
        (Succeeded, Running, "Holds"),
        (Succeeded, Unknown, "Holds"),
        (Succeeded, Starting, "Holds"),
        (Succeeded, Stopping, "Broken"),
        (Succeeded, Stopped, "Broken"),
        (Succeeded, Deallocating, "Broken"),
        (Succeeded, Deallocated, "Broken"),
        (Creating, Unknown, "Waits"),
        (Failed, Unknown, "Broken"),
    ] {
        let scene = Scene::new("").vm(1, 60, provisioning, power).entry(1, 60, Entry::Idle);
        let told = link(&scene, 1, 60, "VM");
        assert!(told.starts_with(expected), "{provisioning:?} {power:?}: {told}");
    }
}

#[test]
fn of_several_each_is_kept_or_removed_for_itself() {
    let two = Scene::new("min_runners = 1").runner(1, 900, Entry::Idle).runner(2, 600, Entry::Idle);
    assert!(explained(&two, 1, 900).verdict.starts_with("is removed by the next tick"));
    let verdict = explained(&two, 2, 600).verdict;
    assert!(verdict.starts_with("is kept by min_runners (1)"), "{verdict}");
    let few_jobs = Scene::new("min_runners = 2").runner(1, 900, Entry::Idle).runner(2, 600, Entry::Idle);
    let verdict = explained(&few_jobs.pending(1, 5), 2, 600).verdict;
    assert!(verdict.starts_with("is kept by min_runners (2)"), "one would do for the job: {verdict}");
}
