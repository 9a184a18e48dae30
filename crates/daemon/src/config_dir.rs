//! The configuration directory: `azlin.toml` and `fleets/*.toml`.

mod strays;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use azlin_fleet::config::{DaemonConfig, Faulty, Fleet, FleetDefaults, NamedFiles, name_clashes};
use azlin_fleet::model::PoolName;
use jiff::Timestamp;

use crate::bounded_file::read_text;
use strays::strays;

/// A configuration directory that was read.
#[derive(Debug)]
pub struct Configuration {
    /// `azlin.toml`, or every default.
    pub daemon: DaemonConfig,
    /// The text of `azlin.toml`.
    pub daemon_text: String,
    /// The fleets whose files are good.
    pub fleets: Vec<Fleet>,
    /// The texts of their files, with the defaults of azlin.toml.
    pub texts: BTreeMap<PoolName, String>,
    /// The problems of the other files. Their fleets are left alone.
    pub problems: Vec<FileProblem>,
    /// When reading began: it has everything that was written before.
    pub read_at: Timestamp,
}

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct FileProblem {
    /// The file.
    pub path: PathBuf,
    /// Everything that is wrong with it.
    pub cause: FileProblemCause,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblemCause {
    /// The file itself: it cannot be read, or has a bad name.
    #[error("{0}")]
    File(String),
    /// Its content.
    #[error("{0}")]
    Text(#[from] Faulty),
    /// It looks like a fleet's file, and is not read.
    #[error("{0}")]
    Stray(String),
}

/// Why a directory cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It does not exist, or cannot be listed.
    #[error("the configuration directory {} cannot be read: {error}; give another one with --config-dir or AZLIN_CONFIG_DIR, or make it with fleets/<pool>.toml in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// `azlin.toml` is bad, so nothing can run.
    #[error("{0}")]
    Daemon(FileProblem),
}

/// Reads a directory. A fleet whose file is bad is left out, and its problems are listed.
///
/// # Errors
/// When the directory cannot be read, or `azlin.toml` is bad.
pub fn read(directory: &Path) -> Result<Configuration, ConfigError> {
    let unreadable = |error| ConfigError::Directory { path: directory.to_owned(), error };
    std::fs::read_dir(directory).map_err(unreadable)?;
    let daemon_file = directory.join("azlin.toml");
    let (daemon, text) = read_daemon(&daemon_file)
        .map_err(|cause| ConfigError::Daemon(FileProblem { path: daemon_file, cause }))?;
    read_with(directory, daemon, text)
}

/// The same beside the loops: a directory on a slow disk delays none of them.
///
/// # Errors
/// As of [`read`].
pub async fn read_aside(directory: PathBuf) -> Result<Configuration, ConfigError> {
    let path = directory.clone();
    let read = tokio::task::spawn_blocking(move || read(&directory)).await;
    read.unwrap_or_else(|died| Err(ConfigError::Directory { path, error: io::Error::other(died) }))
}

/// Reads the fleets of a directory for a daemon whose own configuration, with its text, is known.
///
/// # Errors
/// When the directory cannot be read.
pub fn read_with(
    directory: &Path,
    daemon: DaemonConfig,
    daemon_text: String,
) -> Result<Configuration, ConfigError> {
    let read_at = Timestamp::now();
    let path = directory.join("fleets");
    let defaults = FleetDefaults::of(&daemon_text);
    let (read, mut problems) = read_fleets(&path, &defaults)
        .map_err(|error| ConfigError::Directory { path: path.clone(), error })?;
    let mut texts = BTreeMap::new();
    let mut fleets = Vec::new();
    for (fleet, text) in read {
        let name = fleet.name.clone();
        match signed_in(fleet, &daemon, &fleets) {
            Ok(fleet) => {
                texts.insert(name, defaults.added_to(&text));
                fleets.push(fleet);
            }
            Err(why) => {
                let path = directory.join("fleets").join(format!("{name}.toml"));
                let cause = FileProblemCause::File(format!("{}: {why}", path.display()));
                problems.push(FileProblem { path, cause });
            }
        }
    }
    problems.extend(strays(directory, &path));
    Ok(Configuration { daemon, daemon_text, fleets, texts, problems, read_at })
}

/// The fleet at the GitHub of its credential; or why it cannot be there beside others.
pub(crate) fn signed_in(fleet: Fleet, daemon: &DaemonConfig, others: &[Fleet]) -> Result<Fleet, String> {
    let Some(github) = daemon.github_of(fleet.credential.as_ref()) else {
        let name = fleet.credential.as_ref().map(ToString::to_string).unwrap_or_default();
        return Err(format!(
            "credential: {name:?} is in no [github.credentials.{name}] of azlin.toml; add that table there, or remove the line"
        ));
    };
    let fleet = fleet.at(&github.api_url);
    let is_rival = |other: &&Fleet| {
        (&other.github, &other.scope) == (&fleet.github, &fleet.scope) && other.credential != fleet.credential
    };
    match others.iter().find(is_rival) {
        None => Ok(fleet),
        Some(other) => Err(format!(
            "credential: {} is served by {} with another credential; fleets of one place share one, so that each job \
             counts for one of them",
            fleet.scope, other.name
        )),
    }
}

/// Reads the fleets' files beside a bad `azlin.toml`, of which only `[defaults]` holds: fleets at the default GitHub,
/// and the problems of the other files.
///
/// # Errors
/// When the directory cannot be read.
pub fn fleets_alone(directory: &Path) -> Result<(Vec<Fleet>, Vec<FileProblem>), ConfigError> {
    let path = directory.join("fleets");
    let (read, problems) =
        read_fleets(&path, &defaults(directory)).map_err(|error| ConfigError::Directory { path, error })?;
    Ok((read.into_iter().map(|(fleet, _)| fleet).collect(), problems))
}

/// The defaults of the fleets, as far as `azlin.toml` can be read.
pub(crate) fn defaults(directory: &Path) -> FleetDefaults {
    FleetDefaults::of(&read_text(&directory.join("azlin.toml")).unwrap_or_default())
}

fn read_daemon(path: &Path) -> Result<(DaemonConfig, String), FileProblemCause> {
    let shown = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(FileProblemCause::File(format!("{shown}: {error}"))),
    };
    match DaemonConfig::parse(&shown, &text) {
        Ok(daemon) => Ok((daemon, text)),
        Err(problems) => Err(FileProblemCause::Text(Faulty { text, problems })),
    }
}

/// The pools that have a file, good or bad, in the order of their names.
///
/// # Errors
/// The system's error, if the directory exists and cannot be listed.
pub fn pools(directory: &Path) -> io::Result<Vec<PoolName>> {
    let mut pools: Vec<PoolName> =
        fleet_files(&directory.join("fleets"))?.iter().filter_map(|path| pool_of(path).ok()).collect();
    pools.sort();
    Ok(pools)
}

/// Fleets with the texts of their files, and what is wrong with the others.
type FleetFiles = (Vec<(Fleet, String)>, Vec<FileProblem>);

fn read_fleets(directory: &Path, defaults: &FleetDefaults) -> io::Result<FleetFiles> {
    let paths = fleet_files(directory)?;
    let mut pools = BTreeMap::<PoolName, PathBuf>::new();
    let mut problems = Vec::new();
    for path in paths {
        match pool_of(&path) {
            Ok(pool) => drop(pools.insert(pool, path)),
            Err(message) => problems.push(FileProblem { path, cause: FileProblemCause::File(message) }),
        }
    }
    let mut fleets = Vec::new();
    let clashes = name_clashes(pools.keys());
    for (pool, path) in &pools {
        match read_fleet(path, pool, clashes.get(pool).copied(), defaults) {
            Ok(fleet) => fleets.push(fleet),
            Err(cause) => problems.push(FileProblem { path: path.clone(), cause }),
        }
    }
    Ok((fleets, problems))
}

/// The files of fleets in `fleets/`, in order; none where it is absent.
fn fleet_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| is_fleet_file(path));
    paths.sort();
    Ok(paths)
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

fn read_fleet(
    path: &Path,
    pool: &PoolName,
    other: Option<&PoolName>,
    defaults: &FleetDefaults,
) -> Result<(Fleet, String), FileProblemCause> {
    let shown = path.display().to_string();
    if let Some(other) = other {
        return Err(FileProblemCause::File(format!(
            "{shown}: {}; rename one of the files",
            clash(pool, other)
        )));
    }
    let text = read_text(path).map_err(|error| FileProblemCause::File(format!("{shown}: {error}")))?;
    let folder = path.parent().unwrap_or(path);
    let named = read_named(folder);
    match Fleet::parse_with(&shown, pool.clone(), &text, defaults, NamedFiles::Read(&named)) {
        Ok(fleet) => Ok((fleet, text)),
        Err(problems) => Err(FileProblemCause::Text(Faulty { text, problems })),
    }
}

/// Reads the files that a fleet's file in this folder names.
pub(crate) fn read_named(folder: &Path) -> impl Fn(&str) -> Result<String, String> {
    move |path| read_text(&folder.join(path)).map_err(|error| error.to_string())
}

/// Why two pools cannot be side by side.
pub(crate) fn clash(pool: &PoolName, other: &PoolName) -> String {
    format!(
        "pool {pool} and pool {other} would give their VMs the same names, since Azure knows neither case nor \
         underscore"
    )
}
