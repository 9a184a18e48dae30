//! What goes wrong when GitHub gives a job to a runner.

use azlin_fleet::model::Scope;
use jiff::Timestamp;

use super::*;
use crate::fixture::sim_vm;
use crate::registration::{Registration, TokenUse};
use crate::{Workload, World};

const START: Timestamp = Timestamp::UNIX_EPOCH;
const PACE: &str =
    "settings = { create = '10s', boot = '20s', register = '5s', delete = '30s', lost_after = '10m' }";

fn world(more: &str) -> World {
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{PACE}\n{more}\n"));
    World::new(&workload.expect("a workload"), START)
}

fn scope() -> Scope {
    "repo:o/r".parse().expect("valid")
}

fn until(world: &mut World, at: u64) {
    world.advance(START + Duration::from_secs(at));
}

fn job(world: &mut World, seconds: u64) -> u64 {
    world.submit("o/r", vec![(vec!["docker".to_owned()], Duration::from_secs(seconds))], Vec::new())[0]
}

#[test]
fn a_job_that_goes_to_an_offline_runner_comes_back_to_the_queue() {
    let mut world = world("[[faults]]\nwhat = 'offline_assignment'");
    let (runner, _) = world.jit_config(&scope(), "never", 1, vec!["docker".to_owned()]).expect("a runner");
    let lost = job(&mut world, 10);
    assert_eq!(world.state.github.runners[&runner.id].job, Some(lost));
    assert_eq!(world.deregister(&scope(), runner.id), crate::Removal::Busy);
    sim_vm(&mut world, &scope(), "other");
    until(&mut world, 59);
    assert!(!world.state.github.queued.contains(&lost), "an idle runner does not get it");
    until(&mut world, 700);
    assert_eq!((world.report().jobs_completed, world.report().jobs_unserved), (1, 0));
    assert_eq!(world.deregister(&scope(), runner.id), crate::Removal::Removed);
}

#[test]
fn a_job_that_was_sent_to_a_booting_runner_begins_when_that_is_online() {
    let mut world = world("[[faults]]\nwhat = 'offline_assignment'");
    let runner = sim_vm(&mut world, &scope(), "a");
    let sent = job(&mut world, 10);
    assert_eq!(world.state.github.runners[&runner].job, Some(sent));
    until(&mut world, 36);
    assert_eq!(world.state.github.jobs[&sent].state, JobState::InProgress);
    until(&mut world, 50);
    assert_eq!(world.report().jobs_completed, 1);
}

#[test]
fn two_runners_get_one_job_and_both_end_with_it() {
    let mut world = world("[[faults]]\nwhat = 'double_assignment'");
    let both = ["a", "b"].map(|name| sim_vm(&mut world, &scope(), name));
    until(&mut world, 40);
    let one = job(&mut world, 100);
    assert_eq!(both.map(|id| world.state.github.runners[&id].job), [Some(one); 2]);
    until(&mut world, 150);
    assert!(world.state.github.runners.is_empty());
    assert!(world.state.azure.vms.values().all(crate::azure::SimVm::is_off));
    assert_eq!((world.report().jobs_completed, world.report().jobs_unserved), (1, 0));
}

#[test]
fn a_second_job_cancels_the_first_of_a_runner_that_takes_several() {
    let mut world = world("[[faults]]\nwhat = 'double_assignment'");
    let (token, _) = world.issue_runner_token(&scope(), TokenUse::Register);
    let runner = world
        .register(&Registration {
            scope: scope(),
            token,
            name: "a".to_owned(),
            labels: vec!["docker".to_owned()],
            group: None,
            ephemeral: false,
            replace: false,
        })
        .expect("registered");
    if let Some(entry) = world.state.github.runners.get_mut(&runner.id) {
        entry.online = true;
    }
    let first = job(&mut world, 100);
    until(&mut world, 10);
    let second = job(&mut world, 100);
    assert_eq!(world.state.github.jobs[&first].state, JobState::Completed(Conclusion::Cancelled));
    assert_eq!(world.state.github.runners[&runner.id].job, Some(second));
    until(&mut world, 109);
    assert_eq!(world.state.github.jobs[&second].state, JobState::InProgress);
    until(&mut world, 110);
    let report = world.report();
    assert_eq!((report.jobs_completed, report.jobs_lost_to_faults, report.jobs_killed), (1, 1, 0));
}

#[test]
fn a_job_without_labels_goes_by_its_group_alone() {
    for (group, expected) in [("builders", true), ("Default", false), ("larger-runners", false)] {
        let arrival = "[[arrivals]]\nrepo = 'o/r'\nat = '1m'\nduration = '1h'\nlabels = []\n";
        let mut world = world(&format!("{arrival}group = '{group}'\n"));
        let org: Scope = "org:o".parse().expect("valid");
        let runner = sim_vm(&mut world, &org, "a");
        if let Some(entry) = world.state.github.runners.get_mut(&runner) {
            entry.group = 2;
        }
        until(&mut world, 61);
        assert_eq!(world.state.github.runners[&runner].job.is_some(), expected, "{group}");
    }
}

#[test]
fn a_job_is_held_back_in_each_way_that_github_has() {
    for (by, state) in [
        ("environment", JobState::Waiting),
        ("concurrency", JobState::Pending),
        ("github", JobState::Requested),
    ] {
        let arrival = "[[arrivals]]\nrepo = 'o/r'\nduration = '1h'\nlabels = ['docker']\nheld = '5m'\n";
        let mut world = world(&format!("{arrival}held_by = '{by}'\n"));
        sim_vm(&mut world, &scope(), "a");
        until(&mut world, 299);
        let github = &world.state.github;
        assert_eq!(github.jobs.values().map(|job| job.state).collect::<Vec<_>>(), [state]);
        assert_eq!(github.runs_with("o/r", Some(state.as_str())).len(), 1, "{by}");
        until(&mut world, 300);
        assert!(world.state.github.jobs.values().all(|job| job.state == JobState::InProgress));
    }
}
