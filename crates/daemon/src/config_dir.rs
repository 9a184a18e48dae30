//! The configuration directory: `azlin.toml` and `fleets/*.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use azlin_fleet::config::{DaemonConfig, Fleet, name_clash};
use azlin_fleet::names::PoolName;

/// A configuration directory that was read.
#[derive(Debug)]
pub struct Configuration {
    /// `azlin.toml`, or every default.
    pub daemon: DaemonConfig,
    /// The fleets whose files are good.
    pub fleets: Vec<Fleet>,
    /// What is wrong with the others, by file. They are left untouched.
    pub problems: Vec<FileProblem>,
}

/// A file that cannot be used, and why.
#[derive(Debug)]
pub struct FileProblem {
    /// The file.
    pub path: PathBuf,
    /// Everything that is wrong with it, each with its line.
    pub message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a directory cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not there, or cannot be listed.
    #[error("the configuration directory {} cannot be read: {error}; give another one with --config-dir or AZLIN_CONFIG_DIR, or make it with fleets/<pool>.toml in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// `azlin.toml` is wrong, and with it everything.
    #[error("{0}")]
    Daemon(String),
}

/// Reads a directory. A fleet whose file is bad is left out, with its problems told.
///
/// # Errors
/// When the directory cannot be read, or `azlin.toml` is bad.
pub fn read(directory: &Path) -> Result<Configuration, ConfigError> {
    let unreadable = |error| ConfigError::Directory { path: directory.to_owned(), error };
    std::fs::read_dir(directory).map_err(unreadable)?;
    let daemon_file = directory.join("azlin.toml");
    let source = match std::fs::read_to_string(&daemon_file) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(ConfigError::Daemon(format!("{}: {error}", daemon_file.display()))),
    };
    let daemon = DaemonConfig::parse(&daemon_file.display().to_string(), &source)
        .map_err(|problems| ConfigError::Daemon(problems.to_string()))?;
    let (fleets, problems) = fleets_alone(directory)?;
    let fleets = fleets.into_iter().map(|fleet| fleet.at(&daemon.github_api_url)).collect();
    Ok(Configuration { daemon, fleets, problems })
}

/// Reads the fleets' files without `azlin.toml`: fleets at the default GitHub, and what is wrong with
/// the other files.
///
/// # Errors
/// When the directory cannot be read.
pub fn fleets_alone(directory: &Path) -> Result<(Vec<Fleet>, Vec<FileProblem>), ConfigError> {
    let path = directory.join("fleets");
    read_fleets(&path).map_err(|error| ConfigError::Directory { path, error })
}

fn read_fleets(directory: &Path) -> io::Result<(Vec<Fleet>, Vec<FileProblem>)> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| is_fleet_file(path));
    paths.sort();
    let mut pools = BTreeMap::<PoolName, PathBuf>::new();
    let mut problems = Vec::new();
    for path in paths {
        match pool_of(&path) {
            Ok(pool) => drop(pools.insert(pool, path)),
            Err(message) => problems.push(FileProblem { path, message }),
        }
    }
    let mut fleets = Vec::new();
    for (pool, path) in &pools {
        match read_fleet(path, pool, pools.keys()) {
            Ok(fleet) => fleets.push(fleet),
            Err(message) => problems.push(FileProblem { path: path.clone(), message }),
        }
    }
    Ok((fleets, problems))
}

/// Editors leave hidden files and backups behind; only `*.toml` counts.
fn is_fleet_file(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && path.extension().is_some_and(|extension| extension == "toml")
}

fn pool_of(path: &Path) -> Result<PoolName, String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let shown = path.display();
    stem.parse().map_err(|error| format!("{shown}: {error}; rename the file: the pool is named by its stem"))
}

fn read_fleet<'p>(
    path: &Path,
    pool: &PoolName,
    pools: impl Iterator<Item = &'p PoolName>,
) -> Result<Fleet, String> {
    let shown = path.display();
    if let Some(other) = name_clash(pool, pools) {
        return Err(format!(
            "{shown}: pool {pool} and pool {other} would give their VMs the same names, since Azure knows neither case \
             nor underscore; rename one of the files"
        ));
    }
    let source = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    Fleet::parse(&shown.to_string(), pool.clone(), &source).map_err(|problems| problems.to_string())
}
