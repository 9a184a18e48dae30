//! `cargo xtask simulate`: runs many scenarios, in a small part of the time that they simulate.

#![allow(clippy::print_stdout, reason = "it is there to print")]

use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use azlin_fleet::seeded_bugs::Bug;
use azlin_simulation::{PartSelection, Scenario, Trace, Violation, find_bug, generate, run, shrink};
use clap::Parser;
use mimalloc::MiMalloc;
use parking_lot::Mutex;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Runs fleets of runners through simulated jobs, faults, changed files and crashes of the daemon, and checks
/// every invariant of docs/reliability.md after everything that happens.
///
/// One seed gives all of it. For a seed that violates an invariant, the command that runs it again is
/// printed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask simulate", bin_name = "cargo xtask simulate")]
struct SimulateArgs {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 500)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// How many days each seed simulates
    #[arg(long, value_name = "DAYS", default_value_t = 1.0, value_parser = days)]
    days: f64,
    /// Run at most this many fleets of each seed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3))]
    fleets: u64,
    /// For each seed that fails, find the smallest part that still fails, and print its trace
    #[arg(long)]
    minimise: bool,
    /// Run only these parts of a seed, as --minimise names them
    #[arg(long, value_name = "PARTS")]
    only: Option<PartSelection>,
    /// Print each seed's trace as it happens, with the daemon's whole journal
    #[arg(long)]
    journal: bool,
    /// Seed this bug, and stop at the first seed that finds it: one of those in
    /// crates/fleet/src/seeded_bugs.rs, or all
    #[arg(long = "planted", value_name = "BUG")]
    seeded: Option<SeededBugs>,
    /// How many seeds to run at the same time
    #[arg(long, value_name = "N", default_value_t = threads())]
    threads: u64,
}

fn threads() -> u64 {
    std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
}

fn days(text: &str) -> Result<f64, String> {
    let days: f64 = text.parse().map_err(|_| "wanted a number of days, as in 7 or 0.5".to_owned())?;
    if (0.05..=366.0).contains(&days) { Ok(days) } else { Err("wanted 0.05 to 366 days".to_owned()) }
}

/// The bugs to seed.
#[derive(Debug, Clone)]
struct SeededBugs(Vec<Bug>);

impl FromStr for SeededBugs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_it = |bug: &&Bug| text == "all" || bug.to_string().eq_ignore_ascii_case(text);
        let bugs: Vec<Bug> = Bug::ALL.iter().filter(is_it).copied().collect();
        let all = || Bug::ALL.map(|bug| bug.to_string()).join(", ");
        if bugs.is_empty() { Err(format!("wanted all, or one of {}", all())) } else { Ok(SeededBugs(bugs)) }
    }
}

/// The sums over all seeds.
#[derive(Debug, Default)]
struct Totals {
    seeds_run: u64,
    simulated: Duration,
    cost: Duration,
    calls: u64,
    jobs: u64,
    /// The wrapping sum of all digests, so that the order of seeds does not matter.
    digest: u64,
    failed: Vec<u64>,
}

fn main() -> ExitCode {
    let arguments = SimulateArgs::parse();
    if let Some(SeededBugs(bugs)) = &arguments.seeded {
        return find_bugs(bugs, &arguments);
    }
    let (next, totals) = (AtomicU64::new(arguments.from), Mutex::new(Totals::default()));
    let began = Instant::now();
    let threads = if arguments.journal { 1 } else { arguments.threads.max(1) };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.from.saturating_add(arguments.seeds) {
                        break;
                    }
                    run_seed(&arguments, seed, &totals, began);
                }
            });
        }
    });
    let totals = totals.into_inner();
    let (took, days) = (began.elapsed(), totals.simulated.as_secs_f64() / 86_400.0);
    let speed = totals.simulated.as_secs_f64() / totals.cost.as_secs_f64().max(0.001);
    println!(
        "{} seeds, {days:.0} days, {} jobs, {} calls in {:.1} s on {threads} threads: each {speed:.0} times as fast as real time",
        totals.seeds_run,
        totals.jobs,
        totals.calls,
        took.as_secs_f64(),
    );
    println!("digest of all traces: {:016x}", totals.digest);
    if totals.failed.is_empty() {
        println!("no invariant was violated");
        return ExitCode::SUCCESS;
    }
    println!("{} failed: {:?}", totals.failed.len(), totals.failed);
    ExitCode::FAILURE
}

/// Seeds each bug, and prints the first seed that finds it.
fn find_bugs(bugs: &[Bug], arguments: &SimulateArgs) -> ExitCode {
    let mut missed = 0;
    for bug in bugs {
        let began = Instant::now();
        match find_bug(*bug, arguments.from..arguments.from.saturating_add(arguments.seeds), arguments.days) {
            Some((seed, violation)) => {
                println!("{bug}: seed {seed}, {:.1} s: {violation}", began.elapsed().as_secs_f64());
            }
            None => {
                missed += 1;
                println!("{bug}: not found in {} seeds", arguments.seeds);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_seed(arguments: &SimulateArgs, seed: u64, totals: &Mutex<Totals>, began: Instant) {
    let scenario = generate(seed, arguments.days).with_fleets(arguments.fleets as usize);
    let scenario = arguments.only.as_ref().map_or(scenario.clone(), |only| only.of(&scenario));
    let start = Instant::now();
    let result = if arguments.journal {
        print_scenario(&scenario);
        run(&scenario, &Trace::read_by(|line| println!("{line}")), Some(tracing::Level::DEBUG))
    } else {
        run(&scenario, &Trace::default(), None)
    };
    let cost = start.elapsed();
    let mut totals = totals.lock();
    totals.seeds_run += 1;
    totals.simulated += result.length;
    totals.cost += cost;
    totals.calls += result.calls;
    totals.jobs += result.report.jobs_submitted;
    totals.digest = totals.digest.wrapping_add(result.digest);
    if totals.seeds_run.is_multiple_of(1000) {
        println!("{} seeds after {:.0} s", totals.seeds_run, began.elapsed().as_secs_f64());
    }
    if let Some(violation) = result.violation {
        totals.failed.push(seed);
        report_failure(arguments, &scenario, &violation);
    }
}

/// Prints a violation, its smallest scenario where asked for, and the command that runs it again.
fn report_failure(arguments: &SimulateArgs, scenario: &Scenario, violation: &Violation) {
    let Scenario { seed, .. } = scenario;
    println!("seed {seed}: {violation}");
    let mut only = arguments.only.clone();
    if arguments.minimise {
        let selection = shrink(scenario, violation.invariant);
        println!("of its {} parts, {} are enough:", scenario.parts.len(), selection.of(scenario).parts.len());
        print_scenario(&selection.of(scenario));
        // The trace leaves out calls that only read.
        let trace = Trace::read_by(|line| {
            if !line.contains(" call GET ") {
                println!("{line}");
            }
        });
        run(&selection.of(scenario), &trace, Some(tracing::Level::INFO));
        only = Some(selection);
    }
    let only = only.map(|only| format!(" --only {only}")).unwrap_or_default();
    let fleets = if arguments.fleets < 3 { format!(" --fleets {}", arguments.fleets) } else { String::new() };
    let days = arguments.days;
    println!("again: cargo xtask simulate --from {seed} --seeds 1 --days {days}{fleets}{only} --journal");
}

/// Prints the settings, fleets and parts of a scenario.
fn print_scenario(scenario: &Scenario) {
    let Scenario { poll, provisioning, rate_limit, .. } = scenario;
    println!("poll {poll:?}, {provisioning} provisioning operations, {rate_limit} requests an hour");
    for fleet in &scenario.fleets {
        println!("{fleet:?}");
    }
    for (number, part) in &scenario.parts {
        println!("part {number}: {part}");
    }
}
