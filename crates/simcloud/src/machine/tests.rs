//! The life of a VM, its runner and its job, in order.

use std::time::Duration;

use azlin_fleet::model::Scope;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::azure::key;
use crate::fault::Lag;
use crate::github::{Conclusion, JobState, SimRunner};
use crate::{Removal, Workload, World};

const START: Timestamp = Timestamp::UNIX_EPOCH;
/// Creation takes 10 s, the boot 20 s more, and the runner is online 5 s later.
const ONLINE: u64 = 35;
const PACE: &str =
    "settings = { create = '10s', boot = '20s', register = '5s', delete = '30s', lost_after = '10m' }";

fn world(more: &str) -> World {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{PACE}\n{more}"));
    World::new(&workload.expect("a workload"), START)
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn until(world: &mut World, at: u64) {
    world.advance(START + seconds(at));
}

fn submit(world: &mut World, jobs: usize, then: usize) -> Vec<u64> {
    let job = || (vec!["Self-Hosted".to_owned(), "docker".to_owned()], seconds(100));
    world.submit("o/r", (0..jobs).map(|_| job()).collect(), (0..then).map(|_| job()).collect())
}

/// A VM that becomes a runner with the label `docker`.
fn vm(world: &mut World, name: &str, more: &[(&str, Value)]) -> u64 {
    let labels = vec!["self-hosted".to_owned(), "Docker".to_owned()];
    let (runner, jit) = world.jit_config(&scope(), name, 1, labels).expect("a runner");
    let custom_data = STANDARD.encode(format!("#cloud-config\nrun: {jit}\nthen: poweroff\n"));
    let mut body = json!({"location": "l", "properties": {
        "osProfile": {"customData": custom_data},
        "storageProfile": {"osDisk": {"deleteOption": "Delete"}},
        "networkProfile": {"networkInterfaceConfigurations": [{"properties": {"deleteOption": "Delete"}}]},
    }});
    for (property, value) in more {
        body["properties"][property] = value.clone();
    }
    world.put_vm("s", "g", name, body, true).expect("a VM");
    runner.id
}

fn entry(world: &World, id: u64) -> Option<&SimRunner> {
    world.state.github.runner(&scope(), id)
}

fn is_running(world: &World, name: &str) -> Option<bool> {
    world.state.azure.vms.get(&key("s", "g", name)).and_then(|vm| vm.power.map(|_| vm.is_running()))
}

fn state(world: &World, job: u64) -> JobState {
    world.state.github.jobs[&job].state
}

#[test]
fn a_vm_becomes_a_runner_takes_one_job_and_stops() {
    let mut world = world("");
    let job = submit(&mut world, 1, 0)[0];
    let id = vm(&mut world, "a", &[]);
    until(&mut world, ONLINE - 1);
    assert!(!entry(&world, id).expect("an entry").online);
    until(&mut world, ONLINE);
    let runner = entry(&world, id).expect("an entry");
    assert_eq!((runner.online, runner.job), (true, Some(job)));
    assert_eq!(world.deregister(&scope(), id), Removal::Busy);
    until(&mut world, ONLINE + 100);
    assert_eq!(state(&world, job), JobState::Completed(Conclusion::Success));
    assert!(entry(&world, id).is_none());
    assert_eq!(world.deregister(&scope(), id), Removal::NotFound);
    until(&mut world, ONLINE + 102);
    assert_eq!(is_running(&world, "a"), Some(false));
    assert!(world.delete_vm("s", "g", "A"));
    until(&mut world, ONLINE + 132);
    assert!(!world.delete_vm("s", "g", "a"));
    let report = world.report();
    assert_eq!((report.jobs_completed, report.vms_left, report.vms_leaking), (1, 0, 0));
    assert_eq!(report.wait_p95_s, 35.0);
    assert!(world.is_at_rest());
}

#[test]
fn who_deletes_a_vm_kills_its_job_and_github_notices_late() {
    let mut world = world("");
    let job = submit(&mut world, 1, 1)[0];
    let id = vm(&mut world, "a", &[]);
    until(&mut world, ONLINE + 50);
    world.delete_vm("s", "g", "a");
    until(&mut world, ONLINE + 50 + 599);
    let runner = entry(&world, id).expect("an entry");
    assert_eq!((runner.online, runner.job), (false, Some(job)));
    assert_eq!(world.deregister(&scope(), id), Removal::Busy);
    until(&mut world, ONLINE + 50 + 600);
    assert_eq!(state(&world, job), JobState::Completed(Conclusion::Failure));
    assert_eq!(world.deregister(&scope(), id), Removal::Removed);
    let report = world.report();
    assert_eq!((report.jobs_killed, report.jobs_lost_to_faults, report.jobs_submitted), (1, 0, 1));
    for (status, runs) in [("completed", 1), ("failure", 1), ("success", 0), ("in_progress", 0)] {
        assert_eq!(world.state.github.runs_with("O/R", Some(status)).len(), runs, "{status}");
    }
}

#[test]
fn an_idle_runner_whose_vm_is_deleted_kills_nothing_and_gets_no_job() {
    let mut world = world("");
    vm(&mut world, "a", &[]);
    until(&mut world, ONLINE);
    world.delete_vm("s", "g", "a");
    let job = submit(&mut world, 1, 0)[0];
    until(&mut world, 1000);
    assert_eq!((state(&world, job), world.report().jobs_killed), (JobState::Queued, 0));
}

#[test]
fn an_evicted_vm_is_removed_or_stops_as_its_policy_says_and_its_job_is_the_weathers() {
    for (policy, left) in [("Delete", 0), ("Deallocate", 1)] {
        let mut world = world("[[faults]]\nwhat = 'eviction'\n");
        submit(&mut world, 1, 0);
        vm(&mut world, "a", &[("evictionPolicy", json!(policy))]);
        until(&mut world, ONLINE + 100);
        let report = world.report();
        assert_eq!((report.jobs_killed, report.jobs_lost_to_faults), (0, 1), "{policy}");
        assert_eq!((report.vms_left, report.runners_left), (left, 1), "{policy}");
    }
}

#[test]
fn jobs_behind_needs_come_when_all_that_they_need_succeeded() {
    let mut world = world("");
    submit(&mut world, 2, 3);
    for name in ["a", "b"] {
        vm(&mut world, name, &[]);
    }
    until(&mut world, ONLINE + 99);
    assert_eq!(world.report().jobs_submitted, 2);
    until(&mut world, ONLINE + 100);
    let run = world.state.github.runs.values().next().expect("a run");
    assert_eq!((world.report().jobs_submitted, world.state.github.status(run)), (2 + 3, "in_progress"));
}

#[test]
fn github_gives_up_a_job_after_a_day_in_the_queue_and_it_counts_as_unserved() {
    const DAY: u64 = 24 * 3600;
    let mut world = world("");
    let job = submit(&mut world, 1, 0)[0];
    until(&mut world, DAY - 1);
    assert_eq!(state(&world, job), JobState::Queued);
    until(&mut world, DAY);
    assert_eq!(state(&world, job), JobState::Completed(Conclusion::Cancelled));
    assert_eq!(world.report().jobs_unserved, 1);
    assert!(world.is_at_rest(), "there is nothing to wait for");
}

#[test]
fn an_entry_goes_after_a_day_without_connection() {
    const DAY: u64 = 24 * 3600;
    let mut world = world("");
    let (never, _) = world.jit_config(&scope(), "never", 1, vec!["x".to_owned()]).expect("a runner");
    let stays = vm(&mut world, "stays", &[]);
    let lost = vm(&mut world, "lost", &[]);
    until(&mut world, 1000);
    world.delete_vm("s", "g", "lost");
    let there = |world: &World| [never.id, stays, lost].map(|id| entry(world, id).is_some());
    until(&mut world, DAY);
    assert_eq!(there(&world), [false, true, true]);
    until(&mut world, DAY + 1000);
    assert_eq!(there(&world), [false, true, false]);
}

#[test]
fn a_name_in_use_is_refused_or_overwritten_and_what_is_left_behind_is_counted() {
    let mut world = world("");
    vm(&mut world, "a", &[]);
    let refusal = world.put_vm("S", "G", "A", json!({}), true).expect_err("it is there");
    assert_eq!((refusal.status, refusal.code), (412, "PreconditionFailed"));
    world.put_vm("s", "g", "a", json!({}), false).expect("a VM in its place");
    world.delete_vm("s", "g", "a");
    let report = world.report();
    assert_eq!((report.overwrites, report.vms_leaking, report.peak_vms), (1, 1, 1));
}

#[test]
fn many_small_steps_and_one_large_step_are_the_same() {
    let faults = "[[arrivals]]\nrepo = 'o/r'\nlabels = ['docker']\njobs = [1, 4]\nduration = ['1s', '5m']\n\
        every = ['10s', '90s']\nuntil = '30m'\nheld = ['0s', '20s']\nthen = 2\n\
        [[faults]]\nwhat = 'dies_in_job'\nprobability = 0.3\n[[faults]]\nwhat = 'cancelled'\nprobability = 0.2\n";
    let end = |step: u64| {
        let mut world = world(faults);
        for name in 0..40 {
            vm(&mut world, &format!("vm-{name}"), &[]);
        }
        for at in (0..=7200).step_by(usize::try_from(step).expect("small")) {
            until(&mut world, at);
        }
        (world.report(), format!("{:?}", world.state.github))
    };
    let whole = end(7200);
    assert!(whole.0.jobs_completed > 10 && whole.0.jobs_lost_to_faults > 0, "{:?}", whole.0);
    for step in [1, 7, 600] {
        assert_eq!(end(step), whole, "steps of {step} s");
    }
}

#[test]
fn a_stale_list_is_how_things_were() {
    let mut world = world("[[faults]]\nwhat = { stale = '60s' }\n");
    until(&mut world, 100);
    let (runner, _) = world.jit_config(&scope(), "a", 1, vec!["x".to_owned()]).expect("a runner");
    let listed = |world: &World, ago| {
        world.seen(Lag { ago: seconds(ago), is_patchy: false }).github.runner(&scope(), runner.id).is_some()
    };
    until(&mut world, 130);
    assert_eq!((listed(&world, 0), listed(&world, 60)), (true, false));
    until(&mut world, 170);
    assert_eq!((listed(&world, 0), listed(&world, 60)), (true, true));
}

#[test]
fn a_token_is_good_until_it_expires() {
    let mut world =
        World::new(&Workload::parse("settings = { token_life = '10m' }").expect("a workload"), START);
    let (token, expires_at) = world.issue_token();
    assert_eq!(expires_at, START + seconds(600));
    assert_eq!(world.token_expires_at(&token), Some(expires_at));
    assert_eq!(world.token_expires_at("another"), None);
    assert_ne!(world.issue_token().0, token);
}

#[test]
fn a_seed_brings_the_same_jobs_whatever_is_asked_of_the_world() {
    let arrivals = "[[arrivals]]\nrepo = 'o/r'\nlabels = ['docker']\nduration = ['1s', '1h']\njobs = [1, 9]\n\
        every = ['10s', '5m']\nuntil = '2h'\n";
    let jobs = |is_busy: bool| {
        let mut world = world(arrivals);
        for minute in 0..120 {
            until(&mut world, minute * 60);
            if is_busy {
                vm(&mut world, &format!("vm-{minute}"), &[]);
            }
        }
        let jobs = world.state.github.jobs.values();
        jobs.map(|job| (job.created_at, job.duration)).collect::<Vec<_>>()
    };
    assert!(jobs(false).len() > 50);
    assert_eq!(jobs(true), jobs(false));
}
