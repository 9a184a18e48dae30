//! Each way a call can fail, at each kind of call. After the fault ends, the world recovers within three
//! ticks.
//!
//! `AZLIN_CELL="PUT azure /virtualMachines/ | status 503" cargo test -p azlin-tests --test virtual_time
//! matrix -- --nocapture` runs one cell.

use std::fmt::Write as _;
use std::time::Duration;

use azlin_daemon::StateDir;
use azlin_fleet::config::{Fleet, Method};
use azlin_simcloud::github::JobState;
use azlin_simcloud::statistics::Report;
use azlin_tests::harness::{Harness, fleet, live, run};

/// Kinds of calls: service, method, and a part of the path.
const CALLS: [(&str, &str, &str); 17] = [
    ("github", "GET", "/actions/runs"),
    ("github", "GET", "/actions/runners"),
    ("github", "GET", "/actions/runners/"),
    ("github", "GET", "/actions/runners/downloads"),
    ("github", "POST", "/generate-jitconfig"),
    ("github", "POST", "/registration-token"),
    ("github", "DELETE", "/actions/runners/"),
    ("github", "GET", ""),
    ("github", "POST", ""),
    ("azure", "GET", "/virtualMachines"),
    ("azure", "GET", "/virtualMachines/"),
    ("azure", "PUT", "/virtualMachines/"),
    ("azure", "PATCH", "/virtualMachines/"),
    ("azure", "DELETE", "/virtualMachines/"),
    ("azure", "GET", ""),
    ("azure", "DELETE", ""),
    ("azure", "GET", "/providers/Microsoft.Compute/virtualMachines"),
];
/// Faults of calls.
const FAULTS: [&str; 21] = [
    "{ status = 404 }",
    "{ status = 400 }",
    "{ status = 401 }",
    "{ status = 403 }",
    "{ status = [403, 40] }",
    "{ status = 408 }",
    "{ status = 409 }",
    "{ status = 418 }",
    "{ status = 422 }",
    "{ status = 429 }",
    "{ status = [429, 40] }",
    "{ status = 500 }",
    "{ status = 502 }",
    "{ status = 503 }",
    "'reset'",
    "'truncated'",
    "'lost_answer'",
    "{ latency = '50s' }",
    "'block_page'",
    "'login_redirect'",
    "'html_not_found'",
];
/// Refusals with a code of Azure's, at each call to it.
const REFUSALS: [&str; 4] = [
    "{ refused = [409, 'ScopeLocked', 'locked'] }",
    "{ refused = [409, 'ReadOnlyDisabledSubscription', 'disabled'] }",
    "{ refused = [429, 'RetryableErrorDueToAnotherOperation', 'busy'] }",
    "{ refused = [409, 'OperationNotAllowed', 'max price lower than the spot price'] }",
];
/// Refusals of a VM that close what they name for hours. Here it is all that the fleets have: one try in two minutes
/// finds out that a person has acted. That nothing else is closed is in `refusals.rs`.
const CLOSING: [&str; 8] = [
    "{ refused = [400, 'VMSizeNotSupported', ''] }",
    "{ refused = [400, 'AzureSpotIsNotSupportedForThisVMSize', ''] }",
    "{ refused = [400, 'AzureSpotFeatureNotEnabledForSubscription', ''] }",
    "{ refused = [400, 'AvailabilityZoneNotSupported', ''] }",
    "{ refused = [403, 'RequestDisallowedByAzure', ''] }",
    "{ refused = [403, 'RequestDisallowedByPolicy', ''] }",
    "{ refused = [409, 'OperationNotAllowed', 'exceeding approved Cores quota. Current Limit: 0'] }",
    "{ refused = [409, 'OperationNotAllowed', 'exceeding approved standardDSv5Family Cores quota. Current Limit: 0'] }",
];
/// Faults of VMs, runners and jobs, independent of calls.
const MACHINES: [&str; 24] = [
    "'no_capacity'",
    "'create_fails'",
    "{ create_fails = 'AllocationFailed' }",
    "{ create_fails = 'QuotaExceeded' }",
    "'never_boots'",
    "'never_registers'",
    "'dies_in_job'",
    "'eviction'",
    "'leaves_behind'",
    "'step_fails'",
    "'connection_lost'",
    "{ stale = '60s' }",
    "'guest_deaf'",
    "'fails_running'",
    "'tags_stripped'",
    "{ tags_stripped = 'azlin-pool' }",
    "'tokens_revoked'",
    "'locked'",
    "'subscription_disabled'",
    "'list_idle'",
    "'entry_vanishes'",
    "{ entry_stays = '30s' }",
    "'jobs_unnamed'",
    "{ shown_queued = '20s' }",
];
/// What GitHub gets wrong about a busy runner, all at once: with any one of them, another tells the truth.
const WRONG_AT_ONCE: [&str; 3] = ["'list_idle'", "'jobs_unnamed'", "'delete_idle'"];
/// VMs that fail, and whose NIC can only be deleted three minutes after them.
const NIC_STAYS: [&str; 2] = ["'create_fails'", "'nic_reserved'"];
const FROM: u64 = 120;
const UNTIL: u64 = 240;
const TICK: u64 = 60;
/// Seconds from the tick that requests a VM until its runner has a job, or from the tick that removes it
/// until it is gone.
const MACHINE: u64 = 30;

const FLEETS: [&str; 3] = ["by-init", "by-ssh", "idle"];
const MOST_EACH: u32 = 3;

fn fleets() -> Vec<Fleet> {
    let mut fleets = FLEETS.map(|name| fleet(name, "o/r", "rg"));
    fleets[1].bootstrap.method = Method::Ssh;
    for (fleet, label) in fleets.iter_mut().zip(["init", "ssh", "nobody"]) {
        fleet.labels = vec![label.parse().expect("valid")];
        fleet.scaling.scale_up_threshold = 0;
        fleet.scaling.cooldown = Duration::ZERO;
        fleet.scaling.max_runners = MOST_EACH;
        fleet.lifecycle.boot_timeout = Duration::from_secs(60);
        fleet.lifecycle.offline_timeout = Duration::from_secs(60);
    }
    // An idle runner, which is replaced during the fault.
    fleets[2].scaling.min_runners = 1;
    fleets[2].lifecycle.rotation_interval = Duration::from_secs(FROM - 10);
    fleets.to_vec()
}

/// Jobs before and during the fault: long ones, which must not be killed, and short ones.
fn jobs(harness: &Harness, count: usize, seconds: u64) {
    for label in ["init", "ssh"] {
        let labels = vec!["self-hosted".to_owned(), label.to_owned()];
        harness.world().submit("o/r", vec![(labels, Duration::from_secs(seconds)); count], Vec::new());
    }
}

fn waiting(harness: &Harness) -> usize {
    let world = harness.world();
    world.state.github.jobs.values().filter(|job| job.state == JobState::Queued).count()
}

/// Whether only the idle runner is left.
fn is_at_rest(report: &Report) -> bool {
    report.jobs_unserved == 0 && report.vms_left == 1 && report.runners_left == 1
}

/// Violations of invariants, which no fault may cause.
fn broken(report: &Report) -> Option<String> {
    // VMs whose tags were stripped are of no pool there.
    let each = FLEETS.iter().filter_map(|pool| report.peak_by_pool.get(*pool)).all(|peak| *peak <= MOST_EACH);
    let peaks = each && report.peak_vms <= MOST_EACH * 3;
    let is_well = report.jobs_killed == 0 && report.overwrites == 0 && report.names_reused == 0 && peaks;
    (!is_well).then(|| format!("{report:?}"))
}

/// How long the world took to recover, in seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Recovery {
    /// Seconds from the end of the fault until no job waited.
    serving: u64,
    /// Seconds from then, or from the end of the last job, until nothing was left over.
    clearing: u64,
    /// How often the fault struck.
    struck: u32,
}

/// Runs one cell. Returns how it recovered, or what failed.
async fn run_cell(fault: &str) -> Result<Recovery, String> {
    let settings = "repositories = ['o/r']\n[settings]\ncreate = '5s'\nboot = '5s'\nregister = '2s'\n\
                    delete = '5s'\nstep = '1s'\nlost_after = '60s'\n";
    let harness =
        Harness::new(&format!("{settings}[[faults]]\nfrom = '{FROM}s'\nuntil = '{UNTIL}s'\n{fault}\n"));
    let mut fleets = fleets();
    if fault.contains("guest_deaf") {
        // A deaf VM goes after this time, which is the bound here.
        fleets.iter_mut().for_each(|fleet| fleet.lifecycle.drain_timeout = Duration::from_secs(2 * TICK));
    }
    if fault.contains("/registration-token") {
        // Runners for several jobs alone need one.
        fleets[2].bootstrap.method = Method::Ssh;
        fleets[2].lifecycle.max_job_count = 2;
    }
    let mut took = Recovery::default();
    let script = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        jobs(&harness, 1, UNTIL);
        tokio::time::sleep(Duration::from_secs(FROM + 5)).await;
        jobs(&harness, 2, 20);
        tokio::time::sleep(Duration::from_secs(UNTIL - FROM - 10)).await;
        while waiting(&harness) > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            took.serving += 1;
        }
        while !is_at_rest(&harness.report()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            took.clearing = if harness.report().jobs_unserved == 0 { took.clearing + 1 } else { 0 };
        }
    };
    // The daemon is killed once during the fault, since a restarted daemon reads more.
    let disk = tempfile::tempdir().expect("a directory");
    let state = || StateDir::new(Some(disk.path().to_owned()));
    let daemons = async {
        live(harness.context.clone(), fleets.clone(), state(), FROM + 2).await;
        live(harness.context.clone(), fleets, state(), 7200).await;
    };
    tokio::select! {
        () = script => {}
        () = daemons => {}
    }
    took.struck = harness.world().faults.struck();
    let report = harness.report();
    match broken(&report) {
        Some(broken) => Err(broken),
        None if !is_at_rest(&report) => Err(format!("not right after two hours: {report:?}")),
        None => Ok(took),
    }
}

fn cells() -> Vec<(String, String)> {
    let mut cells = Vec::new();
    for (side, method, path) in CALLS {
        let refusals = REFUSALS.into_iter().filter(|_| side == "azure");
        for what in FAULTS.into_iter().chain(refusals) {
            let name = format!("{method} {side} {path} | {what}");
            cells.push((
                name,
                format!("what = {what}\nside = '{side}'\nmethod = '{method}'\npath = '{path}'"),
            ));
        }
    }
    let put = CALLS.into_iter().find(|(_, method, _)| *method == "PUT");
    let (side, method, path) = put.expect("it is one of them");
    cells.extend(CLOSING.map(|what| {
        let name = format!("{method} {side} {path} | {what}");
        (name, format!("what = {what}\nside = '{side}'\nmethod = '{method}'\npath = '{path}'"))
    }));
    let at_once = |faults: &[&str]| {
        let each = faults.iter().map(|what| format!("what = {what}"));
        each.collect::<Vec<_>>().join(&format!("\n[[faults]]\nfrom = '{FROM}s'\nuntil = '{UNTIL}s'\n"))
    };
    cells.push(("machines | wrong at once".to_owned(), at_once(&WRONG_AT_ONCE)));
    cells.push(("machines | failed, and its NIC stays".to_owned(), at_once(&NIC_STAYS)));
    cells.extend(MACHINES.map(|what| (format!("machines | {what}"), format!("what = {what}"))));
    cells
}

#[test]
fn after_each_fault_at_each_call_the_world_is_right_within_three_ticks() {
    let wanted = std::env::var("AZLIN_CELL").ok();
    let cells = cells().into_iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| name == wanted));
    let (mut count, mut struck, mut slowest, mut wrong) = (0, 0, Recovery::default(), String::new());
    let most = 3 * TICK + MACHINE;
    for (name, fault) in cells {
        let mut result = Ok(Recovery::default());
        run(async { result = run_cell(&fault).await });
        count += 1;
        match result {
            Ok(took) if took.serving <= most && took.clearing <= most => {
                slowest.serving = slowest.serving.max(took.serving);
                slowest.clearing = slowest.clearing.max(took.clearing);
                struck += u32::from(took.struck > 0);
                if took.struck == 0 {
                    writeln!(wrong, "{name}: it never struck").expect("a string");
                }
            }
            Ok(took) => writeln!(wrong, "{name}: {took:?}").expect("a string"),
            Err(why) => writeln!(wrong, "{name}: {why}").expect("a string"),
        }
        if wanted.is_some() {
            println!("{name}: {wrong:?}, {slowest:?}");
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cells:\n{wrong}", wrong.lines().count());
    assert!(struck >= 150 || wanted.is_some(), "{struck} of {count} cells");
    println!("{count} cells; served within {} s, cleared within {} s", slowest.serving, slowest.clearing);
}
