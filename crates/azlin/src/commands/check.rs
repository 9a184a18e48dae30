//! `check`: everything that would keep fleets from working, at once, each with its cure.

mod rehearsal;
mod render;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use azlin_daemon::preflight::{self, PreflightAdapters};
use azlin_daemon::{Presence, read_status, runtime_dirs};
use azlin_fleet::check::{Facts, SignInError, State, check};
use azlin_fleet::config::DaemonConfig;
use azlin_fleet::model::{CredentialName, PoolName};
use azlin_fleet::report::{FleetErrorKind, FleetStatus};
use jiff::Timestamp;

use super::questions;
use super::said::Said;
use crate::adapters::{self, ProcessEnvironment};
use crate::args::{CheckArgs, DirectoryArgs, OutputFormat, ViewArgs};
use crate::config::{ReadableFiles, read_what_is_readable};
use crate::exit_status::ExitStatus;
use crate::output::print;
use crate::terminal::Terminal;
use crate::words::no_such_pool;

pub async fn run(args: CheckArgs) -> Result<ExitStatus> {
    let directories = &args.view.directories;
    if !args.rehearses {
        return match questions::asked(directories).await? {
            Some(status) => Ok(status),
            None => answer(&args.view, Terminal::stdout()).await?.print(),
        };
    }
    let mut files = read_what_is_readable(directories);
    let pools = names(&files);
    if let Some(why) = not_known(args.view.pool.as_ref(), &mut files) {
        return why.print();
    }
    if let Some(why) = rehearsal::refusal(&args, &files) {
        return Said::error(why, ExitStatus::Usage).print();
    }
    let environment = ProcessEnvironment::of_this_process(&directories.config_dir)?;
    let (is_good, said) = checked(&args.view, &mut files, pools, &environment, Terminal::stdout()).await;
    print(&said)?;
    match (&files.daemon, files.fleets.as_slice()) {
        (Some(config), [fleet]) => {
            print("\n")?;
            rehearsal::run(&args, config, fleet, &environment).await
        }
        _ => Ok(if is_good { ExitStatus::Done } else { ExitStatus::Failed }),
    }
}

/// The check, by the files and the environment of this process.
pub async fn answer(view: &ViewArgs, terminal: Terminal) -> Result<Said> {
    let mut files = read_what_is_readable(&view.directories);
    let pools = names(&files);
    if let Some(why) = not_known(view.pool.as_ref(), &mut files) {
        return Ok(why);
    }
    let environment = ProcessEnvironment::of_this_process(&view.directories.config_dir)?;
    let (is_good, output) = checked(view, &mut files, pools, &environment, terminal).await;
    Ok(Said { output, ..Said::nothing(if is_good { ExitStatus::Done } else { ExitStatus::Failed }) })
}

/// All pools that have a file.
fn names(files: &ReadableFiles) -> BTreeSet<PoolName> {
    files.pools().into_iter().filter_map(|pool| pool.parse().ok()).collect()
}

/// Leaves out the other pools; what is said if there is no such pool.
fn not_known(pool: Option<&PoolName>, files: &mut ReadableFiles) -> Option<Said> {
    let pool = pool?;
    if !files.knows(pool) {
        return Some(Said::error(no_such_pool(pool, files.pools()), ExitStatus::NothingMatched));
    }
    files.keep(pool);
    None
}

/// Whether no problem was found, and the findings.
async fn checked(
    view: &ViewArgs,
    files: &mut ReadableFiles,
    pools: BTreeSet<PoolName>,
    environment: &ProcessEnvironment,
    terminal: Terminal,
) -> (bool, String) {
    let mut facts = match &files.daemon {
        Some(config) => gather(config, files, environment).await,
        None => Facts {
            bad_files: Vec::new(),
            github: None,
            credentials: BTreeMap::new(),
            azure: None,
            ssh_keys: BTreeMap::new(),
            listen: None,
            exposed: Vec::new(),
            errors: BTreeMap::new(),
            pools: BTreeSet::new(),
        },
    };
    facts.pools = pools;
    facts.bad_files = std::mem::take(&mut files.bad);
    facts.errors = errors_of_daemon(&view.directories);
    facts.exposed = exposed(&view.directories.config_dir, files);
    let findings = check(&files.fleets, &facts, Timestamp::now());
    let text = match view.output {
        OutputFormat::Table => render::table(&findings, terminal),
        OutputFormat::Json => format!("{:#}\n", render::json(&findings)),
    };
    (findings.iter().all(|finding| finding.state != State::Problem), text)
}

/// What keeps fleets from their work at present, where a daemon runs that knows it. What the check itself looks at is left
/// out.
fn errors_of_daemon(directories: &DirectoryArgs) -> BTreeMap<PoolName, Vec<String>> {
    if Presence::of(&directories.config_dir, directories.runtime_dir.as_deref()) != Presence::Running {
        return BTreeMap::new();
    }
    let status = read_status(&runtime_dirs(directories.runtime_dir.as_deref()), &directories.config_dir);
    let is_own = |about| matches!(about, FleetErrorKind::Seeing | FleetErrorKind::Credential);
    let told = |fleet: FleetStatus| {
        let others = fleet.errors.into_iter().filter(|error| !is_own(error.about));
        (fleet.pool, others.map(|error| error.what).collect())
    };
    status.into_iter().flat_map(|status| status.fleets).map(told).collect()
}

/// The files with secrets, as far as the configuration names them, that every user of the machine may read.
fn exposed(config_dir: &Path, files: &ReadableFiles) -> Vec<String> {
    let github = files.daemon.iter().flat_map(|config| {
        let all = std::iter::once(&config.github).chain(config.credentials.values());
        all.filter_map(|github| github.app.as_ref()?.private_key.clone())
    });
    let ssh = files.fleets.iter().filter_map(|fleet| fleet.bootstrap.ssh_private_key.clone());
    let own = ["environment", "credentials"].map(|name| config_dir.join(name));
    let all: BTreeSet<PathBuf> = github.chain(ssh).chain(own).collect();
    let is_open = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o004 != 0);
    all.into_iter().filter(is_open).map(|path| path.display().to_string()).collect()
}

async fn gather(config: &DaemonConfig, files: &ReadableFiles, environment: &ProcessEnvironment) -> Facts {
    let github = |name: Option<&CredentialName>| {
        // An error of another kind, such as a file that cannot be read, says what is wrong.
        adapters::github(config, name, environment).map_err(|error| {
            error.downcast().unwrap_or_else(|error| {
                SignInError::new(format!("{error:#}")).advise("fix this, and run check again")
            })
        })
    };
    let azure = adapters::azure(config, environment).map_err(|error| format!("{error:#}"));
    let azure = azure.map(|client| {
        let kind = client.credential().to_string();
        (client, kind)
    });
    let adapters = PreflightAdapters {
        github: &github,
        azure,
        ssh: &adapters::ssh(environment),
        has_credentials: environment.credentials.is_some(),
    };
    preflight::gather(config, &files.fleets, adapters).await
}
