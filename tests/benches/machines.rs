//! The cost of runners on real machines over SSH: the time of each step, and the daemon's memory. `cargo
//! xtask bench` runs it as root; its tables are in docs/performance.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use azlin_tests::machines::RealCloud;

const STEPS: [&str; 5] = ["reachable", "fetch", "register", "start", "in all"];

fn main() {
    println!("\n## From VM to runner over SSH\n");
    println!("| machines at once | step | median | slowest |\n|---:|---|---:|---:|");
    let mut fleet_state = Vec::new();
    for machines in [1, 10] {
        let (steps, resident) = installed(machines);
        for step in STEPS {
            let mut took = steps[step].clone();
            took.sort_by(f64::total_cmp);
            println!(
                "| {machines} | {step} | {:.1} s | {:.1} s |",
                took[took.len() / 2],
                took[took.len() - 1]
            );
        }
        fleet_state.push((machines, resident));
    }
    println!("\n| machines at once | resident at most |\n|---:|---:|");
    for (machines, resident) in fleet_state {
        println!("| {machines} | {resident:.1} MB |");
    }
    download();
}

/// Installs this many machines at once. Returns the seconds of each step, and the daemon's peak memory in
/// megabytes.
fn installed(machines: usize) -> (BTreeMap<&'static str, Vec<f64>>, f64) {
    let cloud = RealCloud::new("", "");
    let scaling = format!("[scaling]\nmin_runners = {machines}\nmax_runners = {machines}\n");
    cloud.fleet("ci", "ssh", "\"docker\"", &scaling);
    let daemon = cloud.daemon();
    cloud.wait("all are online", 300, |world| {
        world.state.github.runners.values().filter(|runner| runner.online).count() == machines
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let mut steps = BTreeMap::<&str, Vec<f64>>::new();
    for line in cloud.log().lines().filter(|line| line.contains("runner installed")) {
        let (_, took) = line.split_once(" took=").unwrap();
        for step in STEPS {
            let (_, rest) = took.split_once(&format!("{step} ")).unwrap();
            let (seconds, _) = rest.split_once('s').unwrap();
            steps.entry(step).or_default().push(seconds.parse().unwrap());
        }
    }
    (steps, kilobytes / 1024.0)
}

/// The step that downloads, checks and unpacks, compared with curl alone on the same machine.
fn download() {
    const MEGABYTES: usize = 128;
    let cloud = RealCloud::new(&format!("package_padding = {}", MEGABYTES << 20), "");
    cloud.fleet("ci", "ssh", "\"docker\"", "[scaling]\nmin_runners = 1\n");
    let _daemon = cloud.daemon();
    let line = cloud.wait_for_line(&["runner installed"], 300);
    let (_, rest) = line.split_once("fetch ").unwrap();
    let fetch: f64 = rest.split_once('s').unwrap().0.parse().unwrap();
    let vm = cloud.cloud.served.machines().keys().next().unwrap().clone();
    let url = format!(
        "http://{}/_runner/package/actions-runner-linux-x64-2.330.0.tar.gz",
        cloud.cloud.served.github
    );
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let began = Instant::now();
            let output = cloud.inside(&vm, &format!("curl --fail --silent --output /root/it {url}"));
            assert!(output.status.success(), "{output:?}");
            began.elapsed()
        })
        .collect();
    took.sort();
    let curl = took[2].as_secs_f64();
    println!("\n| {MEGABYTES} MB | seconds | MB/s |\n|---|---:|---:|");
    for (what, seconds) in
        [("the step: downloaded, checked, unpacked", fetch), ("curl alone, median of 5", curl)]
    {
        println!("| {what} | {seconds:.1} | {:.0} |", MEGABYTES as f64 / seconds);
    }
}
