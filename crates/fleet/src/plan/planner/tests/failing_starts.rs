//! Starts that fail: when the next one is tried, and where.

use super::*;

fn start() -> Action {
    Action::Provision {
        replaces: None,
        standby: None,
        offerings: vec![],
        reason: StartReason::Scaling(ScalingReason::IDLE),
    }
}

#[test]
fn starts_that_fail_are_tried_less_and_less_often() {
    let mut scene = Scene::new("").pending(8, 1);
    let action = start();
    let name = scene.name(1, 0);
    let mut waits = Vec::new();
    let mut now = NOW;
    for _ in 0..9 {
        let failed = Completed::failed(action.clone(), Failure::later("no capacity"));
        scene.fleet_state.record(&name, &failed, at(now));
        scene.fleet_state.record(&name, &failed, at(now));
        let wait = scene.fleet_state.failures.wait_left(at(now)).expect("a wait begins").as_secs();
        waits.push(wait);
        now += i64::try_from(wait).expect("short");
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
    scene.fleet_state.failures.last = Some(at(NOW));
    assert_eq!(scene.brief(), "");
    assert!(
        scene.plan().decision.reason.to_string().contains("no capacity"),
        "{}",
        scene.plan().decision.reason
    );
    scene.fleet_state.failures.last = Some(at(NOW - 3600));
    scene.fleet.vm.sizes = vec!["Standard_A2_v2".to_owned(), "Standard_D4s_v5".to_owned()];
    assert_eq!(first_sizes(&scene), ["Standard_D4s_v5"; 4], "the next begins with another size or zone");
}

#[test]
fn what_only_a_person_can_fix_stops_the_fleet_but_for_one_try_every_two_minutes() {
    let mut scene = Scene::new("").pending(8, 1);
    let action = start();
    let refused = Failure::from(CallError::new(CallErrorKind::Invalid, "400 InvalidParameter"));
    assert_eq!(refused.policy, ErrorPolicy::Stop);
    // However often it is refused, and whatever came before.
    for (failure, age) in [(Failure::later("503"), 900), (refused.clone(), 600), (refused, 119)] {
        scene.fleet_state.record(
            &scene.name(1, 0),
            &Completed::failed(action.clone(), failure),
            at(NOW - age),
        );
    }
    assert_eq!(scene.fleet_state.failures.wait_left(at(NOW)), Some(Duration::from_secs(1)));
    let reason = scene.plan().decision.reason.to_string();
    assert!(
        reason.contains("stopped until a person acts") && reason.contains("InvalidParameter"),
        "{reason}"
    );
    assert_eq!(scene.brief(), "");
    scene.fleet_state.failures.last = Some(at(NOW - 120));
    assert_eq!(scene.brief(), "+", "one try of the four that are wanted");
}

fn first_sizes(scene: &Scene) -> Vec<String> {
    let size = |action: Action| match action {
        Action::Provision { offerings, .. } => offerings.first().map(|place| place.size.clone()),
        Action::Install(_)
        | Action::Destroy(_)
        | Action::Prepare { .. }
        | Action::Deallocate(_)
        | Action::ClearUserData(_) => None,
    };
    scene.plan().actions.into_iter().filter_map(size).collect()
}

#[test]
fn a_size_that_is_not_to_be_had_is_passed_over_and_where_none_is_nothing_is_asked_for() {
    let mut scene = Scene::new("").pending(8, 1);
    scene.fleet.vm.sizes = vec!["Standard_A2_v2".to_owned(), "Standard_D4s_v5".to_owned()];
    let offerings = scene.fleet.vm.offerings(true);
    let refused = CallError::new(CallErrorKind::NoCapacity, "AllocationFailed");
    scene.fleet_state.capacity.refused(&scene.fleet, &offerings[0], &refused, at(NOW - 1));
    assert_eq!(first_sizes(&scene), ["Standard_D4s_v5"; 4]);
    assert_eq!(scene.plan().no_room, None);
    scene.fleet_state.capacity.refused(&scene.fleet, &offerings[1], &refused, at(NOW));
    let plan = scene.plan();
    assert_eq!(scene.brief(), "");
    assert!(!plan.scales, "it begins no cooldown");
    assert!(
        plan.decision.reason.to_string().contains("AllocationFailed; next try in 29s"),
        "{}",
        plan.decision.reason
    );
    assert!(plan.no_room.is_some());
}

#[test]
fn where_azure_never_makes_the_vms_one_start_in_two_minutes_shows_whether_a_person_acted() {
    let mut scene = Scene::new("").pending(8, 1);
    let offerings = scene.fleet.vm.offerings(true);
    let refused = CallError::new(CallErrorKind::Unfit(UnfitScope::Region), "RequestDisallowedByAzure");
    scene.fleet_state.capacity.refused(&scene.fleet, &offerings[0], &refused, at(NOW - 119));
    let plan = scene.plan();
    assert_eq!((scene.brief().as_str(), plan.scales), ("", false));
    assert_eq!(plan.closed.len(), 1);
    let reason = plan.decision.reason.to_string();
    assert!(
        reason.contains("westeurope is closed since") && reason.contains("RequestDisallowedByAzure"),
        "{reason}"
    );
    scene.fleet_state.capacity = crate::state::CapacityBackoff::default();
    scene.fleet_state.capacity.refused(&scene.fleet, &offerings[0], &refused, at(NOW - 120));
    assert_eq!(first_sizes(&scene).len(), 1, "one try, not eight");
}

#[test]
fn a_vm_that_azure_had_no_room_for_goes_and_counts_as_no_failed_start() {
    for (trouble, counts) in [
        (CallErrorKind::NoCapacity, 0),
        (CallErrorKind::NoQuota(QuotaScope::Family), 0),
        (CallErrorKind::Unfit(UnfitScope::Size), 0),
        (CallErrorKind::Blocked, 1),
        (CallErrorKind::Unavailable, 1),
    ] {
        let scene = Scene::new("").vm(1, 60, Failed, Unknown);
        let mut scene = scene.last_vm(|vm| vm.failure = Some(CallError::new(trouble, "AllocationFailed")));
        let [action] = scene.plan().actions.try_into().expect("it is removed");
        let Action::Destroy(destroy) = action else { panic!("{action:?}") };
        assert_eq!(destroy.why.to_string(), "Azure could not make its VM: AllocationFailed");
        let runner = destroy.runner.clone();
        let removed = Completed::Destroy { destroy, outcome: DestroyOutcome::Removed };
        scene.fleet_state.record(&runner, &removed, at(NOW));
        assert_eq!(scene.fleet_state.failures.count, counts, "{trouble:?}");
        assert_eq!(scene.fleet_state.failures.is_stopped(), trouble == CallErrorKind::Blocked, "{trouble:?}");
    }
}

#[test]
fn a_runner_that_comes_online_ends_the_backoff() {
    let mut scene = Scene::new("").runner(1, 60, Idle);
    scene.fleet_state.failures = crate::state::StartBackoff {
        count: 5,
        last: Some(at(NOW)),
        why: "x".to_owned(),
        ..Default::default()
    };
    let fleet_state = scene.fleet_state.clone().after_seeing(&scene.fleet, &scene.seen, at(NOW));
    assert_eq!(fleet_state.failures, crate::state::StartBackoff::default());
}
