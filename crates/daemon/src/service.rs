//! The life of the daemon in its process: from the lock on the configuration directory until SIGTERM.
//!
//! A change of `azlin.toml` replaces the [`Daemon`] by another one in the same process, which keeps the
//! memory. An unusable configuration is refused before anything ends.

mod error;
mod listeners;
mod passed_sockets;
mod run_until;
mod running;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::DaemonConfig;
use azlin_fleet::ports::WebhookReader;
use azlin_fleet::report::DaemonStatus;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config_dir::{self, Configuration, FileProblem};
use crate::config_reloader::ConfigReloader;
use crate::config_watcher::ConfigWatcher;
use crate::context::DaemonContext;
use crate::instance_lock::InstanceLock;
use crate::questions::{Answerer, QuestionSocket};
use crate::run::{Daemon, TickFailures};
use crate::signals::{reload_on_hangup, stop_on_signals};
use crate::state::StateDir;
use crate::status_file::{StatusFile, runtime_dirs, this_daemon};
use crate::status_store::StatusStore;
use crate::supervisor::Supervisor;
use error::with_causes;
pub use error::{ConnectError, ServiceError};
use listeners::BoundListeners;
use passed_sockets::PassedSockets;
pub use run_until::run_until;
use running::RunningDaemon;

/// How long running operations have to end, below the unit's `TimeoutStopSec=`.
const STOP_LIMIT: Duration = Duration::from_secs(100);

/// Where a daemon's files are.
#[derive(Debug, Clone)]
pub struct ServicePaths {
    /// The directory with azlin.toml and fleets/.
    pub config_dir: PathBuf,
    /// The directory for memory that is useful after a restart.
    pub state_dir: Option<PathBuf>,
    /// The directory for the status file.
    pub runtime_dir: Option<PathBuf>,
}

/// Creates the adapters that a configuration needs.
#[derive(Clone, Copy)]
pub struct Adapters<'a> {
    /// GitHub, Azure and the machines.
    pub connect: &'a dyn Fn(&DaemonConfig) -> Result<DaemonContext, ConnectError>,
    /// Verifies webhook deliveries; `None` without a secret.
    pub webhook: &'a dyn Fn() -> Result<Option<Arc<dyn WebhookReader>>, ConnectError>,
    /// Answers commands.
    pub answerer: Answerer,
}

/// What `run --once` reports.
#[derive(Debug)]
pub struct OnceReport {
    /// What failed, by fleet.
    pub failures: TickFailures,
    /// Whether every file is good.
    pub are_files_good: bool,
}

/// Runs one tick of every fleet. Each bad file is reported before the tick; its fleet is left alone.
///
/// # Errors
/// When the daemon cannot start.
pub async fn run_once(
    paths: ServicePaths,
    connect: impl Fn(&DaemonConfig) -> Result<DaemonContext, ConnectError>,
    bad_file: impl Fn(&FileProblem),
) -> Result<OnceReport, ServiceError> {
    let _lock = lock(&paths).await?;
    let Configuration { daemon, fleets, problems, .. } = config_dir::read(&paths.config_dir)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).map_err(ServiceError::Signals)?;
    let context = connect(&daemon)?;
    problems.iter().for_each(bad_file);
    if paths.state_dir.is_none() {
        warn!(
            "without --state-dir (STATE_DIRECTORY) each `run --once` begins with no memory: of requests that lists do not show yet, of failed starts and what they wait for, of the last scaling action, and of a VM that was asked to drain; name a directory that stays"
        );
    }
    let state = StateDir::new(paths.state_dir);
    let daemon = Daemon::new(&daemon, fleets, context, state, StatusStore::default(), stop);
    let failures = daemon.run_once().await;
    Ok(OnceReport { failures, are_files_good: problems.is_empty() })
}

/// Runs the daemon until it is stopped by a signal.
///
/// # Errors
/// When the daemon cannot start, or ends by itself.
pub async fn run(paths: ServicePaths, adapters: Adapters<'_>) -> Result<(), ServiceError> {
    let (hangup, supervisor) = (Arc::new(Notify::new()), Supervisor::default());
    reload_on_hangup(Arc::clone(&hangup), supervisor.clone()).map_err(ServiceError::Signals)?;
    let lock = lock(&paths).await?;
    // Watched before it is read, so that no change is missed.
    let watcher = ConfigWatcher::new(&paths.config_dir, hangup, supervisor.clone());
    let configuration = config_dir::read(&paths.config_dir)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).map_err(ServiceError::Signals)?;
    let passed = PassedSockets::take();
    let endpoints =
        Endpoints::prepare(&configuration.daemon, adapters, None, &passed, &paths.config_dir).await?;
    let status_store = StatusStore::default();
    let reloader = ConfigReloader::new(paths.config_dir.clone(), lock, configuration, status_store.clone());
    let status_file = status_file(paths.runtime_dir.as_deref());
    let service = Service {
        watcher,
        reloader,
        supervisor,
        status_store,
        passed_sockets: passed,
        questions: status_file.as_ref().and_then(|file| question_socket(file.directory())),
        status_file,
        state: StateDir::new(paths.state_dir),
        this_daemon: this_daemon(&paths.config_dir, env!("CARGO_PKG_VERSION")),
        config_dir: paths.config_dir,
        stop,
    };
    service.run(adapters, endpoints).await
}

/// Keeps a second daemon, or `run --once`, away from the same fleets: both would start the same missing
/// runners.
async fn lock(paths: &ServicePaths) -> Result<InstanceLock, ServiceError> {
    let config_dir = &paths.config_dir;
    match InstanceLock::acquire(config_dir, paths.runtime_dir.as_deref()).await {
        Ok(lock) => Ok(lock),
        Err(error) => {
            // If the directory is unreadable too, that error says more.
            config_dir::read(config_dir)?;
            Err(ServiceError::Lock { directory: config_dir.clone(), error })
        }
    }
}

fn status_file(runtime_dir: Option<&Path>) -> Option<StatusFile> {
    let file = StatusFile::in_first_of(&runtime_dirs(runtime_dir));
    if file.is_none() {
        warn!(
            "no runtime directory can be written to, so `status` asks GitHub and Azure itself; --runtime-dir names one"
        );
    }
    file
}

fn question_socket(directory: &Path) -> Option<QuestionSocket> {
    QuestionSocket::bind(directory)
        .inspect_err(|error| {
            let directory = directory.display();
            warn!(%directory, reason = %error, "commands cannot ask this daemon, since there is no socket in {directory}: {error}; they ask GitHub and Azure themselves");
        })
        .ok()
}

/// What outlives a change of `azlin.toml`.
struct Service {
    config_dir: PathBuf,
    reloader: ConfigReloader,
    watcher: ConfigWatcher,
    supervisor: Supervisor,
    status_store: StatusStore,
    passed_sockets: PassedSockets,
    status_file: Option<StatusFile>,
    questions: Option<QuestionSocket>,
    state: StateDir,
    this_daemon: DaemonStatus,
    stop: CancellationToken,
}

impl Service {
    /// Each change of azlin.toml is a new daemon: its first tick is an ordinary one.
    async fn run(mut self, adapters: Adapters<'_>, mut endpoints: Endpoints) -> Result<(), ServiceError> {
        self.report_fleets();
        loop {
            let mut running = RunningDaemon::start(&self, &endpoints, adapters.answerer);
            let next = self.next(&mut running, adapters, &endpoints).await?;
            self.end(running, next.is_some()).await?;
            let Some((configuration, prepared)) = next else { break };
            endpoints = prepared;
            self.reloader.accept(configuration, Timestamp::now());
            self.watcher.acknowledge();
        }
        if let Some(file) = self.status_file {
            file.remove();
        }
        if let Some(socket) = self.questions {
            socket.remove();
        }
        info!("stopped; runners are left as they are");
        Ok(())
    }

    fn report_fleets(&self) {
        let fleets = self.reloader.fleets().len();
        info!(fleets, "watching {fleets} {}", if fleets == 1 { "fleet" } else { "fleets" });
        if fleets == 0 {
            let directory = self.config_dir.join("fleets");
            let directory = directory.display();
            warn!(%directory, "there is no fleet to watch: no file in {directory}");
        }
    }

    /// The next configuration, with its endpoints; `None` when the daemon must stop.
    async fn next(
        &mut self,
        running: &mut RunningDaemon,
        adapters: Adapters<'_>,
        endpoints: &Endpoints,
    ) -> Result<Option<(Configuration, Endpoints)>, ServiceError> {
        loop {
            let read = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                ended = &mut running.task => return Err(ServiceError::Ended(format!("{ended:?}"))),
                read = self.reloader.changes(&mut self.watcher, &running.fleets, &endpoints.context) => read,
            };
            let (before, passed) = (Some(endpoints), &self.passed_sockets);
            match Endpoints::prepare(&read.daemon, adapters, before, passed, &self.config_dir).await {
                Ok(prepared) => return Ok(Some((read, prepared))),
                Err(why) => self.reloader.refuse(&with_causes(&why), endpoints.context.now()),
            }
            self.watcher.acknowledge();
            running.fleets.set(self.reloader.fleets());
        }
    }

    /// Ends a daemon. Running operations end first, within the limit if the process stops.
    async fn end(&self, running: RunningDaemon, is_replaced: bool) -> Result<(), ServiceError> {
        if is_replaced {
            info!(file = "azlin.toml", "azlin.toml changed: what is under way ends first");
        }
        running.stop.cancel();
        // Sent before the wait: the loops may have ended already.
        if !is_replaced {
            self.supervisor.stopping(STOP_LIMIT);
        }
        let too_long = async {
            self.stop.cancelled().await;
            self.supervisor.stopping(STOP_LIMIT);
            sleep(STOP_LIMIT).await;
        };
        running.end(too_long).await
    }
}

/// What a configuration needs outside of the process: adapters, and addresses to listen on.
struct Endpoints {
    context: DaemonContext,
    webhook: Option<Arc<dyn WebhookReader>>,
    listeners: BoundListeners,
}

impl Endpoints {
    /// Listens and connects as configured. A listener at the same address is kept.
    async fn prepare(
        config: &DaemonConfig,
        adapters: Adapters<'_>,
        before: Option<&Endpoints>,
        passed: &PassedSockets,
        config_dir: &Path,
    ) -> Result<Self, ServiceError> {
        let before = before.map(|endpoints| &endpoints.listeners);
        let listeners = BoundListeners::bind(config, before, passed, config_dir).await?;
        let webhook = (adapters.webhook)()?;
        if let (None, Some(address)) = (&webhook, config.webhook_listen) {
            warn!(
                "{address} answers no webhook, since there is no secret to verify deliveries with: webhook-secret"
            );
        }
        Ok(Endpoints { context: (adapters.connect)(config)?, webhook, listeners })
    }
}
