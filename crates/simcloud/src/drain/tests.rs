//! A VM that is asked to drain, idle or busy.

use jiff::Timestamp;

use super::*;
use crate::Workload;
use crate::fixture::sim_vm;
use crate::github::{JobState, SimRunner};

const START: Timestamp = Timestamp::UNIX_EPOCH;
/// Creation takes 10 s, the boot 20 s more, and the runner is online 5 s later.
const ONLINE: u64 = 35;
const PACE: &str = "settings = { create = '10s', boot = '20s', register = '5s', delete = '30s' }";

/// A world with one VM, whose runner is idle.
fn world(faults: &str) -> (World, u64) {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{PACE}\n{faults}"));
    let mut world = World::new(&workload.expect("a workload"), START);
    let runner = sim_vm(&mut world, &"repo:o/r".parse().expect("valid"), "a");
    (world, runner)
}

fn until(world: &mut World, at: u64) {
    world.advance(START + Duration::from_secs(at));
}

fn job(world: &mut World, seconds: u64) -> u64 {
    world.submit("o/r", vec![(vec!["docker".to_owned()], Duration::from_secs(seconds))], Vec::new())[0]
}

fn entry(world: &World, id: u64) -> &SimRunner {
    &world.state.github.runners[&id]
}

fn is_running(world: &World) -> Option<bool> {
    world.state.azure.vms.get(&key("s", "g", "a")).and_then(|vm| vm.power.map(|_| vm.is_running()))
}

fn ask(world: &mut World) {
    assert!(world.set_user_data("S", "G", "A", &STANDARD.encode("azlin-drain\n")));
}

#[test]
fn an_idle_vm_that_is_asked_powers_off_and_github_notices_later() {
    let (mut world, id) = world("");
    until(&mut world, ONLINE);
    ask(&mut world);
    until(&mut world, ONLINE + 1);
    assert_eq!(is_running(&world), Some(true));
    until(&mut world, ONLINE + 8);
    assert_eq!(is_running(&world), Some(false));
    until(&mut world, ONLINE + 40);
    assert!(!entry(&world, id).online);
    let waits = job(&mut world, 1);
    assert!(world.state.github.queued.contains(&waits), "it is given no job");
}

#[test]
fn a_busy_vm_refuses_until_its_job_is_done() {
    let (mut world, id) = world("");
    let long = job(&mut world, 100);
    until(&mut world, ONLINE);
    assert!(world.set_user_data("s", "g", "a", &STANDARD.encode("azlin-drain 7")));
    until(&mut world, ONLINE + 99);
    assert_eq!((is_running(&world), entry(&world, id).job), (Some(true), Some(long)));
    let vm = &world.state.azure.vms[&key("s", "g", "a")];
    assert_eq!(vm.guest.refusal.as_deref(), Some("azlin-drain 7: busy"));
    let uid = vm.uid;
    assert_eq!(world.drain(uid), DrainAnswer::Busy);
    until(&mut world, ONLINE + 120);
    assert_eq!(is_running(&world), Some(false));
    assert_eq!((world.report().jobs_completed, world.report().jobs_killed), (1, 0));
}

#[test]
fn a_job_that_a_drained_listener_was_given_goes_back_to_the_queue() {
    let (mut world, id) = world("");
    until(&mut world, ONLINE);
    let uid = world.state.azure.vms[&key("s", "g", "a")].uid;
    assert_eq!(world.drain(uid), DrainAnswer::Ended);
    let given = job(&mut world, 1);
    assert_eq!(entry(&world, id).job, Some(given));
    let is_queued = |world: &World| world.state.github.jobs[&given].state == JobState::Queued;
    assert!(is_queued(&world) && !world.state.github.queued.contains(&given));
    assert!(world.state.github.jobs[&given].runner.is_some(), "it is queued and names a runner");
    until(&mut world, ONLINE + 59);
    assert!(!world.state.github.queued.contains(&given));
    until(&mut world, ONLINE + 61);
    assert!(is_queued(&world) && world.state.github.queued.contains(&given));
    assert_eq!((entry(&world, id).job, entry(&world, id).online), (None, false));
    assert_eq!(world.report().jobs_lost_to_faults, 0);
}

#[test]
fn a_vm_that_was_asked_before_it_boots_never_comes_online() {
    let (mut world, id) = world("");
    until(&mut world, 20);
    ask(&mut world);
    until(&mut world, 29);
    assert_eq!(is_running(&world), Some(true));
    until(&mut world, 60);
    assert_eq!((is_running(&world), entry(&world, id).online), (Some(false), false));
}

#[test]
fn other_user_data_and_a_deaf_guest_change_nothing() {
    for (fault, text) in [("", "azlin-rest\n"), ("[[faults]]\nwhat = 'guest_deaf'\n", "azlin-drain\n")] {
        let (mut world, id) = world(fault);
        until(&mut world, ONLINE);
        assert!(world.set_user_data("s", "g", "a", &STANDARD.encode(text)));
        until(&mut world, ONLINE + 3600);
        assert_eq!((is_running(&world), entry(&world, id).online), (Some(true), true), "{fault}");
    }
    assert!(!world("").0.set_user_data("s", "g", "other", ""));
}
