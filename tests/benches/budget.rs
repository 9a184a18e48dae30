//! What an hour costs of GitHub's rate limit, in real time: a hundred repositories on one token with 5,000
//! requests an hour. A command, never a test: `cargo bench -p azlin-tests --bench budget`. `AZLIN_HOUR=10m`
//! sets another duration, and `AZLIN_JOBS=0` another load than twenty jobs a minute.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use azlin_simcloud::fault::Side;
use azlin_simcloud::{Workload, World};
use azlin_tests::binary::{Cloud, VM};

const REPOSITORIES: usize = 100;

/// Jobs of two minutes, spread evenly over all repositories.
fn workload(jobs_a_minute: u64) -> Workload {
    let repositories: Vec<String> = (0..REPOSITORIES).map(|number| format!("'o/r{number}'")).collect();
    let mut text = format!("repositories = [{}]\n", repositories.join(", "));
    if let Some(every) = (60 * REPOSITORIES as u64).checked_div(jobs_a_minute) {
        for number in 0..REPOSITORIES as u64 {
            text += &format!(
                "[[arrivals]]\nat = '{}s'\nevery = ['{}s', '{}s']\nrepo = 'o/r{number}'\n\
                 labels = ['self-hosted']\nduration = ['60s', '180s']\n",
                20 + number * every / REPOSITORIES as u64,
                every * 3 / 4,
                every * 5 / 4,
            );
        }
    }
    Workload::parse(&text).unwrap()
}

/// Requests to GitHub so far: all, "not modified", and refused by a rate limit.
fn requests(world: &World) -> [u64; 3] {
    let of_github = world.statistics.requests.iter().filter(|((side, ..), _)| *side == Side::Github);
    let mut sums = BTreeMap::<u16, u64>::new();
    for ((.., status), (count, _)) in of_github {
        *sums.entry(*status).or_default() += count;
    }
    let of = |status| sums.get(&status).copied().unwrap_or_default();
    [sums.values().sum(), of(304), of(403) + of(429)]
}

fn main() {
    let minutes = |text: String| text.trim_end_matches('m').parse::<u64>().unwrap();
    let minutes = std::env::var("AZLIN_HOUR").map_or(60, minutes);
    let jobs = std::env::var("AZLIN_JOBS").map_or(20, |text| text.parse().unwrap());
    let cloud = Cloud::new(&workload(jobs));
    let toml = cloud.daemon_toml().replace("\"1s\"", "\"60s\"").replace("\"2s\"", "\"120s\"");
    cloud.write("azlin.toml", &toml);
    for number in 0..REPOSITORIES {
        cloud.write(
            &format!("fleets/f{number}.toml"),
            &format!(
                "repo = \"o/r{number}\"\n[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"\n{VM}"
            ),
        );
    }
    let (_daemon, start) = (cloud.daemon(), Instant::now());
    println!(
        "| minutes | requests | not modified | counted | refused | jobs done | median wait | longest wait |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    let (mut before, mut waits) = ([0; 3], 0);
    let step = (minutes / 6).max(1);
    for minute in (step..=minutes).step_by(usize::try_from(step).unwrap()) {
        std::thread::sleep((Duration::from_secs(60 * minute)).saturating_sub(start.elapsed()));
        let world = cloud.served.world();
        let now = requests(&world);
        let [all, not_modified, refused] = [0, 1, 2].map(|kind| now[kind] - before[kind]);
        let mut waited = world.statistics.waits[waits..].to_vec();
        waited.sort();
        println!(
            "| {}-{minute} | {all} | {not_modified} | {} | {refused} | {} | {} s | {} s |",
            minute - step,
            all - not_modified,
            world.statistics.jobs_completed,
            waited.get(waited.len() / 2).map_or(0, Duration::as_secs),
            waited.last().map_or(0, Duration::as_secs),
        );
        (before, waits) = (now, world.statistics.waits.len());
    }
    println!("\n| counted | method | route | status |\n|---:|---|---|---:|");
    let world = cloud.served.world();
    let mut routes: Vec<_> = world
        .statistics
        .requests
        .iter()
        .filter(|((side, .., status), _)| *side == Side::Github && *status != 304)
        .collect();
    routes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for ((_, method, route, status), (count, _)) in routes {
        println!("| {count} | {method} | {route} | {status} |");
    }
    drop(world);
    let log = std::fs::read_to_string(cloud.log()).unwrap();
    for line in log.lines().filter(|line| line.contains("polling ")) {
        println!("{line}");
    }
}
