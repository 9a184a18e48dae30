//! A machine that ran a job is hostile for ever: whatever it says of itself, no secret goes there.

use std::time::Duration;

use azlin_daemon::StateDir;
use azlin_fleet::config::{Fleet, Method};
use azlin_tests::harness::{Harness, fleet, run};
use tokio::time::sleep;

const QUICK: &str = "repositories = ['o/r']\n[settings]\ncreate = '20s'\nboot = '20s'\nregister = '10s'\ndelete = '10s'\nstep = '1s'\n";

/// A fleet that is bootstrapped over SSH, with runners for so many jobs.
fn over_ssh(jobs: u32) -> Fleet {
    let mut fleet = fleet("ci", "o/r", "rg");
    fleet.scaling.scale_up_threshold = 0;
    (fleet.bootstrap.method, fleet.lifecycle.max_job_count) = (Method::Ssh, jobs);
    fleet
}

/// How many registration tokens were handed out.
fn tokens(harness: &Harness) -> u64 {
    let world = harness.world();
    let requests = world.statistics.requests.iter();
    requests
        .filter(|((_, method, route, _), _)| method == "POST" && route.ends_with("/registration-token"))
        .map(|(_, (count, _))| count)
        .sum()
}

/// The job on the VM had root: it has removed its runner's entry and every trace of it, and answers as a new machine does.
fn lies(harness: &Harness) {
    let mut world = harness.world();
    let github = &mut world.state.github;
    github.runners.clear();
    // Its job has ended.
    github.active.clear();
    github.queued.clear();
    github.runs.clear();
    github.jobs.clear();
    let vm = world.state.azure.vms.values_mut().next().expect("a VM");
    (vm.guest.runner_id, vm.guest.registered, vm.guest.service) = (None, None, None);
}

#[test]
fn a_vm_that_a_job_has_had_gets_no_token_from_a_daemon_that_has_forgotten_it() {
    for jobs in [1, 3] {
        run(async {
            let harness = Harness::new(QUICK);
            harness.submit("o/r", 1, 3600);
            let _ = harness.live(vec![over_ssh(jobs)], StateDir::default(), 180).await;
            let is_busy = harness.world().state.github.runners.values().any(|runner| runner.job.is_some());
            assert!(is_busy, "{:?}", harness.report());
            let name = harness.world().state.azure.vms.values().next().expect("a VM").name.clone();
            assert_eq!(tokens(&harness), 1);
            lies(&harness);
            harness.submit("o/r", 1, 3600);
            // A daemon without memory, as after the loss of its state, or `run --once` without a state directory.
            let _ = harness.live(vec![over_ssh(jobs)], StateDir::default(), 1800).await;
            let report = harness.report();
            assert_eq!(
                tokens(&harness),
                report.vms_created,
                "{jobs} jobs: one token for each VM: {report:?}"
            );
            assert_eq!(report.vms_created, 2, "{jobs} jobs: another VM takes its place");
            let is_left =
                harness.world().state.azure.vms.values().any(|vm| vm.name == name && vm.is_running());
            assert!(!is_left, "{jobs} jobs: it is deleted: {:?}", harness.report());
        });
    }
}

/// A bootstrap that is only slow or interrupted before the token goes on as ever.
#[test]
fn a_vm_that_no_token_was_sent_to_is_installed_by_a_daemon_that_has_forgotten_it() {
    run(async {
        let harness = Harness::new(QUICK);
        harness.submit("o/r", 1, 60);
        let _ = harness.live(vec![over_ssh(1)], StateDir::default(), 30).await;
        assert_eq!((tokens(&harness), harness.report().vms_created), (0, 1), "it boots");
        sleep(Duration::from_secs(1)).await;
        let done = harness.live_until(vec![over_ssh(1)], |report| report.jobs_completed == 1).await;
        assert!(done.is_some(), "{:?}", harness.report());
        assert_eq!((tokens(&harness), harness.report().vms_created), (1, 1));
    });
}
