//! `check`: everything that would keep fleets from working, at once, each with its cure.

mod ask;
mod render;

use std::collections::BTreeMap;

use anyhow::Result;
use azlin_daemon::config_dir::{self, ConfigError, FileProblem};
use azlin_fleet::check::{Facts, State, check};
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::model::PoolName;
use jiff::Timestamp;

use crate::adapters::Environment;
use crate::cli::{Look, Output, Place};
use crate::terminal::{Terminal, print};
use crate::words::no_such_pool;
use crate::{Ended, say_error};

pub async fn run(args: Look) -> Result<Ended> {
    let mut files = read(&args.place);
    if let Some(pool) = &args.pool {
        let is_known = files.knows(pool);
        if !is_known {
            say_error(&no_such_pool(pool, files.pools()));
            return Ok(Ended::NothingMatched);
        }
        files.keep(pool);
    }
    let environment = Environment::of_this_process(&args.place.config_dir)?;
    let mut facts = match &files.daemon {
        Some(config) => ask::everything(config, &files.fleets, &environment).await,
        None => Facts {
            bad_files: Vec::new(),
            github: None,
            credentials: BTreeMap::new(),
            azure: None,
            ssh_keys: BTreeMap::new(),
        },
    };
    facts.bad_files = files.bad;
    let findings = check(&files.fleets, &facts, Timestamp::now());
    let text = match args.output {
        Output::Table => render::table(&findings, Terminal::stdout()),
        Output::Json => format!("{:#}\n", render::json(&findings)),
    };
    print(&text)?;
    let is_good = findings.iter().all(|finding| finding.state != State::Problem);
    Ok(if is_good { Ended::Done } else { Ended::Failed })
}

/// What the files say, as far as they can be read.
struct Files {
    /// `None` where azlin.toml is bad.
    daemon: Option<DaemonConfig>,
    fleets: Vec<Fleet>,
    /// Files that cannot be used, by name, and why.
    bad: Vec<(String, String)>,
    /// The pools that the bad ones of them are named after.
    bad_pools: Vec<String>,
    /// Whether the fleets' files could be listed at all.
    is_listed: bool,
}

fn read(place: &Place) -> Files {
    let directory = &place.config_dir;
    let unlisted = |error: ConfigError| Files {
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
    Files { daemon, fleets, bad, bad_pools, is_listed: true }
}

impl Files {
    fn pools(&self) -> Vec<&str> {
        let good = self.fleets.iter().map(|fleet| fleet.name.as_str());
        good.chain(self.bad_pools.iter().map(String::as_str)).collect()
    }

    /// Whether a pool has a file, good or bad. Where files could not be listed, that is what is told.
    fn knows(&self, pool: &PoolName) -> bool {
        !self.is_listed || self.pools().contains(&pool.as_str())
    }

    /// Leaves the other pools out, and what is wrong with their files.
    fn keep(&mut self, pool: &PoolName) {
        self.fleets.retain(|fleet| fleet.name == *pool);
        let others: Vec<String> = self.bad_pools.drain(..).filter(|other| other != pool.as_str()).collect();
        let is_others =
            |file: &str| others.iter().any(|other| file.ends_with(&format!("/fleets/{other}.toml")));
        self.bad.retain(|(file, _)| !is_others(file));
    }
}
