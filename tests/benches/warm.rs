//! What readiness buys: how long jobs wait and what a month costs, with nothing ready, with runners that are idle, and with
//! VMs on standby. A week in virtual time for each row: `cargo bench -p azlin-tests --bench warm`.
//!
//! The times are what users of Azure report: 25 to 33 s until a new VM has booted, 45 to 70 s to install Docker
//! (peters/horizon #508); 10 to 30 s to start a machine that was set up and stopped, as users of AWS report
//! (terraform-aws-github-runner #5204).

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its table and fails by panicking"
)]

use azlin_daemon::StateDir;
use azlin_fleet::config::Fleet;
use azlin_fleet::model::Use;
use azlin_fleet::report::Cost;
use azlin_tests::harness::{self, Harness};

const TIMES: &str = "[settings]\ncreate = ['13s', '18s']\nboot = ['8s', '15s']\nsetup = ['50s', '75s']\n\
     register = ['2s', '5s']\nstart = ['4s', '10s']\nrate_limit = 0\n";
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// Weeks in a month.
const MONTH: f64 = 365.25 / 12.0 / 7.0;

/// How jobs come in a week.
struct Pattern {
    name: &'static str,
    workload: String,
    /// As many jobs as often come at once.
    at_once: u32,
}

/// Jobs of these minutes from `at`, in seconds from the start of the week, until `until`.
fn arrival(at: u64, until: u64, every: [u64; 2], jobs: u32, minutes: [u64; 2]) -> String {
    let ([soonest, latest], [shortest, longest]) = (every, minutes);
    format!(
        "[[arrivals]]\nat = '{at}s'\nuntil = '{until}s'\nevery = ['{soonest}m', '{latest}m']\nrepo = 'o/r'\njobs = {jobs}\n\
         labels = ['self-hosted', 'docker']\nduration = ['{shortest}m', '{longest}m']\n"
    )
}

fn patterns() -> [Pattern; 3] {
    // The week starts on a Friday at eight.
    let days = [0, 3, 4, 5, 6].map(|day| day * DAY);
    let work = days.map(|day| arrival(day.max(HOUR / 4), day + 10 * HOUR, [1, 9], 1, [3, 9]));
    [
        Pattern {
            name: "lone jobs, day and night",
            workload: arrival(HOUR, WEEK, [60, 180], 1, [2, 8]),
            at_once: 1,
        },
        Pattern {
            name: "bursts of 10, day and night",
            workload: arrival(HOUR, WEEK, [180, 300], 10, [2, 8]),
            at_once: 10,
        },
        Pattern { name: "office hours", workload: work.concat(), at_once: 3 },
    ]
}

/// The settings that are compared: their name, and the lines of the file.
fn settings(at_once: u32) -> [(&'static str, String, String); 4] {
    let hours = "[[hours]]\ndays = ['mon-fri']\nfrom = '08:00'\nto = '18:00'\ntime_zone = 'UTC'\n";
    let standby = format!("[warm]\nstandby = {at_once}\n");
    [
        ("nothing ready", String::new(), String::new()),
        ("`min_runners`", format!("min_runners = {at_once}\n"), String::new()),
        ("`standby`", String::new(), standby),
        ("`standby` in office hours", String::new(), format!("{hours}standby = {at_once}\n")),
    ]
}

fn fleet(scaling: &str, ready: &str) -> Fleet {
    let text = format!(
        "repo = 'o/r'\nlabels = ['docker']\n[demand]\nsource = 'scale-set'\n[scaling]\n{scaling}max_runners = 20\n\
         jobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = '0s'\n{ready}[vm]\n\
         subscription_id = '00000000-0000-0000-0000-000000000000'\nresource_group = 'rg'\nlocation = 'eastus'\n\
         sizes = ['Standard_D4s_v5']\nimage = 'a:b:c:d'\nsubnet_id = '/subscriptions/0/s'\n"
    );
    let pool = "ci".parse().unwrap_or_else(|error| panic!("{error}"));
    Fleet::parse("ci.toml", pool, &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// A week's jobs: how many, their median and 95th percentile wait in seconds, and what the daemon says that it cost.
async fn week(workload: &str, fleet: Fleet) -> (u64, f64, f64, Cost) {
    let harness = Harness::new(&format!("{TIMES}{workload}"));
    let board = harness.live(vec![fleet], StateDir::default(), WEEK).await;
    let posted = board.read();
    let status = posted.fleets.values().next().expect("there is a fleet");
    let cost = status.cost.clone().expect("its cost is known");
    let report = harness.report();
    (report.jobs_completed, report.wait_p50_s, report.wait_p95_s, cost)
}

fn main() {
    println!(
        "| jobs | ready | jobs a week | median wait | 95 % wait at most | a month | of that not for jobs |\n\
         |---|---|---:|---:|---:|---:|---:|"
    );
    for pattern in patterns() {
        for (name, scaling, ready) in settings(pattern.at_once) {
            harness::run(async {
                let (jobs, median, most, cost) = week(&pattern.workload, fleet(&scaling, &ready)).await;
                let (all, besides) = (cost.total * MONTH, (cost.total - cost.by_use[Use::Busy]) * MONTH);
                println!(
                    "| {} | {name} | {jobs} | {median:.0} s | {most:.0} s | ${all:.2} | ${besides:.2} |",
                    pattern.name
                );
            });
        }
    }
}
