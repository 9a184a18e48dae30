//! The daemon is killed at any moment, loses its memory, and starts again: every job completes, none is
//! killed, nothing is left over, and no maximum is exceeded.

use std::time::Duration;

use azlin_simcloud::Workload;
use azlin_simcloud::fault::{Fault, FaultKind, Side};
use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Overrides, Span};
use azlin_tests::binary::{Cloud, VM};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const KILLS: usize = 10;
const MAX_RUNNERS: u32 = 12;

fn span(from: u64, to: u64) -> Span {
    Span { from: Duration::from_millis(from), to: Duration::from_millis(to) }
}

/// Sixty jobs at once, on machines that are ready after about a second.
fn burst(seed: u64, faults: Vec<Fault>) -> Workload {
    let burst = Arrival {
        at: Duration::ZERO,
        every: None,
        until: None,
        repo: "o/r".to_owned(),
        jobs: JobCount::Exactly(60),
        labels: vec!["self-hosted".to_owned(), "docker".to_owned()],
        duration: span(300, 2_500),
        script: None,
        group: None,
        held: None,
        held_by: HeldBy::Environment,
        then: 0,
    };
    let settings = Overrides {
        seed: Some(seed),
        create: Some(span(100, 400)),
        boot: Some(span(200, 600)),
        register: Some(span(50, 150)),
        delete: Some(span(100, 400)),
        lost_after: Some(span(2_000, 2_000)),
        rate_limit: Some(1_000_000),
        ..Overrides::default()
    };
    Workload { settings, arrivals: vec![burst], faults, ..Workload::default() }
}

fn fleet() -> String {
    format!(
        "repo = \"o/r\"\nlabels = [\"docker\"]\n[scaling]\nmax_runners = {MAX_RUNNERS}\njobs_per_runner = 1\n\
         cooldown = \"1s\"\nmax_queue_wait = \"1s\"\n[lifecycle]\nboot_timeout = \"5s\"\noffline_timeout = \"3s\"\n{VM}"
    )
}

fn crash(seed: u64, faults: Vec<Fault>) {
    let cloud = Cloud::new(&burst(seed, faults));
    cloud.write("fleets/ci.toml", &fleet());
    let mut chance = StdRng::seed_from_u64(seed);
    let told = |what: &str| {
        format!("{what} with seed {seed}: {:#?}\n{}", cloud.served.world().report(), log(&cloud))
    };
    for _ in 0..KILLS {
        let daemon = cloud.daemon();
        let life = Duration::from_millis(chance.random_range(50..2_500));
        cloud.wait(life, |_| false);
        daemon.kill();
    }
    let daemon = cloud.daemon();
    let at_rest = cloud.wait(Duration::from_secs(90), |world| world.is_at_rest());
    drop(daemon);
    let report = cloud.served.world().report();
    assert!(at_rest, "{}", told("not at rest"));
    assert_eq!(report.jobs_killed, 0, "{}", told("a job was killed"));
    assert_eq!(report.jobs_completed + report.jobs_lost_to_faults, 60, "{}", told("a job was not served"));
    assert!(report.peak_by_pool["ci"] <= MAX_RUNNERS, "{}", told("the maximum was exceeded"));
    assert_eq!(
        (report.overwrites, report.names_reused, report.vms_leaking),
        (0, 0, 0),
        "{}",
        told("a VM was misused")
    );
}

fn log(cloud: &Cloud) -> String {
    std::fs::read_to_string(cloud.log()).unwrap_or_default()
}

fn fault(what: FaultKind, probability: f64) -> Fault {
    Fault {
        what,
        side: None,
        method: None,
        path: None,
        from: Duration::ZERO,
        until: Some(Duration::from_secs(12)),
        probability,
        times: None,
    }
}

#[test]
fn killed_ten_times_in_a_burst() {
    crash(1, Vec::new());
}

#[test]
fn killed_ten_times_in_a_burst_with_answers_lost_and_boots_that_fail() {
    let lost = Fault {
        side: Some(Side::Azure),
        method: Some("PUT".to_owned()),
        ..fault(FaultKind::LostAnswer, 0.3)
    };
    crash(2, vec![lost, fault(FaultKind::NeverBoots, 0.2)]);
}

#[test]
fn killed_ten_times_in_a_burst_with_errors_of_github_and_creations_that_fail() {
    let errors = Fault { side: Some(Side::Github), ..fault(FaultKind::Status(502, None), 0.2) };
    crash(3, vec![errors, fault(FaultKind::CreateFails(None), 0.2)]);
}
