//! How quick the daemon is under a steady stream of jobs and with slow answers, and what many fleets cost. A command,
//! never a test: `cargo bench -p azlin-tests --bench load -- stream latency idle token`; without a name all of them.
//! `AZLIN_BINARY` names another executable to measure.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use azlin_simcloud::fault::Side;
use azlin_simcloud::{Workload, World};
use azlin_tests::binary::{Cloud, DaemonProcess};
use azlin_tests::deliveries::{SECRET, ask, get, start};
use azlin_tests::process::{memory_kb, processor_time};
use jiff::Timestamp;

/// A daemon in a simulated cloud, and the address of its webhook.
struct Measured {
    cloud: Cloud,
    address: SocketAddr,
    daemon: DaemonProcess,
    began: Instant,
}

impl Measured {
    /// A daemon with fleets on as many repositories, which polls every minute.
    fn start(fleets: usize, settings: &str) -> Self {
        let repositories: Vec<String> = (0..fleets).map(|number| format!("'o/r{number}'")).collect();
        let workload = format!("repositories = [{}]\n[settings]\n{settings}", repositories.join(", "));
        let cloud = Cloud::new(&Workload::parse(&workload).unwrap());
        let (address, daemon) = start(&cloud, fleets, ["\"60s\"", "\"120s\""]);
        Measured { cloud, address, daemon, began: Instant::now() }
    }

    /// How long after its start the daemon answers with 200; `None` if not within a minute.
    fn answers_after(&self, path: &str) -> Option<Duration> {
        while self.began.elapsed() < Duration::from_secs(60) {
            if get(self.address, path).is_ok_and(|(status, _)| status == 200) {
                return Some(self.began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Waits until all fleets have ticked: the time since the start; `None` if that takes longer than `most`.
    fn all_seen_after(&self, most: Duration) -> Option<Duration> {
        let status = || get(self.address, "/api/status").map(|(_, body)| body.matches("\"pool\"").count());
        let fleets = std::fs::read_dir(self.cloud.config.path().join("fleets")).unwrap().count();
        while self.began.elapsed() < most {
            if status().is_ok_and(|seen| seen >= fleets) {
                return Some(self.began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// Has GitHub send the events of jobs to the daemon.
    fn has_webhook(&self) {
        let body = format!(
            "{{\"name\":\"web\",\"active\":true,\"events\":[\"workflow_job\"],\"config\":{{\"url\":\"http://{}/webhook\",\
             \"content_type\":\"json\",\"secret\":\"{SECRET}\"}}}}",
            self.address
        );
        let token = self.cloud.served.world().settings.token.clone();
        let github = self.cloud.served.github;
        let request = format!(
            "POST /repos/o/r0/hooks HTTP/1.1\r\nhost: {github}\r\nauthorization: Bearer {token}\r\nuser-agent: bench\r\n\
             connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = ask(github, request.as_bytes()).unwrap();
        assert_eq!(status, 201, "{answer}");
    }

    /// The processor time of an hour, by what `span` costs from now on.
    fn processor_an_hour(&self, span: Duration) -> f64 {
        let before = processor_time(self.daemon.id());
        std::thread::sleep(span);
        (processor_time(self.daemon.id()) - before).as_secs_f64() * 3600.0 / span.as_secs_f64()
    }
}

/// Requests to GitHub that count, so far.
fn counted(world: &World) -> BTreeMap<String, u64> {
    let requests = world.statistics.requests.iter();
    let counted = requests.filter(|((side, _, route, status), _)| {
        *side == Side::Github && *status != 304 && !route.ends_with("/hooks")
    });
    counted
        .map(|((_, method, route, status), (count, _))| (format!("{method} {route} {status}"), *count))
        .collect()
}

/// Submits jobs of this duration at this pace. Returns how long each waited for the request for its VM, and the counted
/// requests for a job.
fn jobs(measured: &Measured, count: usize, pace: Duration, takes: Duration) -> (Vec<Duration>, f64) {
    let before: u64 = counted(&measured.cloud.served.world()).values().sum();
    let (mut queued, mut vms) = (Vec::new(), BTreeMap::<String, Timestamp>::new());
    let began = Instant::now();
    let ends = pace * u32::try_from(count).unwrap() + Duration::from_secs(90);
    while began.elapsed() < ends && vms.len() < count {
        let mut world = measured.cloud.served.world();
        let all = world.state.azure.vms.values();
        vms.extend(all.map(|vm| (vm.name.clone(), vm.created_at)));
        if queued.len() < count && began.elapsed() >= pace * u32::try_from(queued.len()).unwrap() {
            queued.push(Timestamp::now());
            world.submit("o/r0", vec![(vec!["self-hosted".to_owned()], takes)], Vec::new());
        }
        drop(world);
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut asked: Vec<Timestamp> = vms.into_values().collect();
    asked.sort();
    let waited = queued.iter().zip(&asked);
    let waits =
        waited.map(|(queued, asked)| Duration::try_from(asked.duration_since(*queued)).unwrap_or_default());
    let all = counted(&measured.cloud.served.world());
    if std::env::var_os("AZLIN_ROUTES").is_some() {
        all.iter().for_each(|(route, count)| println!("  {count} {route}"));
    }
    let spent = all.values().sum::<u64>() - before;
    (waits.collect(), spent as f64 / count as f64)
}

fn part(waits: &mut [Duration], percent: usize) -> String {
    waits.sort();
    let place = (waits.len() * percent).div_ceil(100).saturating_sub(1);
    waits.get(place).map_or("none".to_owned(), |wait| format!("{} ms", wait.as_millis()))
}

fn shown(time: Option<Duration>) -> String {
    time.map_or("not within the time".to_owned(), |time| format!("{} ms", time.as_millis()))
}

fn stream() {
    println!(
        "\n| 30 jobs a minute, one fleet | jobs | median | p95 | counted requests a job |\n|---|---:|---:|---:|---:|"
    );
    let quick = "create = '1s'\nboot = '1s'\nregister = '1s'\ndelete = '1s'\n";
    for (what, takes) in [("VMs that live for half a minute", 25), ("VMs that live for seconds", 1)] {
        let measured = Measured::start(1, quick);
        measured.all_seen_after(Duration::from_secs(10)).unwrap();
        measured.has_webhook();
        let (mut waits, requests) = jobs(&measured, 60, Duration::from_secs(2), Duration::from_secs(takes));
        println!(
            "| {what} | {} | {} | {} | {requests:.1} |",
            waits.len(),
            part(&mut waits, 50),
            part(&mut waits, 95)
        );
    }
}

fn latency() {
    println!(
        "\n| each answer takes | jobs | median until the request for a VM | slowest |\n|---|---:|---:|---:|"
    );
    let settings = "rate_limit = 0\ncreate = '1s'\nboot = '1s'\nregister = '1s'\n[[faults]]\nwhat = { latency = '100ms' }\n";
    let measured = Measured::start(1, settings);
    measured.all_seen_after(Duration::from_secs(10)).unwrap();
    measured.has_webhook();
    let hour = Duration::from_secs(3600);
    // A fleet before could look ten times in a poll's time.
    let (mut waits, _) = jobs(&measured, 11, Duration::from_secs(7), hour);
    // The simulated Azure counts from when the request has reached it.
    waits.iter_mut().for_each(|wait| *wait = wait.saturating_sub(Duration::from_millis(100)));
    println!("| 100 ms | {} | {} | {} |", waits.len(), part(&mut waits, 50), part(&mut waits, 100));
}

fn idle() {
    println!(
        "\n| idle fleets | healthy | ready | all seen | resident | processor an hour |\n|---:|---:|---:|---:|---:|---:|"
    );
    for fleets in [100, 1000, 5000] {
        let measured = Measured::start(fleets, "rate_limit = 0\n");
        let (healthy, ready) = (measured.answers_after("/healthz"), measured.answers_after("/readyz"));
        let seen = measured.all_seen_after(Duration::from_secs(60));
        std::thread::sleep(Duration::from_secs(5).saturating_sub(measured.began.elapsed()));
        let hour = measured.processor_an_hour(Duration::from_secs(60));
        let resident = memory_kb(measured.daemon.id(), "VmRSS:") / 1024;
        println!(
            "| {fleets} | {} | {} | {} | {resident} MB | {hour:.0} s |",
            shown(healthy),
            shown(ready),
            shown(seen)
        );
    }
}

fn token() {
    println!("\n| 1,000 repositories, 5,000 requests an hour | |\n|---|---:|");
    let measured = Measured::start(1000, "rate_limit = 5000\n");
    println!("| healthy | {} |", shown(measured.answers_after("/healthz")));
    println!("| ready | {} |", shown(measured.answers_after("/readyz")));
    for minute in 1..=4_u64 {
        let hour = measured.processor_an_hour(Duration::from_secs(60));
        let status = |path| get(measured.address, path).map_or(0, |(status, _)| status);
        let (health, ready) = (status("/healthz"), status("/readyz"));
        let spent: u64 = counted(&measured.cloud.served.world()).values().sum();
        let seen =
            get(measured.address, "/api/status").map_or(0, |(_, body)| body.matches("\"pool\"").count());
        println!(
            "| minute {minute} | healthy {health}, ready {ready}, {seen} fleets seen, {spent} counted requests, {hour:.0} s of \
             processor an hour |"
        );
    }
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for (name, measure) in
        [("stream", stream as fn()), ("latency", latency), ("idle", idle), ("token", token)]
    {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            measure();
        }
    }
}
