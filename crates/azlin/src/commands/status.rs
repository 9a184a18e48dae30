//! `status`: what every fleet does, from the daemon, or from GitHub and Azure where none runs.

mod render;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use azlin_daemon::{Presence, config_dir, direct_status, other_version, read_status, runtime_dirs};
use azlin_fleet::model::PoolName;
use azlin_fleet::model::elapsed;
use azlin_fleet::report::{FleetStatus, Listed, Overview, Status};
use jiff::Timestamp;

use crate::adapters::{Lifetime, ProcessEnvironment, connect};
use crate::args::{DirectoryArgs, OutputFormat, StatusArgs, ViewArgs};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error};
use crate::terminal::{Key, Keyboard, Redrawn, Terminal};
use crate::words::no_such_pool;
use render::StatusDetail;

/// How often `--watch` looks at the daemon's file.
const FRAME: Duration = Duration::from_secs(1);
/// How long a daemon that has just started may take to write its first status.
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn run(args: StatusArgs) -> Result<ExitStatus> {
    let ViewArgs { directories, pool, output } = args.view;
    let listed = match (args.problems, args.all) {
        (true, _) => Listed::Problems,
        (_, true) => Listed::All,
        _ => Listed::Screen,
    };
    let mut last = None;
    let is_drawn = args.watch && output == OutputFormat::Table && std::io::stdout().is_terminal();
    let keyboard = if is_drawn { Keyboard::take() } else { None };
    let mut redrawn = Redrawn::scrolled(keyboard.is_some());
    loop {
        let status = look(&directories, last.as_ref()).await?;
        let known = pools(&directories.config_dir, &status)?;
        if let Some(pool) = pool.as_ref().filter(|pool| !known.contains(*pool)) {
            say_error(&no_such_pool(pool, known.iter().map(PoolName::as_str)));
            return Ok(ExitStatus::NothingMatched);
        }
        let mut shown = only(status.clone(), pool.as_ref());
        let is_one = pool.is_some() || known.len() <= 1;
        let detail = if is_one && listed == Listed::Screen {
            StatusDetail::Whole
        } else {
            StatusDetail::Lines(listed)
        };
        let waiting = known.into_iter().filter(|known| pool.as_ref().is_none_or(|only| only == known));
        let is_known = |pool: &PoolName| {
            shown.fleets.iter().any(|fleet| fleet.pool == *pool)
                || shown.forgotten.iter().any(|fleet| fleet.pool == *pool)
        };
        let waiting = waiting.filter(|pool| !is_known(pool)).collect();
        let is_new = last.as_ref() != Some(&status);
        if listed == Listed::Problems && output == OutputFormat::Json {
            let overview = Overview::of(&shown.fleets, listed, Timestamp::now());
            shown.fleets.retain(|fleet| overview.lines.iter().any(|line| line.pool == fleet.pool));
        }
        match output {
            OutputFormat::Json if is_new && args.watch => {
                print(&format!("{}\n", serde_json::to_string(&shown)?))?;
            }
            OutputFormat::Json if is_new => print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?,
            OutputFormat::Json => {}
            OutputFormat::Table => {
                let terminal = Terminal::stdout();
                let (directory, now) = (&directories.config_dir, Timestamp::now());
                let text = render::status(&shown, detail, &waiting, directory, now, terminal);
                if is_drawn {
                    redrawn.draw(&mut std::io::stdout().lock(), &text)?;
                } else if is_new {
                    print(&text)?;
                }
            }
        }
        if !args.watch {
            // A daemon that can read nothing says so in its status; a command that can read nothing has failed.
            let is_seen = |fleet: &FleetStatus| fleet.jobs_known && fleet.runners_known;
            let could_tell = status.daemon.is_some() || shown.fleets.iter().all(is_seen);
            return Ok(if could_tell { ExitStatus::Done } else { ExitStatus::Failed });
        }
        last = Some(status);
        let pressed = match &keyboard {
            Some(keyboard) => keyboard.pressed(FRAME).await,
            None => {
                tokio::time::sleep(FRAME).await;
                Vec::new()
            }
        };
        if pressed.contains(&Key::Quit) {
            return Ok(ExitStatus::Done);
        }
        pressed.into_iter().for_each(|key| redrawn.scroll(key));
    }
}

/// The pools that have a file, good or bad, and those that the daemon knows, also without a file.
pub fn pools(config_dir: &Path, status: &Status) -> Result<BTreeSet<PoolName>> {
    let files = match config_dir::pools(config_dir) {
        Ok(files) => files,
        // A user who may not read the directory can still be shown what the daemon reports.
        Err(_) if status.daemon.is_some() => Vec::new(),
        Err(error) => bail!("{} cannot be read: {error}", config_dir.display()),
    };
    let forgotten = status.forgotten.iter().map(|fleet| fleet.pool.clone());
    Ok(files
        .into_iter()
        .chain(status.fleets.iter().map(|fleet| fleet.pool.clone()))
        .chain(forgotten)
        .collect())
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
async fn look(directories: &DirectoryArgs, last: Option<&Status>) -> Result<Status> {
    match Presence::of(&directories.config_dir, directories.runtime_dir.as_deref()) {
        Presence::Running => of_daemon(directories).await,
        Presence::Absent => directly(directories, last).await,
        Presence::Unknown => {
            match read_status(&runtime_dirs(directories.runtime_dir.as_deref()), &directories.config_dir) {
                Some(status) => Ok(status),
                None => directly(directories, last).await,
            }
        }
    }
}

async fn of_daemon(directories: &DirectoryArgs) -> Result<Status> {
    let runtime_dirs = runtime_dirs(directories.runtime_dir.as_deref());
    let start = std::time::Instant::now();
    loop {
        if let Some(status) = read_status(&runtime_dirs, &directories.config_dir) {
            return Ok(status);
        }
        if let Some(version) = other_version(&runtime_dirs) {
            bail!(
                "the daemon is version {version} and this is {}: restart the daemon, or look with its own version",
                env!("CARGO_PKG_VERSION")
            );
        }
        if start.elapsed() > PATIENCE {
            let looked: Vec<String> =
                runtime_dirs.iter().map(|directory| directory.display().to_string()).collect();
            bail!(
                "a daemon runs for {}, and there is no status of it in {}: give --runtime-dir as it was given to the \
                 daemon (RUNTIME_DIRECTORY); `run --once` leaves none",
                directories.config_dir.display(),
                looked.join(" or ")
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks GitHub and Azure, as often as a daemon would.
async fn directly(directories: &DirectoryArgs, last: Option<&Status>) -> Result<Status> {
    let configuration = config::read(directories)?;
    let (now, poll) = (Timestamp::now(), configuration.daemon.poll_queue);
    let is_fresh = |last: &&Status| last.daemon.is_none() && elapsed(last.at, now) < poll;
    if let Some(last) = last.filter(is_fresh) {
        return Ok(last.clone());
    }
    let environment = ProcessEnvironment::of_this_process(&directories.config_dir)?;
    let context = connect(&configuration.daemon, &environment, Lifetime::Once)?;
    Ok(direct_status(&configuration, &context, &config::memory(directories).0).await)
}
