//! The size of a day's log, in virtual time: empty where nothing happens, and small where nothing works.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use azlin_daemon::{Daemon, DaemonContext, StateDir, StatusStore};
use azlin_fleet::config::DaemonConfig;
use azlin_simcloud::{InProcess, Workload, World};
use azlin_tests::harness::fleets;
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A job that waits all day for the large fleet.
const A_JOB: &str =
    "[[arrivals]]\nat = '5s'\nrepo = 'o/r'\njobs = 1\nlabels = ['self-hosted', 'docker']\nduration = '60s'\n";

#[derive(Clone, Default)]
struct DaemonLog(Arc<Mutex<Vec<u8>>>);

impl Write for DaemonLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// With one live subscriber, tracing asks the thread that first reaches an event, and caches the answer for
/// all threads. A second live subscriber prevents that.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// The log of a day with these jobs and faults, at info, as JSON.
fn a_day(events: &str) -> Vec<String> {
    let log = DaemonLog::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    LazyLock::force(&ANOTHER);
    let _logged = tracing::subscriber::set_default(subscriber);
    let workload = Workload::parse(&format!("repositories = ['o/r']\n{events}")).unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let began = Instant::now();
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
        let world = Arc::new(Mutex::new(World::new(&workload, start)));
        let cloud = Arc::new(InProcess::new(world, Arc::clone(&clock)));
        let names = Mutex::new(StdRng::seed_from_u64(7));
        let random = Arc::new(move || names.lock().random());
        let context = DaemonContext {
            github: cloud.clone().into(),
            azure: cloud.clone(),
            azure_facts: cloud.clone(),
            ssh: cloud,
            clock,
            random,
        };
        let config = DaemonConfig::parse("azlin.toml", "").unwrap();
        let stop = CancellationToken::new();
        let daemon =
            Daemon::new(&config, fleets(1), context, StateDir::default(), StatusStore::default(), stop);
        let _ = timeout(DAY, daemon.run()).await;
    });
    let log = log.0.lock();
    String::from_utf8(log.clone()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn an_idle_day_is_silent() {
    assert_eq!(a_day(""), Vec::<String>::new());
}

#[test]
fn a_day_without_github_is_reported_once() {
    let lines = a_day("[[faults]]\nwhat = { status = 502 }\nside = 'github'\n");
    assert_eq!(lines.len(), 2, "one for each fleet: {lines:#?}");
    assert!(lines.iter().all(|line| line.contains(": error: ")), "{lines:#?}");
}

#[test]
fn a_day_without_capacity_is_reported_with_each_attempt_and_attempts_get_rare() {
    let lines = a_day(&format!("{A_JOB}[[faults]]\nwhat = 'no_capacity'\n"));
    let bytes: usize = lines.iter().map(String::len).sum();
    println!("{} lines, {bytes} bytes", lines.len());
    assert!(lines.len() > 24, "it goes on trying: {lines:#?}");
    // The journal adds about 1 KB to each line.
    assert!(bytes + lines.len() * 1024 < 1_000_000, "{} lines, {bytes} bytes", lines.len());
}
