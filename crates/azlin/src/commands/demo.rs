//! `demo`: the daemon against a simulated GitHub and Azure, in this process, at speed.
//!
//! Only the two clouds are simulated. The configuration is read from files, the adapters speak HTTP
//! over loopback, and the loop is the daemon's own.

mod config;
mod screen;
mod summary;
mod workload;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use azlin_daemon::service::run_until;
use azlin_daemon::{Daemon, Listener, StateDir, StatusStore, config_dir, stop_on_signals, this_daemon};
use azlin_fleet::report::DaemonStatus;
use azlin_simcloud::{IDENTITY_HEADER, Served, World};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adapters::{Lifetime, ProcessEnvironment, connect};
use crate::args::{DemoArgs, OutputFormat};
use crate::exit_status::ExitStatus;
use crate::output::say_note;
use crate::terminal::Redrawn;
use screen::frame;
use summary::Summary;

/// How long the fleets may take to be empty once no more jobs come.
const PATIENCE: Duration = Duration::from_secs(120);
const TOKEN: &str = "ghp_demodemodemodemodemodemodemodemo0000";

/// Whether the demo draws over standard error, so that nothing else may be printed there.
pub fn is_live(args: &DemoArgs) -> bool {
    args.output == OutputFormat::Table && std::io::stderr().is_terminal()
}

pub async fn run(args: DemoArgs) -> Result<ExitStatus> {
    let live = is_live(&args);
    let workload = workload::for_demo(args.seed, args.duration, TOKEN);
    let served = Served::start(World::new(&workload, Timestamp::now()), Arc::new(Timestamp::now)).await?;
    let directory = tempfile::tempdir().context("no temporary directory can be made")?;
    config::write(directory.path(), served.github, served.azure)?;

    let configuration = config_dir::read(directory.path())?;
    let context = connect(&configuration.daemon, &environment(&served), Lifetime::Lasting)?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let state = StateDir::new(Some(directory.path().join("state")));
    let (config, store) = (&configuration.daemon, StatusStore::default());
    let daemon = Daemon::new(config, configuration.fleets, context, state, store.clone(), stop.clone());
    let page = match args.listen {
        Some(address) => Some(page(address, &daemon).await?),
        None => None,
    };
    run_until(daemon, page, watch(&served, &store, args.duration, live, &stop)).await?;
    let summary = Summary::of(&served.world().report());
    summary.print(args.output)?;
    Ok(if summary.is_good() { ExitStatus::Done } else { ExitStatus::Failed })
}

/// The daemon's page, and the socket that it is served at.
async fn page(address: SocketAddr, daemon: &Daemon) -> Result<(TcpListener, Listener)> {
    let socket =
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    say_note(&format!("the page is at http://{}/", socket.local_addr()?));
    let this_daemon = DaemonStatus {
        config_dir: "a simulated GitHub and Azure".to_owned(),
        ..this_daemon(Path::new("."), env!("CARGO_PKG_VERSION"))
    };
    Ok((socket, daemon.operators_listener(this_daemon, Duration::from_secs(60), Vec::new(), None)))
}

/// What the environment would hold on a machine with a managed identity.
fn environment(served: &Served) -> ProcessEnvironment {
    ProcessEnvironment {
        variable: Box::new(|name| (name == "GITHUB_TOKEN").then(|| SecretString::from(TOKEN))),
        credentials: None,
        azure: azlin_azure::AzureEnvironment {
            identity_endpoint: Some(served.identity_endpoint()),
            identity_header: Some(SecretString::from(IDENTITY_HEADER)),
            ..azlin_azure::AzureEnvironment::default()
        },
    }
}

/// Waits until no more jobs come and nothing is left, or until the user or the time limit ends it.
async fn watch(
    served: &Served,
    store: &StatusStore,
    duration: Duration,
    live: bool,
    stop: &CancellationToken,
) {
    let start = Instant::now();
    let mut screen = live.then(Redrawn::default);
    let mut frames = tokio::time::interval(Duration::from_millis(200));
    loop {
        if stop.run_until_cancelled(frames.tick()).await.is_none() {
            return;
        }
        let elapsed = start.elapsed();
        if let Some(screen) = &mut screen {
            let text = frame(&served.world(), store, elapsed, duration);
            // If it cannot be written, it has no reader.
            let _ = screen.draw(&mut std::io::stderr().lock(), &text);
        }
        let is_over = elapsed > duration && served.world().is_at_rest();
        if is_over || elapsed > duration + PATIENCE {
            return;
        }
    }
}
