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
use azlin_daemon::{
    Board, Daemon, Door, Health, Outside, Page, StateDir, config_dir, stop_on_signals, this_daemon,
};
use azlin_fleet::status::DaemonStatus;
use azlin_simcloud::{IDENTITY_HEADER, Served, World};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Ended;
use crate::adapters::{Environment, connect};
use crate::cli::Output;
use crate::terminal::Redrawn;
use screen::frame;
use summary::Summary;

/// How long the fleets may take to be empty once no more jobs come.
const PATIENCE: Duration = Duration::from_secs(120);
const TOKEN: &str = "ghp_demodemodemodemodemodemodemodemo0000";

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long new jobs arrive; then it runs on until the fleets are empty.
    #[arg(long, default_value = "45s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// What chance brings: the same seed brings the same jobs and faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Show the daemon's page at this address of this machine while it runs, such as 127.0.0.1:9469.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// How to print it: a live table on a terminal, or one JSON object at the end.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Whether the demo draws over standard error, so that nothing else may be printed there.
pub fn is_live(args: &Args) -> bool {
    args.output == Output::Table && std::io::stderr().is_terminal()
}

pub async fn run(args: Args) -> Result<Ended> {
    let live = is_live(&args);
    let workload = workload::for_demo(args.seed, args.duration, TOKEN);
    let served = Served::start(World::new(&workload, Timestamp::now()), Arc::new(Timestamp::now)).await?;
    let directory = tempfile::tempdir().context("no temporary directory can be made")?;
    config::write(directory.path(), served.github, served.azure)?;

    let configuration = config_dir::read(directory.path())?;
    let outside = connect(&configuration.daemon, &environment(&served))?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let state = StateDir::new(Some(directory.path().join("state")));
    let (config, board) = (&configuration.daemon, Board::default());
    let daemon =
        Daemon::new(config, configuration.fleets, outside.clone(), state, board.clone(), stop.clone());
    let page = match args.listen {
        Some(address) => Some(serve(address, &daemon, &outside, &board, &stop).await?),
        None => None,
    };
    let running = tokio::spawn(daemon.run());

    watch(&served, &board, args.duration, live, &stop).await;
    stop.cancel();
    drop(page);
    running.await.context("the daemon panicked")?;
    let summary = Summary::of(&served.world().report());
    summary.print(args.output)?;
    Ok(if summary.is_good() { Ended::Done } else { Ended::Failed })
}

/// Shows the daemon's page, as long as what it gives is kept.
async fn serve(
    address: SocketAddr,
    daemon: &Daemon,
    outside: &Outside,
    board: &Board,
    stop: &CancellationToken,
) -> Result<JoinSet<()>> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    crate::say_note(&format!("the page is at http://{}/", listener.local_addr()?));
    let page = Page {
        board: board.clone(),
        outside: outside.clone(),
        daemon: DaemonStatus {
            config_dir: "a simulated GitHub and Azure".to_owned(),
            ..this_daemon(Path::new("."), env!("CARGO_PKG_VERSION"))
        },
    };
    let health = Health {
        board: board.clone(),
        outside: outside.clone(),
        fleets: daemon.fleets(),
        patience: Duration::from_secs(60),
        stop: stop.clone(),
    };
    let mut serving = JoinSet::new();
    serving.spawn(Door::to_operators(page, health, Vec::new()).serve(Arc::new(listener)));
    Ok(serving)
}

/// What the environment would hold on a machine with a managed identity.
fn environment(served: &Served) -> Environment {
    Environment {
        variable: |name| (name == "GITHUB_TOKEN").then(|| SecretString::from(TOKEN)),
        credentials: None,
        azure: azlin_azure::AzureEnvironment {
            identity_endpoint: Some(served.identity_endpoint()),
            identity_header: Some(SecretString::from(IDENTITY_HEADER)),
            ..azlin_azure::AzureEnvironment::default()
        },
    }
}

/// Waits until no more jobs come and nothing is left, or patience or the user ends it.
async fn watch(served: &Served, board: &Board, duration: Duration, live: bool, stop: &CancellationToken) {
    let start = Instant::now();
    let mut screen = live.then(Redrawn::default);
    let mut frames = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = frames.tick() => {}
        }
        let elapsed = start.elapsed();
        if let Some(screen) = &mut screen {
            let text = frame(&served.world(), board, elapsed, duration);
            // Nobody looks any more, if it cannot be written.
            let _ = screen.draw(&mut std::io::stderr().lock(), &text);
        }
        let is_over = elapsed > duration && served.world().is_at_rest();
        if is_over || elapsed > duration + PATIENCE {
            return;
        }
    }
}
