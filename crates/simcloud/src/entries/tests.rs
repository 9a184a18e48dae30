//! The broker, the list and `DELETE` differ about a runner.

use jiff::Timestamp;

use super::*;
use crate::azure::key;
use crate::fixture::sim_vm;
use crate::{Workload, World};

const START: Timestamp = Timestamp::UNIX_EPOCH;
/// Creation takes 10 s, the boot 20 s more, and the runner is online 5 s later.
const ONLINE: u64 = 35;
const PACE: &str =
    "settings = { create = '10s', boot = '20s', register = '5s', delete = '30s', lost_after = '10m' }";

/// A world with this fault, in which the runner of one VM has had a job of 1,000 s for 10 s.
fn busy(fault: &str) -> (World, u64, u64) {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{PACE}\n[[faults]]\n{fault}\n"));
    let mut world = World::new(&workload.expect("a workload"), START);
    let runner = sim_vm(&mut world, &scope(), "a");
    let jobs = vec![(vec!["docker".to_owned()], Duration::from_secs(1000))];
    let job = world.submit("o/r", jobs, Vec::new())[0];
    until(&mut world, ONLINE + 10);
    assert_eq!(world.state.github.runners[&runner].job, Some(job), "{fault}");
    (world, runner, job)
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

fn until(world: &mut World, at: u64) {
    world.advance(START + Duration::from_secs(at));
}

fn is_running(world: &World) -> bool {
    world.state.azure.vms[&key("s", "g", "a")].is_running()
}

fn listed(world: &mut World) -> Vec<(bool, bool)> {
    let entries = world.shown_runners(&scope(), Lag::default());
    entries.iter().map(|entry| (entry.online, entry.is_busy())).collect()
}

#[test]
fn a_list_calls_a_busy_runner_idle_for_a_while_and_the_broker_knows_better() {
    let (mut world, id, job) = busy("what = 'list_idle'\nfrom = '2m'\nuntil = '1h'");
    assert_eq!(listed(&mut world), [(true, true)]);
    until(&mut world, 120);
    assert_eq!(listed(&mut world), [(true, false)]);
    assert_eq!(world.one_runner(&scope(), id).map(|entry| entry.is_busy()), Some(false));
    assert_eq!(world.state.github.runners[&id].job, Some(job));
    assert_eq!(world.deregister(&scope(), id), Removal::Busy);
}

#[test]
fn a_list_that_errs_in_some_looks_changes_its_mind_in_mid_job() {
    let (mut world, ..) = busy("what = 'list_idle'\nprobability = 0.5");
    let looks: Vec<bool> = (0..50).map(|_| listed(&mut world)[0].1).collect();
    assert!(looks.contains(&true) && looks.contains(&false), "{looks:?}");
}

#[test]
fn a_busy_runner_that_is_deregistered_cancels_its_own_job_and_ends() {
    let (mut world, id, job) = busy("what = 'delete_idle'");
    assert_eq!(world.deregister(&scope(), id), Removal::Removed);
    assert_eq!(world.state.github.jobs[&job].state, JobState::Completed(Conclusion::Cancelled));
    assert_eq!(world.report().jobs_killed, 1);
    assert!(listed(&mut world).is_empty() && is_running(&world));
    until(&mut world, ONLINE + 12);
    assert!(!is_running(&world), "its VM powers off");
    until(&mut world, ONLINE + 2000);
    assert_eq!((world.report().jobs_completed, world.report().jobs_lost_to_faults), (0, 0));
}

#[test]
fn an_entry_vanishes_under_a_runner_whose_job_goes_on() {
    let (mut world, id, job) = busy("what = 'entry_vanishes'");
    until(&mut world, ONLINE + 999);
    assert!(listed(&mut world).is_empty() && is_running(&world));
    assert!(world.one_runner(&scope(), id).is_none());
    assert_eq!(world.deregister(&scope(), id), Removal::NotFound);
    assert_eq!(world.state.github.jobs[&job].state, JobState::InProgress);
    until(&mut world, ONLINE + 1003);
    assert_eq!(world.state.github.jobs[&job].state, JobState::Completed(Conclusion::Success));
    assert!(!is_running(&world));
    assert!(world.state.github.runners.is_empty());
}

#[test]
fn who_deletes_the_vm_of_a_runner_without_an_entry_kills_its_job() {
    let (mut world, ..) = busy("what = 'entry_vanishes'");
    until(&mut world, ONLINE + 999);
    world.delete_vm("s", "g", "a");
    assert_eq!(world.report().jobs_killed, 1);
    until(&mut world, ONLINE + 999 + 601);
    assert!(world.state.github.runners.is_empty(), "nothing is kept that nobody sees");
}

#[test]
fn an_entry_stays_busy_and_offline_until_somebody_removes_it() {
    let (mut world, id, job) = busy("what = { entry_stays = '1h' }");
    let ends = ONLINE + 1000;
    until(&mut world, ends);
    assert_eq!(world.state.github.jobs[&job].state, JobState::Completed(Conclusion::Success));
    assert_eq!(listed(&mut world), [(false, true)]);
    until(&mut world, ends + 2);
    assert!(!is_running(&world));
    until(&mut world, ends + 3599);
    assert_eq!(world.deregister(&scope(), id), Removal::Busy);
    until(&mut world, 3 * 24 * 3600);
    assert_eq!(listed(&mut world), [(false, true)], "no time limit of GitHub removes it");
    assert_eq!(world.deregister(&scope(), id), Removal::Removed);
    assert!(listed(&mut world).is_empty());
}

#[test]
fn the_entry_of_a_runner_that_was_lost_stays_too() {
    let (mut world, id, _) = busy("what = { entry_stays = '1h' }");
    world.delete_vm("s", "g", "a");
    until(&mut world, ONLINE + 10 + 600);
    assert_eq!(listed(&mut world), [(false, true)]);
    until(&mut world, ONLINE + 10 + 600 + 3600);
    assert_eq!(world.deregister(&scope(), id), Removal::Removed);
    assert_eq!(world.report().jobs_killed, 1);
}

#[test]
fn jobs_name_no_runner_or_are_shown_as_queued_with_one() {
    let shown = |fault: &str, at: u64| {
        let (mut world, id, job) = busy(fault);
        until(&mut world, at);
        let job = world.state.github.jobs[&job].clone();
        let job = world.shown_job(job);
        assert!(job.runner.as_ref().is_none_or(|(its, _)| *its == id));
        (job.shown_state(world.now()), job.runner.is_some())
    };
    assert_eq!(shown("what = 'jobs_unnamed'", 60), (JobState::InProgress, false));
    assert_eq!(shown("what = { shown_queued = '1m' }", 60), (JobState::Queued, true));
    assert_eq!(shown("what = { shown_queued = '1m' }", ONLINE + 60), (JobState::InProgress, true));
}
