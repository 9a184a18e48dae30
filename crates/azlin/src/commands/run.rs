//! `run`: the daemon.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use azlin_daemon::config_dir::{self, Configuration};
use azlin_daemon::{
    StatusStore, Daemon, Listener, Followed, Health, WebhookHandler, NotAlone, Outside, StatusPage, StateDir, StatusFile, Supervisor,
    Wake, run_once, runtime_dirs, stop_on_signals, this_daemon, wake_on_hangup,
};
use azlin_fleet::config::DaemonConfig;
use azlin_fleet::ports::Webhook;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::adapters::{Environment, connect, webhook};
use crate::cli::Place;
use crate::{Ended, say_error, say_problem};

/// How long what is under way has to end, below the unit's `TimeoutStopSec=`.
const STOP_LIMIT: Duration = Duration::from_secs(100);

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// One tick of every fleet, for cron and CI, then exit.
    #[arg(long)]
    pub once: bool,
}

pub async fn run(args: Args) -> Result<Ended> {
    let (hangup, supervisor) = (Arc::new(Notify::new()), Supervisor::default());
    if !args.once {
        wake_on_hangup(Arc::clone(&hangup), supervisor.clone()).context("signals cannot be watched")?;
    }
    let directory = &args.place.config_dir;
    // One that cannot be opened cannot be read, which says more.
    let alone = alone(directory).await.or_else(|error| read(&args.place).and(Err(error)))?;
    // Watched before it is read, so that no change falls between.
    let wake = (!args.once).then(|| Wake::on(directory, hangup, supervisor.clone()));
    let configuration = read(&args.place)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).context("signals cannot be watched")?;
    let ended = match wake {
        None => once(args.place, configuration, stop).await,
        Some(wake) => return watch(args.place, alone, configuration, wake, supervisor, stop).await,
    };
    drop(alone);
    ended
}

/// The configuration. What is wrong with a fleet's file is said; that fleet is left untouched.
pub fn read(place: &Place) -> Result<Configuration> {
    Ok(config_dir::read(&place.config_dir)?)
}

/// Keeps a second daemon, or a `run --once` beside one, off the same fleets: two that look at the same
/// moment would each start what is missing.
async fn alone(directory: &Path) -> Result<File> {
    let shown = directory.display();
    azlin_daemon::alone(directory).await.map_err(|error| match error {
        NotAlone::Unreadable(error) => anyhow!("{shown} cannot be opened: {error}"),
        NotAlone::Locked => anyhow!(
            "{shown} is locked, most likely by another azlin github-runner run: stop that first, or let it do the work"
        ),
    })
}

async fn once(place: Place, configuration: Configuration, stop: CancellationToken) -> Result<Ended> {
    let environment = Environment::of_this_process(&place.config_dir)?;
    let outside = connect(&configuration.daemon, &environment)?;
    for problem in &configuration.problems {
        say_problem(problem);
    }
    let state = StateDir::new(place.state_dir);
    let status_store = StatusStore::default();
    let daemon = Daemon::new(&configuration.daemon, configuration.fleets, outside, state, status_store, stop);
    let failures = run_once(daemon).await;
    for (pool, messages) in &failures {
        for message in messages {
            say_error(&format!("{pool}: {message}"));
        }
    }
    let is_good = failures.is_empty() && configuration.problems.is_empty();
    Ok(if is_good { Ended::Done } else { Ended::Failed })
}

async fn watch(
    place: Place,
    alone: File,
    configuration: Configuration,
    mut wake: Wake,
    supervisor: Supervisor,
    stop: CancellationToken,
) -> Result<Ended> {
    let directory = place.config_dir.clone();
    let environment = Environment::of_this_process(&directory)?;
    let mut service = Service::prepare(&configuration.daemon, &environment, None, &directory).await?;
    let (status_store, state) = (StatusStore::default(), StateDir::new(place.state_dir));
    let mut followed = Followed::new(directory.clone(), alone, configuration, status_store.clone());
    let status_file = StatusFile::in_first_of(&runtime_dirs(place.runtime_dir.as_deref()));
    if status_file.is_none() {
        warn!(
            "no runtime directory can be written to, so `status` asks GitHub and Azure itself; --runtime-dir names one"
        );
    }
    let this_daemon = this_daemon(&directory, env!("CARGO_PKG_VERSION"));
    let fleets = followed.fleets().len();
    info!(fleets, "watching {fleets} {}", if fleets == 1 { "fleet" } else { "fleets" });
    if fleets == 0 {
        let directory = directory.join("fleets");
        let directory = directory.display();
        warn!(%directory, "there is no fleet to watch: no file in {directory}");
    }
    // Each change of azlin.toml is a new daemon in the same process: its first tick is an ordinary one.
    loop {
        let (config, inner) = (followed.daemon().clone(), stop.child_token());
        let (outside, status_store) = (service.outside.clone(), status_store.clone());
        let daemon = Daemon::new(
            &config,
            followed.fleets(),
            outside.clone(),
            state.clone(),
            status_store.clone(),
            inner.clone(),
        );
        let fleets = daemon.fleets();
        let patience = config.poll_queue * 3 + Duration::from_secs(60);
        let health = Health {
            status_store: status_store.clone(),
            outside: outside.clone(),
            fleets: fleets.clone(),
            patience,
            stop: inner.clone(),
        };
        let status =
            status_file.clone().map(|file| file.keep(status_store.clone(), this_daemon.clone(), outside.clone()));
        let status = status.map(tokio::spawn);
        let informed = tokio::spawn(supervisor.clone().keep(status_store.clone(), fleets.clone(), daemon.liveness()));
        let handler = WebhookHandler::new(service.webhook.clone(), daemon.hinter(), &status_store);
        let page = StatusPage { status_store: status_store.clone(), outside: outside.clone(), daemon: this_daemon.clone() };
        let servers = service.serve(Listener::for_operators(page, health, config.hosts.clone()), handler);
        let mut running = tokio::spawn(daemon.run());
        let next = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break None,
                ended = &mut running => return Err(anyhow!("the daemon ended by itself: {ended:?}")),
                read = followed.changes(&mut wake, &fleets, &outside) => {
                    match Service::prepare(&read.daemon, &environment, Some(&service), &directory).await {
                        Ok(service) => break Some((read, service)),
                        Err(why) => followed.refuse(&format!("{why:#}"), outside.now()),
                    }
                    wake.is_taken_in();
                    fleets.set(followed.fleets());
                }
            }
        };
        if next.is_some() {
            info!(file = "azlin.toml", "azlin.toml changed: what is under way ends first");
        }
        inner.cancel();
        // Before the end is waited for: it may have come by then.
        if next.is_none() {
            supervisor.stopping(STOP_LIMIT);
        }
        let too_long = async {
            stop.cancelled().await;
            supervisor.stopping(STOP_LIMIT);
            sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            ended = &mut running => ended.context("the daemon panicked")?,
            () = too_long => warn!("what is under way does not end and is cut off; the next start takes it up"),
        }
        informed.abort();
        servers.iter().for_each(JoinHandle::abort);
        if let Some(status) = status {
            // A write that is under way would outlive it.
            status.abort();
            let _ = status.await;
        }
        let Some((read, prepared)) = next else { break };
        service = prepared;
        followed.accept(read, Timestamp::now());
        wake.is_taken_in();
    }
    if let Some(file) = status_file {
        file.remove();
    }
    info!("stopped; runners are left as they are");
    Ok(Ended::Done)
}

/// What a daemon's configuration asks of the outside.
struct Service {
    outside: Outside,
    webhook: Option<Arc<dyn Webhook>>,
    /// Where it listens, by the address that the configuration names; a second one answers GitHub alone.
    listeners: Vec<(SocketAddr, Arc<TcpListener>)>,
}

impl Service {
    /// Connects and listens as the configuration has it. A listener at the same address is kept.
    async fn prepare(
        config: &DaemonConfig,
        environment: &Environment,
        before: Option<&Service>,
        directory: &Path,
    ) -> Result<Service> {
        let mut listeners = Vec::new();
        let asked = [("listen", Some(config.listen)), ("webhook_listen", config.webhook_listen)];
        for (key, address) in asked.into_iter().filter_map(|(key, address)| Some((key, address?))) {
            let known = before.into_iter().flat_map(|service| &service.listeners);
            let kept = known.chain(&listeners).find(|(kept, _)| *kept == address);
            let listener = match kept {
                Some((_, listener)) => Arc::clone(listener),
                None => Arc::new(TcpListener::bind(address).await.with_context(|| {
                    format!(
                        "{address} cannot be listened on; is another daemon running? [http] {key} in {} chooses another address",
                        directory.join("azlin.toml").display()
                    )
                })?),
            };
            listeners.push((address, listener));
        }
        listeners.dedup_by_key(|(address, _)| *address);
        let webhook = webhook(environment)?.map(|webhook| Arc::new(webhook) as Arc<dyn Webhook>);
        if let (None, Some(address)) = (&webhook, config.webhook_listen) {
            warn!(
                "{address} answers no webhook, since there is no secret to tell by what GitHub has sent: webhook-secret"
            );
        }
        Ok(Service { outside: connect(config, environment)?, webhook, listeners })
    }

    /// Answers at each listener what is answered there.
    fn serve(&self, for_operators: Listener, handler: WebhookHandler) -> Vec<JoinHandle<()>> {
        let doors = match self.listeners.len() {
            1 => vec![for_operators.and_for_github(handler)],
            _ => vec![for_operators, Listener::for_github(handler)],
        };
        let each = self.listeners.iter().zip(doors);
        each.map(|((_, listener), door)| tokio::spawn(door.serve(Arc::clone(listener)))).collect()
    }
}
