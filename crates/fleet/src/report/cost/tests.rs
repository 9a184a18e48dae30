//! What VMs have cost, poll by poll.

use super::*;
use crate::fixture::{
    Entry::{self, Absent, Busy, Idle},
    NOW, Scene, at,
};
use crate::model::{Completed, Destroy, DestroyOutcome, DrainReason, EntryRef, Proof, RunnerName};
use crate::state::FleetState;

/// The state of a fleet whose runner was requested at `NOW`, after polls this many seconds later, each with
/// its entry.
fn looks(looks: &[(i64, Entry)]) -> FleetState {
    looks.iter().fold(
        FleetState::default().after_seeing(&empty().fleet, &empty().seen, at(NOW)),
        |fleet_state, look| {
            let (later, entry) = *look;
            let scene = Scene::new("").runner(1, 0, entry);
            fleet_state.after_seeing(&scene.fleet, &scene.seen, at(NOW + later))
        },
    )
}

fn empty() -> Scene {
    Scene::new("")
}

fn spent(fleet_state: &FleetState) -> [u64; 4] {
    let spent = fleet_state.ledger.spent.first().cloned().unwrap_or_default();
    [Use::Starting, Use::Busy, Use::Idle, Use::Leaving].map(|of| spent.time[of] / 1000)
}

#[test]
fn time_counts_as_what_the_last_look_has_shown() {
    type CostCase<'a> = (&'a str, &'a [(i64, Entry)], [u64; 4], u64);
    let table: &[CostCase<'_>] = &[
        ("it starts", &[(60, Absent)], [60, 0, 0, 0], 0),
        ("until it is seen online", &[(60, Absent), (120, Idle)], [120, 0, 0, 0], 0),
        ("then it idles", &[(60, Idle), (120, Idle), (180, Busy)], [60, 0, 120, 0], 1),
        ("works", &[(60, Busy), (120, Busy)], [60, 60, 0, 0], 1),
        ("ends its job", &[(60, Busy), (120, Busy), (180, Absent)], [60, 60, 0, 60], 1),
        (
            "and a clock that is set back costs nothing",
            &[(60, Idle), (30, Idle), (90, Idle)],
            [60, 0, 60, 0],
            0,
        ),
    ];
    for &(what, seen, expected, jobs) in table {
        let fleet_state = looks(seen);
        assert_eq!(spent(&fleet_state), expected, "{what}: starting, busy, idle, leaving");
        assert_eq!(fleet_state.ledger.jobs, jobs, "{what}: jobs");
    }
}

#[test]
fn what_was_before_the_count_began_is_not_counted() {
    let scene = Scene::new("").runner(1, 3600, Idle);
    let fleet_state = FleetState::default().after_seeing(&scene.fleet, &scene.seen, at(NOW));
    assert_eq!((fleet_state.ledger.since, spent(&fleet_state)), (Some(at(NOW)), [0; 4]));
}

#[test]
fn a_job_that_no_look_has_shown_counts_when_its_runner_goes() {
    let removed = |runner: RunnerName, why: DrainReason| {
        let (entry, scope) = (EntryRef::Unlisted(None), empty().fleet.scope);
        let destroy =
            Destroy { runner, scope, entry, vm: None, proof: Proof::Stopped, frees_room: false, why };
        Completed::Destroy { destroy, outcome: DestroyOutcome::Removed }
    };
    let late = DrainReason::BootTimeout { age: Duration::from_secs(900), limit: Duration::from_secs(600) };
    let table = [
        ("it had its job", looks(&[(60, Absent)]), DrainReason::Finished, 1),
        ("which was seen", looks(&[(60, Busy)]), DrainReason::Finished, 1),
        ("it never came up", looks(&[(60, Absent)]), late, 0),
    ];
    for (what, mut fleet_state, why, jobs) in table {
        let name = fleet_state.runners.names().next().expect("a runner").clone();
        fleet_state.record(&name, &removed(name.clone(), why), at(NOW + 120));
        assert_eq!(fleet_state.ledger.jobs, jobs, "{what}");
    }
}

#[test]
fn it_is_told_in_dollars() {
    let mut prices = Prices { as_of: "2027-01-31".to_owned(), ..Prices::default() };
    let fleet_state = looks(&[(900, Idle), (1800, Busy), (3600, Busy), (4050, Absent)]);
    let seen = Scene::new("").runner(1, 0, Busy).seen;
    let of = |prices: &Prices| Cost::of(&fleet_state.ledger, &seen, prices, None).expect("VMs were seen");

    let unknown = of(&prices);
    assert_eq!((unknown.total, unknown.idle_share), (0.0, None));
    assert_eq!(unknown.unpriced, ["Standard_D4s_v5"]);
    assert_eq!(unknown.per_hour, None, "unknown is not zero");

    prices.on_demand.set("eastus", "Standard_D4s_v5", 200_000);
    let estimated = of(&prices);
    assert_eq!((estimated.estimated.len(), estimated.unpriced.len()), (1, 0));

    prices.on_demand.set(&fleet_state.ledger.spent[0].region, "Standard_D4s_v5", 400_000);
    let cost = of(&prices);
    assert_eq!(Use::ALL.map(|of| cost.by_use[of]), [0.1, 0.2, 0.1, 0.05, 0.0]);
    assert_eq!((cost.total, cost.per_hour, cost.idle_share), (0.45, Some(0.4), Some(0.222_222)));
    assert_eq!((cost.jobs, cost.per_job), (1, Some(0.45)));
    assert_eq!(cost.prices_as_of, "2027-01-31");
    assert!(cost.estimated.is_empty() && cost.unpriced.is_empty());
    assert_eq!(cost.age(at(NOW + 3600)), Duration::from_secs(3600));

    let mut two = fleet_state.ledger.clone();
    two.jobs = 2;
    let cost = Cost::of(&two, &seen, &prices, None).expect("VMs were seen");
    assert_eq!(cost.per_job, Some(0.225));
}

#[test]
fn there_is_something_to_tell_once_anything_costs() {
    let ledger = Ledger { since: Some(at(NOW)), ..Ledger::default() };
    let none = Cost::of(&ledger, &empty().seen, &Prices::default(), None).expect("it is counted");
    assert!(!none.is_something());
    assert_eq!((none.per_job, none.idle_share), (None, None));
    for cost in [
        Cost { total: 0.1, ..none.clone() },
        Cost { per_hour: Some(0.1), ..none.clone() },
        Cost { unpriced: vec!["Standard_M416".to_owned()], ..none },
    ] {
        assert!(cost.is_something(), "{cost:?}");
    }
}

#[test]
fn nothing_is_told_before_anything_was_seen() {
    assert_eq!(Cost::of(&Ledger::default(), &empty().seen, &Prices::default(), None), None);
}

#[test]
fn vms_of_two_prices_are_counted_apart() {
    let mut scene = Scene::new("").runner(1, 0, Idle).runner(2, 0, Idle);
    let name = scene.name(2, 0);
    Arc::make_mut(scene.vms().get_mut(&name).expect("a VM")).spot = true;
    let fleet_state = FleetState::default().after_seeing(&scene.fleet, &empty().seen, at(NOW));
    let fleet_state = fleet_state.after_seeing(&scene.fleet, &scene.seen, at(NOW + 60));
    let kinds: Vec<(bool, u64)> =
        fleet_state.ledger.spent.iter().map(|spent| (spent.spot, spent.time[Use::Starting])).collect();
    assert_eq!(kinds, [(false, 60_000), (true, 60_000)]);
}

/// The sum of no numbers is -0, which JSON and metrics would show.
#[test]
fn a_fleet_without_vms_costs_nothing_without_a_sign() {
    let scene = empty();
    let fleet_state = looks(&[]);
    let cost = Cost::of(&fleet_state.ledger, &scene.seen, &Prices::default(), None).expect("it counts");
    let shown = serde_json::to_string(&cost).expect("it is written");
    assert!(cost.per_hour.is_some_and(f64::is_sign_positive) && cost.total.is_sign_positive(), "{shown}");
    assert!(!shown.contains(":-0"), "{shown}");
}
