//! Seven days of work in virtual time: the daemon's memory afterwards is the same as after the first hour.
//! Alone in its process, since it counts every allocated byte.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test fails by panicking, and may print")]

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use azlin_daemon::{Daemon, DaemonContext, StateDir, StatusStore};
use azlin_fleet::config::DaemonConfig;
use azlin_simcloud::statistics::Report;
use azlin_simcloud::workload::{Arrival, HeldBy, JobCount, Overrides, Span, Workload};
use azlin_simcloud::{InProcess, World};
use azlin_tests::harness::fleets;
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HOUR: Duration = Duration::from_secs(3600);

/// Jobs in the first forty minutes of each hour, about 70, so that each hour ends at rest.
fn workload() -> Workload {
    let span = |from, to| Span { from: Duration::from_secs(from), to: Duration::from_secs(to) };
    let burst = |number: u64| Arrival {
        at: Duration::from_secs(5 + 120 * number),
        every: Some(span(3600, 3600)),
        until: None,
        repo: "o/r".to_owned(),
        jobs: JobCount::Between(1, 6),
        labels: ["self-hosted", "docker"].map(str::to_owned).to_vec(),
        duration: span(20, 600),
        script: None,
        group: None,
        held: None,
        held_by: HeldBy::Environment,
        then: 0,
        hosted: false,
    };
    Workload {
        settings: Overrides { seed: Some(7), ..Overrides::default() },
        repositories: vec!["o/r".to_owned()],
        arrivals: (0..20).map(burst).collect(),
        ..Workload::default()
    }
}

/// The number of bytes that are allocated.
fn live() -> i64 {
    let stats = COUNTED.stats();
    i64::try_from(stats.bytes_allocated).unwrap() - i64::try_from(stats.bytes_deallocated).unwrap()
}

/// The memory that the daemon holds after this many hours: the bytes that are freed when it is dropped.
async fn bytes_after(hours: u32) -> (i64, Report) {
    let began = Instant::now();
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
    let world = Arc::new(Mutex::new(World::new(&workload(), start)));
    let cloud = Arc::new(InProcess::new(Arc::clone(&world), Arc::clone(&clock)));
    let names = Mutex::new(StdRng::seed_from_u64(7));
    let context = DaemonContext {
        github: cloud.clone().into(),
        azure: cloud.clone(),
        azure_facts: cloud.clone(),
        ssh: cloud.clone(),
        clock,
        random: Arc::new(move || names.lock().random()),
    };
    let directory = tempfile::tempdir().unwrap();
    let config = DaemonConfig::parse("azlin.toml", "").unwrap();
    let (board, state) = (StatusStore::default(), StateDir::new(Some(directory.path().to_owned())));
    let daemon = Daemon::new(&config, fleets(2), context, state, board.clone(), CancellationToken::new());
    let running = tokio::spawn(daemon.run());
    sleep(HOUR * hours - Duration::from_secs(30)).await;

    let with = live();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    drop(board);
    let bytes = with - live();
    let report = world.lock().report();
    (bytes, report)
}

#[tokio::test(start_paused = true)]
async fn seven_days_of_work_leave_nothing_behind_in_memory() {
    // By then, the history on the page is full.
    let (first, _) = bytes_after(24).await;
    let (last, report) = bytes_after(7 * 24).await;
    println!("{first} bytes after a day, {last} after seven and {} jobs", report.jobs_completed);
    assert!(report.jobs_completed > 10_000, "{report:?}");
    assert!(first > 10_000, "it holds something: {first}");
    assert!(last * 100 <= first * 105, "{first} bytes after a day, {last} after seven");
}
