//! The real loop against the simulated clouds in virtual time, all of it from one seed: jobs,
//! faults, crashes of the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_daemon::{Board, Daemon, Outside, StateDir};
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_simcloud::fault::{Fault, Side, What};
use azlin_simcloud::github::{JobState, SimJob};
use azlin_simcloud::ledger::Report;
use azlin_simcloud::workload::{Arrival, Count, Overrides, Span, Workload};
use azlin_simcloud::{InProcess, World};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// While this lasts, things fail; then comes as long a calm again.
const WEATHER: Duration = Duration::from_secs(3 * 3600);
/// The longest that a list lags. A daemon that lost its state file cannot know what a list that is
/// older than its own death does not show, so it stays down for longer than that (ARCHITECTURE.md,
/// What always holds).
const LONGEST_LAG: Duration = Duration::from_secs(60);
/// In calm, no job waits longer than this after all VMs of its fleet were last there: the longest
/// backoff, and then a few rounds of boots, since one runner is started for two jobs.
const LONGEST_WAIT: Duration = Duration::from_secs(25 * 60);
/// The most VMs of each fleet.
pub const MAXIMUMS: [(&str, u32); 2] = [("large", 8), ("small", 4)];

const VM: &str = "[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"GROUP\"\n\
    location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]\nimage = \"a:b:c:d\"\n\
    subnet_id = \"/subscriptions/0/s\"\n";

/// How a simulation went.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub report: Report,
    /// What must never happen and did, each in a sentence.
    pub broken: Vec<String>,
}

/// Two fleets on one repository; every second seed keeps one runner warm in the small one, and every
/// third bootstraps the large one over SSH, every sixth for three jobs each.
pub fn fleets(seed: u64) -> Vec<Fleet> {
    fleets_in(seed, "rg", "o/r")
}

/// The same in that resource group, and with the repository spelled so.
fn fleets_in(seed: u64, group: &str, repo: &str) -> Vec<Fleet> {
    let min = u64::from(seed.is_multiple_of(2));
    let ssh = match (seed.is_multiple_of(3), seed.is_multiple_of(6)) {
        (_, true) => "[bootstrap]\nmethod = \"ssh\"\n[lifecycle]\nmax_job_count = 3\n",
        (true, false) => "[bootstrap]\nmethod = \"ssh\"\n",
        (false, false) => "",
    };
    let texts = [
        ("large", format!("repo = \"o/r\"\nlabels = [\"docker\"]\n[scaling]\nmax_runners = 8\n{ssh}{VM}")),
        (
            "small",
            format!(
                "repo = \"o/r\"\nlabels = [\"docker\", \"gpu\"]\n[scaling]\nmin_runners = {min}\nmax_runners = 4\n\
                 jobs_per_runner = 1\n[lifecycle]\nrotation_interval = \"70m\"\n{VM}"
            ),
        ),
    ];
    let parse = |(name, text): &(&str, String)| {
        let pool = name.parse().unwrap_or_else(|error| panic!("{error}"));
        let text = text.replace("GROUP", group).replace("o/r", repo);
        Fleet::parse(name, pool, &text).unwrap_or_else(|problems| panic!("{problems}"))
    };
    texts.iter().map(parse).collect()
}

/// Jobs for as long as the weather lasts, and faults drawn from the seed.
pub fn workload(seed: u64) -> Workload {
    let mut chance = StdRng::seed_from_u64(seed);
    let span = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let arrival = |labels: Vec<String>, every, jobs, then| Arrival {
        at: Duration::from_secs(5),
        every: Some(every),
        until: Some(WEATHER),
        repo: "o/r".to_owned(),
        jobs,
        labels,
        duration: span(20, 900),
        script: None,
        held: None,
        then,
    };
    let held = Arrival {
        held: Some(span(60, 1200)),
        ..arrival(labels(&["self-hosted", "docker"]), span(1500, 3000), Count::Exactly(2), 0)
    };
    Workload {
        settings: Overrides { seed: Some(seed), ..Overrides::default() },
        repositories: vec!["o/r".to_owned()],
        arrivals: vec![
            arrival(labels(&["self-hosted", "linux", "docker"]), span(600, 1800), Count::Between(1, 12), 2),
            arrival(labels(&["self-hosted", "GPU"]), span(300, 1800), Count::Between(1, 3), 0),
            held,
        ],
        faults: (0..chance.random_range(0..8)).map(|_| fault(&mut chance)).collect(),
        ..Workload::default()
    }
}

fn fault(chance: &mut StdRng) -> Fault {
    let seconds =
        |range: std::ops::Range<u64>, chance: &mut StdRng| Duration::from_secs(chance.random_range(range));
    let latest = WEATHER.as_secs();
    let from = seconds(0..latest * 9 / 10, chance);
    let until = (from + seconds(60..3600, chance)).min(WEATHER);
    let span = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
    let (what, side, method) = match chance.random_range(0..20) {
        0 => (What::Latency(span(1, 50)), None, None),
        1 => (What::Status(502, None), Some(Side::Github), None),
        2 => (What::Status(500, None), Some(Side::Azure), None),
        3 => (What::Status(403, Some(120)), Some(Side::Github), None),
        4 => (What::Status(429, None), Some(Side::Azure), None),
        5 => (What::Reset, None, None),
        6 => (What::LostAnswer, Some(Side::Azure), Some("PUT")),
        7 => (What::LostAnswer, Some(Side::Github), Some("POST")),
        8 => (What::LostAnswer, None, Some("DELETE")),
        9 => (What::NoCapacity(None), None, None),
        10 => (What::CreateFails(None), None, None),
        11 => (What::NeverBoots, None, None),
        12 => (What::NeverRegisters, None, None),
        13 => (What::DiesInJob, None, None),
        14 => (What::Eviction, None, None),
        15 => (What::Cancelled, None, None),
        16 => (What::StepFails(None), None, None),
        17 => (What::ConnectionLost(None), None, None),
        18 => (What::LeavesBehind, None, None),
        _ => (What::Stale(span(5, LONGEST_LAG.as_secs())), None, Some("GET")),
    };
    Fault {
        what,
        side,
        method: method.map(str::to_owned),
        path: None,
        from,
        until: Some(until),
        probability: if chance.random_bool(0.3) { 1.0 } else { chance.random_range(0.05..0.6) },
        times: None,
    }
}

/// What a daemon remembers from one life to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Disk {
    /// Nothing.
    Lost,
    /// All.
    Kept,
    /// All, but each file may end half-way.
    Torn,
}

/// Runs one seed from start to rest. Must be called on a paused current-thread runtime.
pub async fn run(seed: u64) -> Outcome {
    let began = Instant::now();
    let start: Timestamp = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
    let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
    let world = Arc::new(Mutex::new(World::new(&workload(seed), start)));
    let cloud = Arc::new(InProcess::new(Arc::clone(&world), Arc::clone(&clock)));
    let names = Arc::new(Mutex::new(StdRng::seed_from_u64(seed ^ 0xa5a5)));
    let outside = |skew: SignedDuration| {
        let (clock, names) = (Arc::clone(&clock), Arc::clone(&names));
        Outside {
            github: cloud.clone().into(),
            azure: cloud.clone(),
            ssh: cloud.clone(),
            clock: Arc::new(move || clock() + skew),
            random: Arc::new(move || locked(&names).random()),
        }
    };
    let mut chance = StdRng::seed_from_u64(seed ^ 0x5a5a);
    let config = format!("[poll]\nqueue = \"{}s\"\n", chance.random_range(10..=60));
    let config = DaemonConfig::parse("azlin.toml", &config).unwrap_or_else(|problems| panic!("{problems}"));
    let lags = workload(seed).faults.iter().any(|fault| matches!(fault.what, What::Stale(_)));
    let least_downtime = if lags { LONGEST_LAG } else { Duration::ZERO };
    let disk = [Disk::Lost, Disk::Kept, Disk::Torn][chance.random_range(0..3)];
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let state = || StateDir::new((disk != Disk::Lost).then(|| directory.path().to_owned()));
    let is_clock_set = seed.is_multiple_of(4);

    // The daemon lives for a while and is killed, until the weather is over. In between, its disk may
    // be torn, its clock set, its files changed.
    while began.elapsed() < WEATHER {
        let life = Duration::from_millis(chance.random_range(1_000..5_400_000));
        let group = if disk == Disk::Kept && chance.random_bool(0.3) { "rg2" } else { "rg" };
        let repo = if chance.random_bool(0.3) { "O/R" } else { "o/r" };
        let skew = if is_clock_set { chance.random_range(-600..=600) } else { 0 };
        let fleets = fleets_in(seed, group, repo);
        let outside = outside(SignedDuration::from_secs(skew));
        let daemon =
            Daemon::new(&config, fleets, outside, state(), Board::default(), CancellationToken::new());
        let _ = tokio::time::timeout(life.min(WEATHER - began.elapsed()), daemon.run()).await;
        if disk == Disk::Torn {
            tear(directory.path(), &mut chance);
        }
        tokio::time::sleep(least_downtime + Duration::from_millis(chance.random_range(0..30_000))).await;
    }
    let stop = CancellationToken::new();
    let fleets = fleets(seed);
    let warm: u64 = fleets.iter().map(|fleet| u64::from(fleet.scaling.min_runners)).sum();
    let daemon =
        Daemon::new(&config, fleets, outside(SignedDuration::ZERO), state(), Board::default(), stop.clone());
    let calm = Instant::now();
    let mut starved = BTreeSet::new();
    let mut last_full = BTreeMap::new();
    let settled = async {
        loop {
            tokio::time::sleep(Duration::from_secs(30)).await;
            let mut world = locked(&world);
            world.advance(clock());
            let starving = starving(&world, &mut last_full);
            if calm.elapsed() > LONGEST_WAIT {
                starved.extend(starving);
            }
            let report = world.report();
            let is_swept = world.state.azure.left.is_empty();
            if report.jobs_unserved == 0 && report.vms_left == warm && report.runners_left == warm && is_swept
            {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(WEATHER, settled) => stop.cancel(),
        () = daemon.run() => {}
    }
    let mut world = locked(&world);
    world.advance(clock());
    let report = world.report();
    let mut broken = violations(&report, warm);
    let left: Vec<&str> = world.state.azure.left.keys().map(String::as_str).collect();
    if !left.is_empty() {
        broken.push(format!("left behind: {}", left.join(", ")));
    }
    broken.extend(starved.iter().map(|job| format!("job {job} starved though its fleet had room")));
    Outcome { report, broken }
}

/// Jobs that have waited for too long while their fleet could have had more VMs.
fn starving(world: &World, last_full: &mut BTreeMap<&'static str, Timestamp>) -> Vec<u64> {
    let bound = SignedDuration::try_from(LONGEST_WAIT).unwrap_or(SignedDuration::ZERO);
    let is_long_ago = |then: Timestamp| world.now().duration_since(then) > bound;
    for (pool, most) in MAXIMUMS {
        let vms = world.state.azure.vms.values().filter(|vm| vm.tag("azlin-pool") == Some(pool)).count();
        if vms == most as usize {
            last_full.insert(pool, world.now());
        }
    }
    let starves = |job: &&SimJob| {
        let pool = if job.labels.iter().any(|label| label == "GPU") { "small" } else { "large" };
        let could_have_more = last_full.get(pool).is_none_or(|full| is_long_ago(*full));
        job.state == JobState::Queued && is_long_ago(job.queued_at) && could_have_more
    };
    world.state.github.jobs.values().filter(starves).map(|job| job.id).collect()
}

/// Cuts files of the state directory somewhere.
fn tear(directory: &Path, chance: &mut StdRng) {
    for (pool, _) in MAXIMUMS {
        let file = directory.join(format!("{pool}.json"));
        let bytes = std::fs::read(&file).unwrap_or_default();
        if !bytes.is_empty() && chance.random_bool(0.5) {
            let end = chance.random_range(0..bytes.len());
            std::fs::write(&file, &bytes[..end]).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

fn violations(report: &Report, warm: u64) -> Vec<String> {
    let mut broken = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            broken.push(what);
        }
    };
    check(report.jobs_killed == 0, format!("{} running jobs were killed", report.jobs_killed));
    check(report.jobs_unserved == 0, format!("{} jobs were never served", report.jobs_unserved));
    check(report.vms_left == warm, format!("{} VMs at rest, where {warm} are kept warm", report.vms_left));
    check(
        report.runners_left == warm,
        format!("{} entries at rest, where {warm} are kept warm", report.runners_left),
    );
    check(report.overwrites == 0, format!("{} VMs were overwritten", report.overwrites));
    check(report.names_reused == 0, format!("{} names were used twice", report.names_reused));
    check(report.vms_leaking == 0, format!("{} VMs left a NIC or disk", report.vms_leaking));
    for (pool, most) in MAXIMUMS {
        let peak = report.peak_by_pool.get(pool).copied().unwrap_or_default();
        check(peak <= most, format!("{pool} had {peak} VMs, and may have {most}"));
    }
    broken
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
