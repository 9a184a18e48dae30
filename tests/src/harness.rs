//! The real loop against one simulated world in virtual time, step by step. For tests of one situation; the
//! simulation generates situations from seeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use azlin_daemon::{Daemon, DaemonContext, StateDir, StatusStore};
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_simcloud::statistics::Report;
use azlin_simcloud::{InProcess, Workload, World};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A world and its clock.
pub struct Harness {
    world: Arc<Mutex<World>>,
    /// The ports through which the loop reaches the world.
    pub context: DaemonContext,
}

impl Harness {
    /// A world with this workload, in TOML. Must be called on a paused current-thread runtime.
    ///
    /// # Panics
    /// When the workload is wrong.
    pub fn new(workload: &str) -> Self {
        let workload = Workload::parse(workload).unwrap_or_else(|error| panic!("{error}"));
        let (began, start) = (Instant::now(), Timestamp::from_second(1_800_000_000));
        let start = start.unwrap_or(Timestamp::UNIX_EPOCH);
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
        let world = Arc::new(Mutex::new(World::new(&workload, start)));
        let cloud = Arc::new(InProcess::new(Arc::clone(&world), Arc::clone(&clock)));
        let names = AtomicU32::new(0);
        let random = Arc::new(move || names.fetch_add(1, Ordering::Relaxed));
        let ssh = cloud.clone();
        Harness {
            world,
            context: DaemonContext {
                github: cloud.clone().into(),
                azure: cloud.clone(),
                azure_facts: cloud,
                ssh,
                clock,
                random,
            },
        }
    }

    /// The world as it is now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock();
        world.advance(self.context.now());
        world
    }

    /// What has happened so far.
    pub fn report(&self) -> Report {
        self.world().report()
    }

    /// Submits jobs of this duration in one run, for runners with the label `docker`.
    pub fn submit(&self, repo: &str, jobs: usize, seconds: u64) {
        let labels = vec!["self-hosted".to_owned(), "docker".to_owned()];
        self.world().submit(repo, vec![(labels, Duration::from_secs(seconds)); jobs], Vec::new());
    }

    /// Runs a daemon for these fleets for this time, and kills it. Returns its last report.
    pub async fn live(&self, fleets: Vec<Fleet>, state: StateDir, seconds: u64) -> StatusStore {
        live(self.context.clone(), fleets, state, seconds).await
    }

    /// Runs a daemon for these fleets until the condition holds, and kills it. Returns how many seconds that
    /// took, or `None` when it does not hold after an hour.
    pub async fn live_until(&self, fleets: Vec<Fleet>, is_so: impl Fn(&Report) -> bool) -> Option<u64> {
        let began = Instant::now();
        let watched = async {
            while !is_so(&self.report()) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = watched => Some(began.elapsed().as_secs()),
            _ = self.live(fleets, StateDir::default(), 3600) => None,
        }
    }
}

/// Runs a daemon with these ports and these fleets for this time, and kills it.
pub async fn live(context: DaemonContext, fleets: Vec<Fleet>, state: StateDir, seconds: u64) -> StatusStore {
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let board = StatusStore::default();
    let daemon = Daemon::new(&config, fleets, context, state, board.clone(), CancellationToken::new());
    let _ = tokio::time::timeout(Duration::from_secs(seconds), daemon.run()).await;
    board
}

/// A fleet with the label `docker`, one runner for each job, and at most two.
pub fn fleet(name: &str, repo: &str, group: &str) -> Fleet {
    let text = format!(
        "repo = \"{repo}\"\nlabels = [\"docker\"]\n[scaling]\nmax_runners = 2\njobs_per_runner = 1\n[vm]\n\
         subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"{group}\"\n\
         location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/0/s\"\n"
    );
    let pool = name.parse().unwrap_or_else(|error| panic!("{error}"));
    Fleet::parse(name, pool, &text).unwrap_or_else(|problems| panic!("{problems}"))
}

const VM: &str = "[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
    location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]\nimage = \"a:b:c:d\"\n\
    subnet_id = \"/subscriptions/0/s\"\n";

/// Two fleets on one repository. Every second seed keeps one warm runner in the small fleet, every third
/// bootstraps the large fleet over SSH, and every sixth does so with three jobs for each runner.
pub fn fleets(seed: u64) -> Vec<Fleet> {
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
        Fleet::parse(name, pool, text).unwrap_or_else(|problems| panic!("{problems}"))
    };
    texts.iter().map(parse).collect()
}

/// Runs a test in virtual time.
///
/// # Panics
/// When there is no runtime.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(test);
}
