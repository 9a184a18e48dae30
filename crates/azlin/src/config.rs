//! Reading the configuration for commands: whole, or as far as it can be read.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use azlin_daemon::StateDir;
use azlin_daemon::config_dir::{self, ConfigError, Configuration, FileProblem};
use azlin_daemon::service::ServicePaths;
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::model::PoolName;

use crate::args::DirectoryArgs;
use crate::output::say_note;

/// Where the unit has the state directory.
const STATE_OF_SERVICE: &str = "/var/lib/azlin";

/// Reads the configuration. A fleet whose file is bad is left out, with its problems listed.
pub fn read(directories: &DirectoryArgs) -> Result<Configuration> {
    Ok(config_dir::read(&directories.config_dir)?)
}

/// What the service remembers, as far as this process may read it, and whether it may.
pub fn memory(directories: &DirectoryArgs) -> (StateDir, bool) {
    let of_service = || {
        let is_its = directories.config_dir == Path::new("/etc/azlin");
        let there = Path::new(STATE_OF_SERVICE);
        (is_its && there.symlink_metadata().is_ok()).then(|| there.to_owned())
    };
    let Some(directory) = directories.state_dir.clone().or_else(of_service) else {
        return (StateDir::new(None), false);
    };
    match directory.read_dir() {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            say_note(&format!(
                "{} cannot be read ({error}), so what the daemon remembers is not known here: failed starts, cooldowns",
                directory.display()
            ));
            (StateDir::new(None), false)
        }
        _ => (StateDir::new(Some(directory)), true),
    }
}

/// Leaves out the problems of other pools' files.
pub fn keep_problems_of(problems: &mut Vec<FileProblem>, pool: &PoolName) {
    problems.retain(|problem| problem.path.file_stem().is_some_and(|stem| stem == pool.as_str()));
}

impl From<DirectoryArgs> for ServicePaths {
    fn from(directories: DirectoryArgs) -> Self {
        let DirectoryArgs { config_dir, state_dir, runtime_dir } = directories;
        ServicePaths { config_dir, state_dir, runtime_dir }
    }
}

/// The configuration, as far as it can be read.
pub struct ReadableFiles {
    /// `None` if azlin.toml is bad.
    pub daemon: Option<DaemonConfig>,
    /// The fleets whose files are good.
    pub fleets: Vec<Fleet>,
    /// Files that cannot be used, by name, and why.
    pub bad: Vec<(String, String)>,
    /// The pools that the bad ones of them are named after.
    bad_pools: Vec<String>,
    /// Whether the fleets' files could be listed at all.
    is_listed: bool,
}

/// Reads what can be read, for `check`.
pub fn read_what_is_readable(directories: &DirectoryArgs) -> ReadableFiles {
    let directory = &directories.config_dir;
    let unlisted = |error: ConfigError| ReadableFiles {
        daemon: None,
        fleets: Vec::new(),
        bad: vec![(directory.display().to_string(), error.to_string())],
        bad_pools: Vec::new(),
        is_listed: false,
    };
    let (daemon, fleets, problems, mut bad) = match config_dir::read(directory) {
        Ok(read) => (Some(read.daemon), read.fleets, read.problems, Vec::new()),
        Err(error @ ConfigError::Directory { .. }) => return unlisted(error),
        Err(ConfigError::Daemon(why)) => match config_dir::fleets_alone(directory) {
            Ok((fleets, problems)) => {
                let file = directory.join("azlin.toml").display().to_string();
                (None, fleets, problems, vec![(file, why.to_string())])
            }
            Err(error) => return unlisted(error),
        },
    };
    let stem =
        |problem: &FileProblem| problem.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let bad_pools = problems.iter().filter_map(stem).collect();
    bad.extend(problems.iter().map(|problem| (problem.path.display().to_string(), problem.to_string())));
    ReadableFiles { daemon, fleets, bad, bad_pools, is_listed: true }
}

impl ReadableFiles {
    /// The pools that have a file, good or bad.
    pub fn pools(&self) -> Vec<&str> {
        let good = self.fleets.iter().map(|fleet| fleet.name.as_str());
        good.chain(self.bad_pools.iter().map(String::as_str)).collect()
    }

    /// Whether a pool has a file, good or bad. If files could not be listed, that is reported instead.
    pub fn knows(&self, pool: &PoolName) -> bool {
        !self.is_listed || self.pools().contains(&pool.as_str())
    }

    /// Leaves the other pools out, with the problems of their files.
    pub fn keep(&mut self, pool: &PoolName) {
        self.fleets.retain(|fleet| fleet.name == *pool);
        let others: Vec<String> = self.bad_pools.drain(..).filter(|other| other != pool.as_str()).collect();
        let is_others =
            |file: &str| others.iter().any(|other| file.ends_with(&format!("/fleets/{other}.toml")));
        self.bad.retain(|(file, _)| !is_others(file));
    }
}
