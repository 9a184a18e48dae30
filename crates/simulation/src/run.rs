//! Runs a scenario: the real loop against the simulated clouds in virtual time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use azlin_daemon::{Daemon, DaemonContext, StateDir, StatusStore, plan_once};
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_simcloud::statistics::Report;
use azlin_simcloud::{InProcess, World};
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::bystanders::Bystanders;
use super::checker::Checker;
use super::invariants::{Invariant, Violation};
use super::raw_text;
use super::scenario::{BEGAN, Crash, Disk, FleetSpec, Scenario, ScenarioPart};
use super::trace::{self, Trace};
use super::webhook_delivery::WebhookDelivery;

/// After the last part, the world must come to rest within this time. The jobs that are left may be long.
const UNTIL_REST: Duration = Duration::from_secs(3 * 24 * 3600);
/// The world is at rest once it has been so for this time: two polls of everything.
const SETTLED: Duration = Duration::from_secs(5 * 60);
/// Then nothing may change for this time, which is longer than any backoff.
const AT_REST: Duration = Duration::from_secs(20 * 60);
/// A crash waits for a point at which it makes a difference, but no longer than this.
const LATEST_CRASH: Duration = Duration::from_secs(20 * 60);

/// The result of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    /// The world's report at the end.
    pub report: Report,
    /// The first violation, if there was one.
    pub violation: Option<Violation>,
    /// The hash of the trace. Two runs of a scenario have the same.
    pub digest: u64,
    /// The simulated time, with the rest at its end.
    pub length: Duration,
    /// How many requests reached the simulated clouds.
    pub calls: u64,
}

/// Runs a scenario on a runtime of its own. With `journal`, lines of the daemon's journal up to that level go
/// into the trace.
///
/// # Panics
/// If no runtime or no directory for state files can be made.
pub fn run(scenario: &Scenario, trace: &Trace, journal: Option<tracing::Level>) -> RunResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap_or_else(|error| panic!("{error}")).block_on(async {
        trace::subscribe();
        raw_text::said();
        let simulation = Simulation::new(scenario, trace);
        let directory = simulation.directory.path();
        let _journal = journal.map(|level| trace.take_journal(simulation.began, level, directory));
        simulation.run().await
    })
}

/// What outlives the daemons of a scenario.
struct Simulation<'s> {
    scenario: &'s Scenario,
    trace: &'s Trace,
    began: Instant,
    world: Arc<Mutex<World>>,
    checker: Checker,
    bystanders: Bystanders,
    webhooks: Option<WebhookDelivery>,
    ahead_s: Arc<AtomicI64>,
    names: Arc<Mutex<StdRng>>,
    config: DaemonConfig,
    rng: StdRng,
    directory: tempfile::TempDir,
    /// The state files that the present daemon started with.
    files_at_start: Vec<(std::path::PathBuf, Vec<u8>)>,
}

/// A running daemon, and the handles that stop or crash it.
struct LiveDaemon {
    cloud: InProcess,
    context: DaemonContext,
    stop: CancellationToken,
}

impl<'s> Simulation<'s> {
    fn new(scenario: &'s Scenario, trace: &'s Trace) -> Self {
        let mut world = World::new(&scenario.workload(), start());
        let bystanders = Bystanders::add_to(&mut world, scenario);
        let checker = Checker::of(scenario, bystanders.clone(), trace.clone());
        world.watch(Box::new(checker.clone()));
        let config = format!(
            "[poll]\nqueue = \"{}s\"\n[limits]\nmax_concurrent_provisioning = {}\n",
            scenario.poll.as_secs(),
            scenario.provisioning
        );
        let config =
            DaemonConfig::parse("azlin.toml", &config).unwrap_or_else(|problems| panic!("{problems}"));
        let world = Arc::new(Mutex::new(world));
        let webhooks = scenario.webhooks().map(|conditions| {
            let (world, trace) = (Arc::clone(&world), trace.clone());
            WebhookDelivery::new(conditions, scenario.seed, world, trace, checker.clone(), start())
        });
        Simulation {
            scenario,
            trace,
            began: Instant::now(),
            world,
            checker,
            bystanders,
            webhooks,
            ahead_s: Arc::default(),
            names: Arc::new(Mutex::new(StdRng::seed_from_u64(scenario.seed ^ 0xa5a5))),
            config,
            rng: StdRng::seed_from_u64(scenario.seed ^ 0x5a5a),
            directory: directory().unwrap_or_else(|error| panic!("{error}")),
            files_at_start: Vec::new(),
        }
    }

    async fn run(mut self) -> RunResult {
        let mut timeline = self.scenario.timeline().into_iter().peekable();
        while self.checker.violation().is_none() {
            let (live, daemon) = self.start_daemon();
            let fleets = daemon.fleets();
            let mut deliveries = JoinSet::new();
            if let Some(webhooks) = self.webhooks.clone() {
                deliveries.spawn(webhooks.deliver_to(daemon.trigger_router()));
            }
            let mut running = Box::pin(daemon.run());
            let mut crashing: Option<(Crash, Instant)> = None;
            // The crash that ended this daemon; `None` where the scenario has ended.
            let crashed = loop {
                let next = timeline.peek().map_or(self.scenario.length, |(at, _)| *at);
                let crashes = async {
                    match &crashing {
                        Some((_, at_last)) => tokio::select! {
                            biased;
                            () = live.cloud.caller_crashed() => {}
                            () = sleep_until(*at_last) => {}
                        },
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = self.checker.violated() => break None,
                    () = &mut running => break None,
                    () = crashes => break crashing,
                    () = sleep_until(self.began + next) => {}
                }
                match timeline.next().map(|(_, part)| part) {
                    Some(ScenarioPart::Crash(crash)) if crashing.is_none() => {
                        live.cloud.crash_caller_after(crash.points);
                        crashing = Some((crash, Instant::now() + LATEST_CRASH));
                    }
                    Some(part) => {
                        self.apply(&part);
                        fleets.set(self.fleets());
                    }
                    None => {
                        tokio::select! {
                            biased;
                            () = self.checker.violated() => {}
                            () = &mut running => {}
                            () = self.check_rest(&live) => live.stop.cancel(),
                        }
                        break None;
                    }
                }
            };
            let Some((crash, _)) = crashed else {
                if live.stop.is_cancelled() {
                    running.await;
                }
                break;
            };
            drop((running, deliveries));
            self.trace.line(self.at(), format_args!("the daemon dies, its disk is {:?}", crash.disk));
            self.checker.check_memory(&locked(&self.world), self.at(), &files(self.directory.path()));
            self.checker.daemon_died();
            self.damage_state_files(crash.disk);
            self.stay_down(crash.down, &mut timeline).await;
        }
        let at = self.at();
        let missing = self.bystanders.missing(&locked(&self.world));
        if !missing.is_empty() {
            self.checker.violate(at, Invariant::OthersUntouched, format!("{missing:?} no longer exist"));
        }
        let files = files(self.directory.path());
        self.checker.check_memory(&locked(&self.world), at, &files);
        if let Some(raw) = raw_text::in_files(&files) {
            self.checker.violate(at, Invariant::NothingRaw, format!("a state file has {raw:?}"));
        }
        let world = locked(&self.world);
        let calls = world.statistics.requests.values().map(|(count, _)| count).sum();
        let (report, digest) = (world.report(), self.trace.digest());
        RunResult { report, violation: self.checker.violation(), digest, length: at, calls }
    }

    fn at(&self) -> Duration {
        self.began.elapsed()
    }

    fn fleets(&self) -> Vec<Fleet> {
        self.checker.fleets().iter().map(FleetSpec::fleet).collect()
    }

    /// Starts a daemon with the state files of the last one.
    fn start_daemon(&mut self) -> (LiveDaemon, Daemon) {
        let began = self.began;
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start() + began.elapsed());
        let cloud = InProcess::new(Arc::clone(&self.world), Arc::clone(&clock));
        let (ahead, names) = (Arc::clone(&self.ahead_s), Arc::clone(&self.names));
        let port = Arc::new(cloud.clone());
        let context = DaemonContext {
            github: port.clone().into(),
            azure: port.clone(),
            azure_facts: port.clone(),
            ssh: port,
            clock: Arc::new(move || clock() + SignedDuration::from_secs(ahead.load(Ordering::Relaxed))),
            random: Arc::new(move || locked(&names).random()),
        };
        let board = StatusStore::default();
        self.trace.line(self.at(), format_args!("a daemon begins"));
        self.checker.daemon_began(self.at(), board.clone());
        self.files_at_start = files(self.directory.path());
        let stop = CancellationToken::new();
        let (fleets, state) = (self.fleets(), self.state());
        let daemon = Daemon::new(&self.config, fleets, context.clone(), state, board, stop.clone());
        (LiveDaemon { cloud, context, stop }, daemon)
    }

    fn state(&self) -> StateDir {
        StateDir::new(Some(self.directory.path().to_owned()))
    }

    /// Changes the configuration or the clock.
    fn apply(&self, part: &ScenarioPart) {
        let at = self.at();
        self.trace.line(at, format_args!("{part}"));
        match part {
            ScenarioPart::Edit(edit) => self.checker.edited(at, edit.fleet, &edit.change),
            ScenarioPart::Clock(clock) => {
                self.ahead_s.store(clock.ahead_s, Ordering::Relaxed);
                self.checker.clock_set(at, clock.ahead_s);
            }
            ScenarioPart::Jobs(_)
            | ScenarioPart::Fault(_)
            | ScenarioPart::Crash(_)
            | ScenarioPart::Webhooks(_)
            | ScenarioPart::AzureLimits => {}
        }
    }

    /// No daemon runs for a while. Crashes in that time have no effect.
    async fn stay_down(
        &self,
        down: Duration,
        timeline: &mut std::iter::Peekable<std::vec::IntoIter<(Duration, ScenarioPart)>>,
    ) {
        let back = Instant::now() + down;
        while let Some((at, part)) = timeline.next_if(|(at, _)| self.began + *at <= back) {
            sleep_until(self.began + at).await;
            self.apply(&part);
        }
        sleep_until(back).await;
        if let Some(webhooks) = &self.webhooks {
            webhooks.drop_arrived();
        }
    }

    /// Damages the state files as the crash says.
    fn damage_state_files(&mut self, disk: Disk) {
        if disk == Disk::Kept {
            return;
        }
        for (file, bytes) in files(self.directory.path()) {
            let old = self.files_at_start.iter().find(|(name, _)| *name == file);
            let is_torn = disk == Disk::Torn && self.rng.random_bool(0.5);
            let result = match (disk, old) {
                (Disk::Old, Some((_, old))) => std::fs::write(&file, old),
                (Disk::Torn, _) if is_torn => {
                    std::fs::write(&file, &bytes[..self.rng.random_range(0..bytes.len().max(1))])
                }
                (Disk::Lost | Disk::Old, _) => std::fs::remove_file(&file),
                (Disk::Torn | Disk::Kept, _) => Ok(()),
            };
            result.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    /// Waits until the world is at rest, and checks that it stays so.
    async fn check_rest(&self, live: &LiveDaemon) {
        let deadline = Instant::now() + UNTIL_REST;
        let mut since = Instant::now();
        while since.elapsed() < SETTLED {
            sleep(Duration::from_secs(20)).await;
            let at_rest = {
                let mut world = locked(&self.world);
                world.advance(start() + self.began.elapsed());
                self.checker.at_rest(&world)
            };
            if let Err(why) = at_rest {
                since = Instant::now();
                if since > deadline {
                    return self.checker.violate(self.at(), Invariant::Rest, why);
                }
            }
        }
        if !self.checker.settled(&locked(&self.world), AT_REST) {
            return;
        }
        self.trace.line(self.at(), format_args!("everything is as it is to be, and has to stay so"));
        sleep(AT_REST).await;
        let fleets = self.fleets();
        for planned in plan_once(&fleets, live.context.clone(), &self.state(), self.scenario.poll).await {
            if let Some(action) = planned.plan.actions.first() {
                let what = format!("{}: at rest, {action:?} is planned", planned.fleet.name);
                self.checker.violate(self.at(), Invariant::Settles, what);
            }
        }
    }
}

/// A directory for state files, in memory where possible: they are written at every step.
fn directory() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// The paths and the contents of the state files.
fn files(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| std::fs::read(&path).ok().map(|bytes| (path, bytes)))
        .collect();
    files.sort();
    files
}

fn start() -> Timestamp {
    let began = i64::try_from(BEGAN).unwrap_or_default();
    Timestamp::from_second(began).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
