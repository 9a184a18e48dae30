//! The time from a delivery to the request for a VM, over loopback, where GitHub and Azure answer at once. A
//! command, never a test: `cargo bench -p azlin-tests --bench webhook`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use azlin_simcloud::Workload;
use azlin_tests::binary::{Cloud, DaemonProcess};
use azlin_tests::deliveries::{SECRET, deliver, get, job, signature, start};
use jiff::Timestamp;

const LABELS: [&str; 1] = ["self-hosted"];

/// A daemon with a number of fleets, each on its own repository, that polls at an interval.
fn daemon(fleets: usize, poll: &str) -> (Cloud, SocketAddr, DaemonProcess) {
    let repositories = (0..fleets).map(|number| format!("o/r{number}")).collect();
    let mut workload = Workload { repositories, ..Workload::default() };
    workload.settings.rate_limit = Some(0);
    let cloud = Cloud::new(&workload);
    let (address, daemon) = start(&cloud, fleets, [poll, poll]);
    let is_ready = || get(address, "/healthz").is_ok_and(|(status, _)| status == 200);
    assert!(cloud.wait(Duration::from_secs(60), |_| is_ready()));
    (cloud, address, daemon)
}

/// Delivers an event of a job. Returns the time until the answer.
fn tell(address: SocketAddr, repo: &str, id: u64, action: &str) -> Duration {
    let body = job(repo, id, &LABELS, action);
    let signature = signature(SECRET, &body);
    let began = Instant::now();
    let (status, _) = deliver(address, "workflow_job", &body, Some(&signature)).unwrap();
    assert_eq!(status, 202);
    began.elapsed()
}

/// The time from each of these moments to the request for the next VM.
fn waits(cloud: &Cloud, told: &[Timestamp]) -> Vec<Duration> {
    let all = |world: &azlin_simcloud::World| -> Vec<Timestamp> {
        world.state.azure.vms.values().map(|vm| vm.created_at).collect()
    };
    assert!(cloud.wait(Duration::from_secs(60), |world| all(world).len() >= told.len()));
    let mut asked = all(&cloud.served.world());
    asked.sort();
    let wait =
        |(told, asked): (&Timestamp, &Timestamp)| Duration::try_from(asked.duration_since(*told)).unwrap();
    told.iter().zip(&asked).map(wait).collect()
}

fn row(what: &str, mut waits: Vec<Duration>) {
    waits.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, slowest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("| {what} | {} | {:.1} ms | {:.1} ms |", waits.len(), ms(median), ms(slowest));
}

/// Submits one job after the other.
fn one_by_one(fleets: usize) -> Vec<Duration> {
    let (cloud, address, _daemon) = daemon(fleets, "\"60s\"");
    let mut told = Vec::new();
    for round in 0..if fleets == 1 { 11 } else { 31 } {
        let repo = format!("o/r{}", round * 37 % fleets);
        let job = (LABELS.map(str::to_owned).to_vec(), Duration::from_secs(3600));
        let id = cloud.served.world().submit(&repo, vec![job], Vec::new())[0];
        told.push(Timestamp::now());
        tell(address, &repo, id, "queued");
        // One fleet is let look ten times in a poll's time.
        std::thread::sleep(Duration::from_millis(if fleets == 1 { 6_100 } else { 300 }));
    }
    waits(&cloud, &told)
}

/// A thousand deliveries in a second. One in 25 is about a new job, since GitHub creates at most eighty
/// runners a minute. Returns the times until the VMs were requested, and until the answers.
fn burst(fleets: usize) -> (Vec<Duration>, Vec<Duration>) {
    let (cloud, address, _daemon) = daemon(fleets, "\"60s\"");
    let (mut told, mut answers) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for number in 0..1000_u32 {
        let repo = format!("o/r{}", number as usize * 37 % fleets);
        std::thread::sleep(
            (began + Duration::from_millis(number.into())).saturating_duration_since(Instant::now()),
        );
        let is_new = number % 25 == 0;
        let id = if is_new {
            let job = (LABELS.map(str::to_owned).to_vec(), Duration::from_secs(3600));
            let id = cloud.served.world().submit(&repo, vec![job], Vec::new())[0];
            told.push(Timestamp::now());
            id
        } else {
            u64::from(number)
        };
        answers.push(tell(address, &repo, id, if is_new { "queued" } else { "in_progress" }));
    }
    (waits(&cloud, &told), answers)
}

fn main() {
    println!(
        "| from a delivery to the request for a VM | samples | median | slowest |\n|---|---:|---:|---:|"
    );
    for fleets in [1, 1000] {
        row(&format!("jobs one by one, {fleets} fleets"), one_by_one(fleets));
    }
    let mut answers = Vec::new();
    for fleets in [1, 1000] {
        let (waits, answered) = burst(fleets);
        row(&format!("1,000 deliveries in a second, {fleets} fleets"), waits);
        answers.extend(answered);
    }
    row("(the answer to a delivery)", answers);
}
