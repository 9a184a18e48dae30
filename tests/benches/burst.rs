//! What a burst of jobs for one fleet costs the daemon, and how the cost grows: `cargo bench -p azlin-tests --bench
//! burst`. Over loopback, without limits. A command, never a test.
//!
//! All jobs are queued at once, each gets a VM of its own, runs, and its VM is removed. The last row kills the daemon in
//! the middle of a burst, with SIGKILL, and starts it again.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;
use azlin_tests::process::{processor_time, ticks};

/// Jobs of one run, as a matrix has them.
const RUN: u64 = 100;

fn cloud(jobs: u64, provisioning: u32, settings: &str) -> (Cloud, SocketAddr) {
    let workload = format!(
        "repositories = ['o/r']\n[settings]\ncreate = '1s'\nboot = '1s'\nregister = '100ms'\ndelete = '1s'\n\
         rate_limit = 0\n{settings}"
    );
    let cloud = Cloud::new(&Workload::parse(&workload).unwrap());
    let address = free_address();
    let toml = cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string());
    cloud.write("azlin.toml", &format!("{toml}[limits]\nmax_concurrent_provisioning = {provisioning}\n"));
    let scaling = "jobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"";
    cloud.write(
        "fleets/ci.toml",
        &format!("repo = \"o/r\"\n[scaling]\nmax_runners = {jobs}\n{scaling}\n{VM}"),
    );
    (cloud, address)
}

fn start(cloud: &Cloud, address: SocketAddr) -> DaemonProcess {
    let mut command = cloud.command(&["run", "--state-dir"]);
    command.arg(cloud.config.path().join("state"));
    let log = std::fs::OpenOptions::new().create(true).append(true).open(cloud.log()).unwrap();
    let daemon = DaemonProcess::of(command.stderr(log).spawn().unwrap());
    let is_ready = || get(address, "/healthz").is_ok_and(|(status, _)| status == 200);
    assert!(cloud.wait(Duration::from_secs(60), |_| is_ready()));
    daemon
}

fn submit(cloud: &Cloud, jobs: u64, duration: u64) {
    let mut left = jobs;
    while left > 0 {
        let job = (vec!["self-hosted".to_owned()], Duration::from_secs(duration));
        let run = vec![job; usize::try_from(left.min(RUN)).unwrap()];
        cloud.served.world().submit("o/r", run, Vec::new());
        left -= left.min(RUN);
    }
}

/// One burst. The columns are for the time until the last request for a VM, and for the time until all VMs are gone.
fn burst(jobs: u64) {
    let (cloud, address) = cloud(jobs, 1000, "");
    let daemon = start(&cloud, address);
    let (cpu_before, began) = (processor_time(daemon.id()), Instant::now());
    submit(&cloud, jobs, 3);
    let all_asked = |world: &mut azlin_simcloud::World| world.statistics.vms_created >= jobs;
    assert!(cloud.wait(Duration::from_secs(600), all_asked), "{:?}", cloud.served.world().report());
    let (asked, cpu_asked) = (began.elapsed(), processor_time(daemon.id()) - cpu_before);
    let is_over = |world: &mut azlin_simcloud::World| world.is_at_rest();
    assert!(cloud.wait(Duration::from_secs(600), is_over), "{:?}", cloud.served.world().report());
    let (over, cpu_over) = (began.elapsed(), processor_time(daemon.id()) - cpu_before);
    let extra = cloud.served.world().statistics.vms_created - jobs;
    println!(
        "| {jobs} | {:.2} s | {:.2} s | {:.1} s | {:.2} s | {} | {extra} |",
        asked.as_secs_f64(),
        cpu_asked.as_secs_f64(),
        over.as_secs_f64(),
        cpu_over.as_secs_f64(),
        ticks(address).slowest
    );
}

/// A burst of 50 in which the daemon is killed after a number of requests for VMs.
fn crash(after: u64) {
    const JOBS: u64 = 50;
    let slow = "[[faults]]\nwhat = { latency = ['200ms', '400ms'] }\nside = 'azure'\nmethod = 'PUT'\n";
    let (cloud, address) = cloud(JOBS, 10, slow);
    let daemon = start(&cloud, address);
    submit(&cloud, JOBS, 60);
    assert!(cloud.wait(Duration::from_secs(60), |world| world.statistics.vms_created >= after));
    daemon.kill();
    let began = Instant::now();
    let _daemon = start(&cloud, address);
    let has_all = |world: &mut azlin_simcloud::World| world.statistics.vms_created >= JOBS;
    assert!(cloud.wait(Duration::from_secs(300), has_all), "{:?}", cloud.served.world().report());
    let took = began.elapsed();
    std::thread::sleep(Duration::from_secs(3));
    let report = cloud.served.world().report();
    println!("| {after} | {:.1} s | {} |", took.as_secs_f64(), report.vms_created - JOBS);
}

fn main() {
    println!(
        "| jobs at once | last request | CPU until then | all VMs gone | CPU until then | longest tick, at most (s) | \
         VMs too many |\n|---:|---:|---:|---:|---:|---:|---:|"
    );
    for jobs in [125, 250, 500, 1000, 2000] {
        burst(jobs);
    }
    println!("\n| killed after | restart to the last of 50 requests | VMs too many |\n|---:|---:|---:|");
    for after in [5, 20, 35] {
        crash(after);
    }
}
