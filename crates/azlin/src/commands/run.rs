//! `run`: the daemon.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use azlin_daemon::config_dir::{self, Configuration};
use azlin_daemon::{Daemon, Health, StateDir, run_once, serve_health, stop_on_signals};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::adapters::{Environment, connect};
use crate::cli::Place;
use crate::{Ended, say_error, say_problem};

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
    let configuration = read(&args.place)?;
    let _alone = alone(&args.place.config_dir).await?;
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).context("signals cannot be watched")?;
    if args.once {
        once(args.place, configuration, stop).await
    } else {
        watch(args.place, configuration, stop).await
    }
}

/// The configuration. What is wrong with a fleet's file is said; that fleet is left untouched.
pub fn read(place: &Place) -> Result<Configuration> {
    Ok(config_dir::read(&place.config_dir)?)
}

/// Keeps a second daemon, or a `run --once` beside one, off the same fleets: two that look at the same
/// moment would each start what is missing. The lock ends with the process, however it ends.
///
/// Commands that look whether a daemon is there hold it for a moment, so it is tried for a while.
async fn alone(directory: &Path) -> Result<File> {
    let file = File::open(directory).with_context(|| format!("{} cannot be opened", directory.display()))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if start.elapsed() < Duration::from_secs(1) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => bail!(
                "{} is locked, most likely by another azlin github-runner run: stop that first, or let it do the work",
                directory.display()
            ),
            // Some network file systems know no locks; the listener's port still keeps two daemons apart.
            Err(TryLockError::Error(error)) => {
                debug!(reason = %error, "the configuration cannot be locked");
                break;
            }
        }
    }
    Ok(file)
}

async fn once(place: Place, configuration: Configuration, stop: CancellationToken) -> Result<Ended> {
    let outside = connect(&configuration.daemon, &Environment::of_this_process())?;
    for problem in &configuration.problems {
        say_problem(problem);
    }
    let state = StateDir::new(place.state_dir);
    let daemon = Daemon::new(&configuration.daemon, configuration.fleets, outside, state, stop);
    let failures = run_once(daemon).await;
    for (pool, messages) in &failures {
        for message in messages {
            say_error(&format!("{pool}: {message}"));
        }
    }
    let is_good = failures.is_empty() && configuration.problems.is_empty();
    Ok(if is_good { Ended::Done } else { Ended::Failed })
}

async fn watch(place: Place, configuration: Configuration, stop: CancellationToken) -> Result<Ended> {
    let config = &configuration.daemon;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "{} cannot be listened on; is another daemon running? [http] listen in {} chooses another address",
            config.listen,
            place.config_dir.join("azlin.toml").display()
        )
    })?;
    let outside = connect(config, &Environment::of_this_process())?;
    for problem in &configuration.problems {
        error!(file = %problem.path.display(), reason = %problem, "fleet left untouched: its file is bad");
    }
    if configuration.fleets.is_empty() {
        warn!(directory = %place.config_dir.join("fleets").display(), "there is no fleet to watch");
    }
    let patience = config.poll_queue * 3 + Duration::from_secs(60);
    let fleets = configuration.fleets.len();
    let state = StateDir::new(place.state_dir);
    let daemon = Daemon::new(config, configuration.fleets, outside.clone(), state, stop);
    let health = Health { board: daemon.board(), outside, fleets, patience };
    let server = tokio::spawn(serve_health(listener, health));
    daemon.run().await;
    server.abort();
    Ok(Ended::Done)
}
