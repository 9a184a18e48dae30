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

/// How often GitHub was asked for what makes a machine a runner: a JIT configuration, or a registration token.
fn asked(harness: &Harness, for_what: &str) -> u64 {
    let world = harness.world();
    let requests = world.statistics.requests.iter();
    requests
        .filter(|((_, method, route, _), _)| method == "POST" && route.ends_with(for_what))
        .map(|(_, (count, _))| count)
        .sum()
}

/// How many secrets were handed out.
fn secrets(harness: &Harness) -> u64 {
    asked(harness, "/generate-jitconfig") + asked(harness, "/registration-token")
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
fn a_vm_that_a_job_has_had_gets_no_secret_from_a_daemon_that_has_forgotten_it() {
    for jobs in [1, 3] {
        run(async {
            let harness = Harness::new(QUICK);
            harness.submit("o/r", 1, 3600);
            let _ = harness.live(vec![over_ssh(jobs)], StateDir::default(), 180).await;
            let is_busy = harness.world().state.github.runners.values().any(|runner| runner.job.is_some());
            assert!(is_busy, "{:?}", harness.report());
            let name = harness.world().state.azure.vms.values().next().expect("a VM").name.clone();
            assert_eq!(secrets(&harness), 1);
            lies(&harness);
            harness.submit("o/r", 1, 3600);
            // A daemon without memory, as after the loss of its state, or `run --once` without a state directory.
            let _ = harness.live(vec![over_ssh(jobs)], StateDir::default(), 1800).await;
            let report = harness.report();
            assert_eq!(
                secrets(&harness),
                report.vms_created,
                "{jobs} jobs: one secret for each VM: {report:?}"
            );
            assert_eq!(report.vms_created, 2, "{jobs} jobs: another VM takes its place");
            let is_left =
                harness.world().state.azure.vms.values().any(|vm| vm.name == name && vm.is_running());
            assert!(!is_left, "{jobs} jobs: it is deleted: {:?}", harness.report());
        });
    }
}

/// A bootstrap that is only slow or interrupted before the secret goes on as ever.
#[test]
fn a_vm_that_no_secret_was_sent_to_is_installed_by_a_daemon_that_has_forgotten_it() {
    run(async {
        let harness = Harness::new(QUICK);
        harness.submit("o/r", 1, 60);
        let _ = harness.live(vec![over_ssh(1)], StateDir::default(), 30).await;
        assert_eq!((secrets(&harness), harness.report().vms_created), (0, 1), "it boots");
        sleep(Duration::from_secs(1)).await;
        let done = harness.live_until(vec![over_ssh(1)], |report| report.jobs_completed == 1).await;
        assert!(done.is_some(), "{:?}", harness.report());
        assert_eq!((secrets(&harness), harness.report().vms_created), (1, 1));
    });
}

/// A registration token is good for an hour and for the whole scope. Only a runner for several jobs needs one.
#[test]
fn a_runner_for_one_job_is_made_without_a_registration_token() {
    for (jobs, tokens, configurations) in [(1, 0, 1), (2, 1, 0)] {
        run(async {
            let harness = Harness::new(QUICK);
            harness.submit("o/r", 1, 60);
            let done = harness.live_until(vec![over_ssh(jobs)], |report| report.jobs_completed == 1).await;
            assert!(done.is_some(), "{:?}", harness.report());
            let found = (asked(&harness, "/registration-token"), asked(&harness, "/generate-jitconfig"));
            assert_eq!(found, (tokens, configurations), "{jobs} jobs");
        });
    }
}

/// GitHub makes the entry, and its answer is lost; or the machine has the configuration, and its answer is lost.
#[test]
fn a_lost_answer_costs_no_second_vm_and_leaves_no_entry() {
    let lost_answer = "[[faults]]\nwhat = 'lost_answer'\npath = '/generate-jitconfig'\ntimes = 1\n";
    for (fault, configurations) in [
        (lost_answer, 2),
        ("[[faults]]\nwhat = { connection_lost = 'register' }\ntimes = 3\n", 1),
        ("[[faults]]\nwhat = { step_fails = 'register' }\ntimes = 2\n", 1),
    ] {
        run(async {
            let harness = Harness::new(&format!("{QUICK}{fault}"));
            harness.submit("o/r", 1, 60);
            let done = harness.live_until(vec![over_ssh(1)], |report| report.jobs_completed == 1).await;
            assert!(done.is_some(), "{fault}: {:?}", harness.report());
            assert_eq!(asked(&harness, "/registration-token"), 0, "{fault}");
            let asked = asked(&harness, "/generate-jitconfig");
            assert!((1..=configurations + 1).contains(&asked), "{fault}: {asked}");
            assert_eq!(harness.report().vms_created, 1, "{fault}: {:?}", harness.report());
            assert!(harness.world().state.github.runners.is_empty(), "{fault}");
        });
    }
}
