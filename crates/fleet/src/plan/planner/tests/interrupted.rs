//! Starts that a crash interrupted.

use super::*;
use crate::model::StartReason;

/// The scene after the daemon died while it requested this VM.
fn interrupted(scene: Scene, number: u32, ago: i64) -> Scene {
    let name = scene.name(number, ago);
    let scene = scene.remember(number, ago, |known| known.ask_for(None, at(NOW - ago)));
    assert!(scene.fleet_state.runners.get(&name).is_some_and(|known| known.is_unanswered));
    scene
}

fn two(jobs: u32) -> Scene {
    interrupted(interrupted(Scene::new("jobs_per_runner = 1").pending(jobs, 300), 1, 20), 2, 20)
}

#[test]
fn an_interrupted_start_is_resumed_under_its_own_name_where_the_fleet_needs_it() {
    let in_flight = || {
        let mut scene = two(2);
        scene.seen.in_flight.insert(scene.name(1, 20), Operation::Provision { replaces: None });
        scene
    };
    let disabled = || {
        let mut scene = two(2);
        scene.fleet.enabled = false;
        scene
    };
    let failing = |policy| {
        let mut scene = two(3);
        scene.fleet_state.failures.add("503", policy, at(NOW - 180));
        scene
    };
    let moved = || {
        let mut scene = two(2);
        let old = ResourceGroup { name: "old".to_owned(), ..scene.fleet.vm.group.clone() };
        let groups = BTreeSet::from([old, scene.fleet.vm.group.clone()]);
        scene.fleet_state.groups = KnownGroups::since(groups, None);
        scene
    };
    let answered = |scene: Scene| scene.remember(1, 20, |known| known.answered(at(NOW - 10)));
    for (situation, scene, expected) in [
        ("all are needed", two(2), "^1 ^2"),
        ("more are needed", two(4), "^1 ^2 + +"),
        ("one is needed", two(1), "^2"),
        ("none is needed", two(0), ""),
        ("one is under way", in_flight(), "^2"),
        ("a list shows the VM of one", two(2).vm(1, 20, Creating, Unknown), "^2"),
        ("GitHub has the entry of one", two(2).entry(1, 20, Offline), "^1 ^2"),
        ("the runner of one is online", two(2).entry(1, 20, Idle), "^2"),
        ("Azure's answer to one is recorded", answered(two(2)), "^2"),
        ("lists show all that was requested then", interrupted(Scene::new("").pending(1, 300), 1, 120), "+"),
        ("the fleet is disabled", disabled(), ""),
        ("starts wait after one that failed", failing(ErrorPolicy::Later), "^1 ^2 +"),
        ("only a person can help: one try shows whether it is fixed", failing(ErrorPolicy::Stop), "^1"),
        ("the fleet has moved: the VM may be in the old group", moved(), ""),
    ] {
        assert_eq!(scene.brief(), expected, "{situation}");
    }
}

#[test]
fn a_plan_that_is_only_shown_leaves_the_starts_to_the_daemon() {
    let mut scene = two(4);
    scene.fleet_state = scene.fleet_state.with_starts_under_way();
    assert_eq!(scene.brief(), "+ +");
}

#[test]
fn a_resumed_start_is_no_scaling_action_and_says_why_it_is_started() {
    let plan = two(2).plan();
    assert_eq!((plan.scales, plan.decision.action), (false, ScalingAction::Maintain));
    let reasons: Vec<String> = plan.actions.iter().map(|action| action.reason().to_string()).collect();
    assert_eq!(reasons, ["its start was interrupted, and is resumed under its own name"; 2]);
}

#[test]
fn an_interrupted_replacement_replaces_the_same_runner() {
    let scene = Scene::new("min_runners = 1").runner(1, 25 * 3600, Idle);
    let old = scene.name(1, 25 * 3600);
    let scene = scene.remember(2, 20, |known| known.ask_for(Some(&old), at(NOW - 20)));
    let replaces = scene.plan().actions.into_iter().find_map(|action| match action {
        Action::Provision { replaces, reason: StartReason::Interrupted { .. }, .. } => replaces,
        Action::Provision { .. }
        | Action::Install(_)
        | Action::Destroy(_)
        | Action::Prepare { .. }
        | Action::Deallocate(_)
        | Action::ClearUserData(_) => None,
    });
    assert_eq!(replaces, Some(old));
}
