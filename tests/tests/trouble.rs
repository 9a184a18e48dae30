//! One fleet's trouble is its own: a panic anywhere in a loop or an operation costs a moment, never
//! a job, a VM or another fleet.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azlin_daemon::{Daemon, Outside, StateDir};
use azlin_fleet::config::DaemonConfig;
use azlin_simcloud::{InProcess, Workload, World};
use azlin_tests::simulation::fleets;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Serves a burst for two fleets while the clock panics once, the `nth` time that it is asked.
async fn serve(nth: u64) {
    let (began, start) = (Instant::now(), Timestamp::from_second(1_800_000_000).unwrap());
    let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
    let workload = Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() };
    let world = Arc::new(Mutex::new(World::new(&workload, start)));
    for labels in [["self-hosted", "docker"], ["self-hosted", "gpu"]] {
        let job = (labels.map(str::to_owned).to_vec(), Duration::from_secs(100));
        world.lock().unwrap().submit("o/r", vec![job; 4], Vec::new());
    }
    let cloud = Arc::new(InProcess::new(Arc::clone(&world), Arc::clone(&clock)));
    let (asked, steady) = (AtomicU64::new(0), Arc::clone(&clock));
    let outside = Outside {
        github: cloud.clone(),
        azure: cloud,
        clock: Arc::new(move || {
            assert!(asked.fetch_add(1, Ordering::Relaxed) != nth, "a bug");
            steady()
        }),
        random: {
            let numbers = AtomicU64::new(0);
            Arc::new(move || numbers.fetch_add(1, Ordering::Relaxed) as u32)
        },
    };
    let config = DaemonConfig::parse("azlin.toml", "").unwrap();
    let daemon = Daemon::new(&config, fleets(1), outside, StateDir::default(), CancellationToken::new());
    let _ = tokio::time::timeout(Duration::from_secs(7200), daemon.run()).await;
    let mut world = world.lock().unwrap();
    world.advance(clock());
    let report = world.report();
    assert_eq!((report.jobs_killed, report.jobs_unserved), (0, 0), "panic {nth}: {report:#?}");
    assert_eq!((report.vms_left, report.runners_left), (0, 0), "panic {nth}: {report:#?}");
}

#[test]
fn a_panic_anywhere_costs_a_moment() {
    for nth in 0..60 {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(serve(nth));
    }
}
