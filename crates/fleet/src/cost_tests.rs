//! What VMs have cost, look by look.

use super::*;
use crate::memory::Memory;
use crate::plan::scene::Entry::{Absent, Busy, Idle};
use crate::plan::scene::{Entry, NOW, Scene};
use crate::plan::{Action, Deregister, Destroy, Outcome};
use crate::runner::DrainReason;
use crate::runner_name::RunnerName;
use crate::testing::at;

/// A runner that was asked for at `NOW`, looked at so many seconds later, as it is then.
fn looks(looks: &[(i64, Entry)]) -> Memory {
    looks.iter().fold(
        Memory::default().after_seeing(&empty().fleet, &empty().seen, at(NOW)),
        |memory, look| {
            let (later, entry) = *look;
            let scene = Scene::new("").runner(1, 0, entry);
            memory.after_seeing(&scene.fleet, &scene.seen, at(NOW + later))
        },
    )
}

fn empty() -> Scene {
    Scene::new("")
}

fn spent(memory: &Memory) -> [u64; 4] {
    let spent = memory.ledger.spent.first().cloned().unwrap_or_default();
    [spent.starting_ms, spent.busy_ms, spent.idle_ms, spent.leaving_ms].map(|ms| ms / 1000)
}

#[test]
fn time_counts_as_what_the_last_look_has_shown() {
    type Case<'a> = (&'a str, &'a [(i64, Entry)], [u64; 4], u64);
    let table: &[Case<'_>] = &[
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
        let memory = looks(seen);
        assert_eq!(spent(&memory), expected, "{what}: starting, busy, idle, leaving");
        assert_eq!(memory.ledger.jobs, jobs, "{what}: jobs");
    }
}

#[test]
fn what_was_before_the_count_began_is_not_counted() {
    let scene = Scene::new("").runner(1, 3600, Idle);
    let memory = Memory::default().after_seeing(&scene.fleet, &scene.seen, at(NOW));
    assert_eq!((memory.ledger.since, spent(&memory)), (Some(at(NOW)), [0; 4]));
}

#[test]
fn a_job_that_no_look_has_shown_counts_when_its_runner_goes() {
    let destroy = |runner: RunnerName, why: DrainReason| {
        let (first, scope) = (Deregister::Nothing, empty().fleet.scope);
        Action::Destroy(Destroy { runner, scope, first, vm: None, stop: None, why, reason: String::new() })
    };
    let table = [
        ("it had its job", looks(&[(60, Absent)]), DrainReason::Finished, 1),
        ("which was seen", looks(&[(60, Busy)]), DrainReason::Finished, 1),
        ("it never came up", looks(&[(60, Absent)]), DrainReason::BootTimeout(String::new()), 0),
    ];
    for (what, mut memory, why, jobs) in table {
        let name = memory.runners.keys().next().expect("a runner").clone();
        memory.record(&name, &destroy(name.clone(), why), &Outcome::Removed, at(NOW + 120));
        assert_eq!(memory.ledger.jobs, jobs, "{what}");
    }
}

#[test]
fn it_is_told_in_dollars() {
    let mut prices = Prices { as_of: "2027-01-31".to_owned(), ..Prices::default() };
    let memory = looks(&[(900, Idle), (1800, Busy), (3600, Busy), (4050, Absent)]);
    let seen = Scene::new("").runner(1, 0, Busy).seen;
    let of = |prices: &Prices| Cost::of(&memory.ledger, &seen, prices).expect("VMs were seen");

    let unknown = of(&prices);
    assert_eq!((unknown.total, unknown.idle_share), (0.0, None));
    assert_eq!(unknown.unpriced, ["Standard_D4s_v5"]);

    prices.on_demand.set("eastus", "Standard_D4s_v5", 200_000);
    let estimated = of(&prices);
    assert_eq!((estimated.estimated.len(), estimated.unpriced.len()), (1, 0));

    prices.on_demand.set(&memory.ledger.spent[0].region, "Standard_D4s_v5", 400_000);
    let cost = of(&prices);
    let parts = (cost.starting, cost.idle, cost.busy, cost.leaving);
    assert_eq!(parts, (0.1, 0.1, 0.2, 0.05));
    assert_eq!((cost.total, cost.per_hour, cost.idle_share), (0.45, 0.4, Some(0.222_222)));
    assert_eq!((cost.jobs, cost.per_job), (1, Some(0.45)));
    assert_eq!(cost.prices_as_of, "2027-01-31");
    assert!(cost.estimated.is_empty() && cost.unpriced.is_empty());
    assert_eq!(cost.age(at(NOW + 3600)), Duration::from_secs(3600));

    let mut two = memory.ledger.clone();
    two.jobs = 2;
    let cost = Cost::of(&two, &seen, &prices).expect("VMs were seen");
    assert_eq!(cost.per_job, Some(0.225));
}

#[test]
fn there_is_something_to_tell_once_anything_costs() {
    let ledger = Ledger { since: Some(at(NOW)), ..Ledger::default() };
    let none = Cost::of(&ledger, &empty().seen, &Prices::default()).expect("it is counted");
    assert!(!none.is_something());
    assert_eq!((none.per_job, none.idle_share), (None, None));
    for cost in [
        Cost { total: 0.1, ..none.clone() },
        Cost { per_hour: 0.1, ..none.clone() },
        Cost { unpriced: vec!["Standard_M416".to_owned()], ..none },
    ] {
        assert!(cost.is_something(), "{cost:?}");
    }
}

#[test]
fn nothing_is_told_before_anything_was_seen() {
    assert_eq!(Cost::of(&Ledger::default(), &empty().seen, &Prices::default()), None);
}

#[test]
fn vms_of_two_prices_are_counted_apart() {
    let mut scene = Scene::new("").runner(1, 0, Idle).runner(2, 0, Idle);
    let name = scene.name(2, 0);
    std::sync::Arc::make_mut(scene.vms().get_mut(&name).expect("a VM")).spot = true;
    let memory = Memory::default().after_seeing(&scene.fleet, &empty().seen, at(NOW));
    let memory = memory.after_seeing(&scene.fleet, &scene.seen, at(NOW + 60));
    let kinds: Vec<(bool, u64)> =
        memory.ledger.spent.iter().map(|spent| (spent.spot, spent.starting_ms)).collect();
    assert_eq!(kinds, [(false, 60_000), (true, 60_000)]);
}
