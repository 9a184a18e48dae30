//! `status`: what every fleet does, from the daemon, or from GitHub and Azure where none runs.

mod render;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use azlin_daemon::{Planned, Presence, StateDir, other_version, plan_once, read_status, runtime_dirs};
use azlin_fleet::names::PoolName;
use azlin_fleet::status::{BadFileStatus, FleetStatus, Status, VERSION};
use jiff::Timestamp;

use crate::adapters::{Environment, connect};
use crate::cli::{Look, Output, Place};
use crate::commands::run;
use crate::terminal::{Redrawn, Terminal, print};
use crate::words::no_such_pool;
use crate::{Ended, say_error};

/// How often `--watch` looks at the daemon's file.
const FRAME: Duration = Duration::from_secs(1);
/// How long a daemon that has just started may take to write its first status.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to look at.
    #[command(flatten)]
    pub look: Look,
    /// Go on showing it, over itself on a terminal; with `--output json` one object a line.
    #[arg(long)]
    pub watch: bool,
}

pub async fn run(args: Args) -> Result<Ended> {
    let Look { place, pool, output } = args.look;
    let mut last = None;
    let mut redrawn = Redrawn::default();
    loop {
        let status = look(&place, last.as_ref()).await?;
        let known = pools(&place.config_dir, &status)?;
        if let Some(pool) = pool.as_ref().filter(|pool| !known.contains(*pool)) {
            say_error(&no_such_pool(pool, known.iter().map(PoolName::as_str)));
            return Ok(Ended::NothingMatched);
        }
        let shown = only(status.clone(), pool.as_ref());
        let waiting = known.into_iter().filter(|known| pool.as_ref().is_none_or(|only| only == known));
        let waiting = waiting.filter(|pool| !shown.fleets.iter().any(|fleet| fleet.pool == *pool)).collect();
        let is_new = last.as_ref() != Some(&status);
        match output {
            Output::Json if is_new && args.watch => print(&format!("{}\n", serde_json::to_string(&shown)?))?,
            Output::Json if is_new => print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?,
            Output::Json => {}
            Output::Table => {
                let terminal = Terminal::stdout();
                let text = render::status(&shown, &waiting, &place.config_dir, Timestamp::now(), terminal);
                if args.watch && std::io::stdout().is_terminal() {
                    redrawn.draw(&mut std::io::stdout().lock(), &text)?;
                } else if is_new {
                    print(&text)?;
                }
            }
        }
        if !args.watch {
            // A daemon that sees nothing is told of; who looks by itself and sees nothing has failed.
            let is_seen = |fleet: &FleetStatus| fleet.jobs_known && fleet.runners_known;
            let could_tell = status.daemon.is_some() || shown.fleets.iter().all(is_seen);
            return Ok(if could_tell { Ended::Done } else { Ended::Failed });
        }
        last = Some(status);
        tokio::time::sleep(FRAME).await;
    }
}

/// The pools that have a file, good or bad, and those that the daemon knows.
pub fn pools(config_dir: &Path, status: &Status) -> Result<BTreeSet<PoolName>> {
    let files = match azlin_daemon::config_dir::pools(config_dir) {
        Ok(files) => files,
        // What the daemon tells can be shown to whoever may not look into the directory.
        Err(_) if status.daemon.is_some() => Vec::new(),
        Err(error) => bail!("{} cannot be read: {error}", config_dir.display()),
    };
    Ok(files.into_iter().chain(status.fleets.iter().map(|fleet| fleet.pool.clone())).collect())
}

fn only(mut status: Status, pool: Option<&PoolName>) -> Status {
    if let Some(pool) = pool {
        status.fleets.retain(|fleet| fleet.pool == *pool);
        let is_its = |file: &str| Path::new(file).file_stem().is_some_and(|stem| stem == pool.as_str());
        status.bad_files.retain(|bad| is_its(&bad.file) || bad.file.ends_with("azlin.toml"));
    }
    status
}

/// The daemon's own status where one runs, else what GitHub and Azure say.
async fn look(place: &Place, last: Option<&Status>) -> Result<Status> {
    match Presence::of(&place.config_dir) {
        Presence::Running => of_daemon(place).await,
        Presence::Absent => directly(place, last).await,
        Presence::Unknown => {
            match read_status(&runtime_dirs(place.runtime_dir.as_deref()), &place.config_dir) {
                Some(status) => Ok(status),
                None => directly(place, last).await,
            }
        }
    }
}

async fn of_daemon(place: &Place) -> Result<Status> {
    let directories = runtime_dirs(place.runtime_dir.as_deref());
    let start = std::time::Instant::now();
    loop {
        if let Some(status) = read_status(&directories, &place.config_dir) {
            return Ok(status);
        }
        if let Some(version) = other_version(&directories) {
            bail!(
                "the daemon is version {version} and this is {}: restart the daemon, or look with its own version",
                env!("CARGO_PKG_VERSION")
            );
        }
        if start.elapsed() > PATIENCE {
            let looked: Vec<String> =
                directories.iter().map(|directory| directory.display().to_string()).collect();
            bail!(
                "a daemon runs for {}, and there is no status of it in {}: give --runtime-dir as it was given to the \
                 daemon (RUNTIME_DIRECTORY); `run --once` leaves none",
                place.config_dir.display(),
                looked.join(" or ")
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks GitHub and Azure, as often as a daemon would.
async fn directly(place: &Place, last: Option<&Status>) -> Result<Status> {
    let configuration = run::read(place)?;
    let now = Timestamp::now();
    let poll = configuration.daemon.poll_queue;
    let is_fresh = |last: &&Status| last.daemon.is_none() && azlin_fleet::time::elapsed(last.at, now) < poll;
    if let Some(last) = last.filter(is_fresh) {
        return Ok(last.clone());
    }
    let outside = connect(&configuration.daemon, &Environment::of_this_process(&place.config_dir)?)?;
    let state = StateDir::new(place.state_dir.clone());
    let planned = plan_once(&configuration.fleets, outside.clone(), &state, poll).await;
    let bad_files = configuration.problems.iter().map(|problem| BadFileStatus {
        file: problem.path.display().to_string(),
        message: problem.to_string(),
        since: now,
    });
    Ok(Status {
        version: VERSION,
        at: now,
        daemon: None,
        fleets: planned
            .iter()
            .map(|planned: &Planned| planned.status(&configuration.daemon.prices))
            .collect(),
        bad_files: bad_files.collect(),
        budgets: outside.budgets(),
    })
}
