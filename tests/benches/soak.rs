//! What the daemon's process holds while it works: memory, descriptors, and its log. A command, never a test:
//! `cargo bench -p azlin-tests --bench soak`. It takes ten minutes; `AZLIN_SOAK=60m` sets another duration.
//! It polls each second instead of each minute, so a minute stands for an hour.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::fs;
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, VM};

/// A constant stream of jobs, and every minute a fault for some seconds.
fn workload() -> Workload {
    let mut text =
        "repositories = ['o/r']\n[settings]\ncreate = '1s'\nboot = '2s'\nregister = '500ms'\ndelete = '1s'\n\
         rate_limit = 0\n[[arrivals]]\nat = '1s'\nevery = ['3s', '9s']\nrepo = 'o/r'\njobs = [1, 6]\n\
         labels = ['self-hosted', 'docker']\nduration = ['2s', '10s']\n"
            .to_owned();
    let weather =
        ["'reset'", "'lost_answer'", "{ status = 502 }", "'truncated'", "{ latency = ['1s', '3s'] }"];
    for (minute, what) in (0..120).zip(weather.iter().cycle()) {
        let (from, until) = (minute * 60 + 30, minute * 60 + 40);
        text +=
            &format!("[[faults]]\nwhat = {what}\nfrom = '{from}s'\nuntil = '{until}s'\nprobability = 0.3\n");
    }
    Workload::parse(&text).unwrap()
}

fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn main() {
    let span = std::env::var("AZLIN_SOAK").map_or(Duration::from_secs(600), |text| minutes(&text));
    let cloud = Cloud::new(&workload());
    for pool in ["ci", "other"] {
        let labels = if pool == "ci" { "\"docker\"" } else { "\"other\"" };
        cloud.write(
            &format!("fleets/{pool}.toml"),
            &format!(
                "repo = \"o/r\"\nlabels = [{labels}]\n[scaling]\njobs_per_runner = 1\ncooldown = \"0s\"\nscale_up_threshold = 0\nmax_runners = 40\n[lifecycle]\nboot_timeout = \"10s\"\n{VM}"
            ),
        );
    }
    let (daemon, start) = (cloud.daemon(), Instant::now());
    println!(
        "| after | resident KiB | threads | descriptors | log KiB | jobs done |\n|---:|---:|---:|---:|---:|---:|"
    );
    while start.elapsed() < span {
        std::thread::sleep(Duration::from_secs(60));
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
        let descriptors = fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count();
        let log = fs::metadata(cloud.log()).unwrap().len() / 1024;
        println!(
            "| {} min | {} | {} | {descriptors} | {log} | {} |",
            start.elapsed().as_secs() / 60,
            number(&status, "VmRSS:"),
            number(&status, "Threads:"),
            cloud.served.world().report().jobs_completed,
        );
    }
}

/// A duration in minutes, such as `60m`.
fn minutes(text: &str) -> Duration {
    Duration::from_secs(60 * text.trim_end_matches('m').parse::<u64>().unwrap())
}
