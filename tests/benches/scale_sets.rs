//! How quick the daemon is with runner scale sets, and what many of them cost. A command, never a test:
//! `cargo bench -p azlin-tests --bench scale_sets -- message burst many`; without a name all of them.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its table and fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use azlin_fleet::model::counted;
use azlin_simcloud::fault::Side;
use azlin_simcloud::{Workload, World};
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use azlin_tests::process::{memory_kb, processor_time};
use jiff::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
const QUICK: &str = "create = '1s'\nboot = '1s'\nregister = '1s'\ndelete = '1s'\n";

/// A daemon whose fleets have a scale set each, on one repository each, and which polls every minute. All sessions are open.
fn daemon(fleets: usize, settings: &str, limits: &str) -> (Cloud, DaemonProcess) {
    let repositories: Vec<String> = (0..fleets).map(|number| format!("'o/r{number}'")).collect();
    let text = format!("repositories = [{}]\n[settings]\n{settings}", repositories.join(", "));
    let cloud = Cloud::new(&Workload::parse(&text).unwrap());
    for number in 0..fleets {
        let scaling = "[scaling]\nmax_runners = 1000\ncooldown = \"0s\"\n";
        let demand = "[demand]\nsource = \"scale-set\"\n";
        cloud.write(
            &format!("fleets/f{number}.toml"),
            &format!("repo = \"o/r{number}\"\n{demand}{scaling}{VM}"),
        );
    }
    let toml = cloud.daemon_toml().replace("\"1s\"", "\"60s\"").replace("\"2s\"", "\"120s\"");
    cloud.write("azlin.toml", &format!("{toml}{limits}"));
    let daemon = cloud.daemon();
    let all_open = |world: &mut World| {
        let open = world.scale_sets.sets.values().filter(|set| set.session.is_some());
        open.count() >= fleets
    };
    assert!(cloud.wait(Duration::from_secs(120), all_open), "{}", cloud.logged());
    (cloud, daemon)
}

fn submit(cloud: &Cloud, fleet: usize, jobs: usize, takes: Duration) {
    let job = (vec![format!("f{fleet}")], takes);
    cloud.served.world().submit(&format!("o/r{fleet}"), vec![job; jobs], Vec::new());
}

/// When each VM was asked for.
fn asked(world: &World) -> Vec<Timestamp> {
    let mut asked: Vec<Timestamp> = world.state.azure.vms.values().map(|vm| vm.created_at).collect();
    asked.sort();
    asked
}

/// One job after the other.
fn message() {
    println!(
        "\n| from the message to the request for a VM | jobs | median | slowest |\n|---|---:|---:|---:|"
    );
    for fleets in [1, 300] {
        let (cloud, _daemon) = daemon(fleets, "rate_limit = 0\n", "");
        let mut told = Vec::new();
        for round in 0..31 {
            std::thread::sleep(Duration::from_millis(300));
            told.push(Timestamp::now());
            submit(&cloud, round * 37 % fleets, 1, HOUR);
        }
        assert!(cloud.wait(Duration::from_secs(60), |world| asked(world).len() >= told.len()));
        let asked = asked(&cloud.served.world());
        let wait = |(told, asked): (&Timestamp, &Timestamp)| {
            Duration::try_from(asked.duration_since(*told)).unwrap()
        };
        let mut waits: Vec<Duration> = told.iter().zip(&asked).map(wait).collect();
        waits.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (median, slowest) = (ms(waits[waits.len() / 2]), ms(waits[waits.len() - 1]));
        println!(
            "| {} | {} | {median:.1} ms | {slowest:.1} ms |",
            counted(fleets as u32, "scale set"),
            waits.len()
        );
    }
}

/// All jobs are assigned at once.
fn burst() {
    println!(
        "\n| jobs at once, of one set | provisioning at a time | last request | CPU until then |\n|---:|---:|---:|---:|"
    );
    for (jobs, at_a_time) in [(1000, 1000), (1000, 50)] {
        let limits = format!("[limits]\nmax_concurrent_provisioning = {at_a_time}\n");
        let settings = format!("rate_limit = 0\n{}", QUICK.replace("create = '1s'", "create = '2s'"));
        let (cloud, daemon) = daemon(1, &settings, &limits);
        let before = processor_time(daemon.id());
        let began = Instant::now();
        submit(&cloud, 0, jobs, HOUR);
        assert!(cloud.wait(Duration::from_secs(300), |world| asked(world).len() >= jobs));
        let (took, cpu) = (began.elapsed(), processor_time(daemon.id()) - before);
        println!("| {jobs} | {at_a_time} | {:.2} s | {:.2} s |", took.as_secs_f64(), cpu.as_secs_f64());
    }
}

/// Requests to GitHub's REST interface that count, so far, by route.
fn of_limit(world: &World) -> BTreeMap<String, u64> {
    let of_rest =
        ["/repos/", "/orgs/", "/enterprises/", "/actions/runner-registration", "/app", "/installation"];
    let is_rest = |route: &str| of_rest.iter().any(|of_rest| route.starts_with(of_rest));
    let requests = world.statistics.requests.iter();
    let in_limit = requests
        .filter(|((side, _, route, status), _)| *side == Side::Github && *status != 304 && is_rest(route));
    in_limit
        .map(|((_, method, route, status), (count, _))| (format!("{method} {route} {status}"), *count))
        .collect()
}

/// Three hundred sets with ten jobs a second in all, for three minutes.
fn many() {
    println!(
        "\n| 300 scale sets, three minutes | jobs done | counted requests of all scopes | resident | processor an hour |\n\
         |---|---:|---:|---:|---:|"
    );
    let (cloud, daemon) = daemon(300, QUICK, "");
    for (what, jobs) in [("idle", 0_usize), ("600 jobs a minute", 1)] {
        let before: u64 = of_limit(&cloud.served.world()).values().sum();
        let cpu = processor_time(daemon.id());
        let began = Instant::now();
        for round in 0..1800 {
            if jobs > 0 {
                submit(&cloud, round * 37 % 300, jobs, Duration::from_secs(1));
            }
            let next = began + Duration::from_millis(100) * u32::try_from(round + 1).unwrap();
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let hours = began.elapsed().as_secs_f64() / 3600.0;
        let cpu = (processor_time(daemon.id()) - cpu).as_secs_f64() / hours;
        let world = cloud.served.world();
        let spent: u64 = of_limit(&world).values().sum::<u64>() - before;
        let (done, resident) = (world.statistics.jobs_completed, memory_kb(daemon.id(), "VmRSS:") / 1024);
        println!("| {what} | {done} | {spent} | {resident} MB | {cpu:.0} s |");
        if std::env::var_os("AZLIN_ROUTES").is_some() {
            of_limit(&world).iter().for_each(|(route, count)| println!("  {count} {route}"));
        }
    }
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for (name, measure) in [("message", message as fn()), ("burst", burst), ("many", many)] {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            measure();
        }
    }
}
