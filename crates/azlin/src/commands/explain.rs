//! `explain`: why a job still waits, and why a runner still lives.

mod render;

use anyhow::Result;
use azlin_daemon::config_dir::Configuration;
use azlin_daemon::explain::{ExplainQuestion, Explainer, NoSuchFleet};
use azlin_daemon::{DaemonContext, StateDir};
use azlin_fleet::config::DaemonConfig;

use super::questions;
use super::said::Said;
use crate::adapters::{Lifetime, ProcessEnvironment, connect};
use crate::args::{ExplainArgs, OutputFormat};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::terminal::Terminal;
use crate::words::no_such_pool;

pub async fn run(args: ExplainArgs) -> Result<ExitStatus> {
    if let Some(status) = questions::asked(&args.directories).await? {
        return Ok(status);
    }
    let (configuration, config_dir) = (config::read(&args.directories)?, args.directories.config_dir.clone());
    let (state, is_remembered) = config::memory(&args.directories);
    let environment = || ProcessEnvironment::of_this_process(&config_dir);
    let connect = |config: &DaemonConfig| connect(config, &environment()?, Lifetime::Once);
    answer(args, configuration, connect, &state, is_remembered, Terminal::stdout()).await?.print()
}

/// The explanation, by this configuration, these services and this memory.
pub async fn answer(
    args: ExplainArgs,
    mut configuration: Configuration,
    connect: impl FnOnce(&DaemonConfig) -> Result<DaemonContext>,
    state: &StateDir,
    is_remembered: bool,
    terminal: Terminal,
) -> Result<Said> {
    let ExplainArgs { directories: _, pool, job, runner, output } = args;
    if let Some(pool) = &pool {
        config::keep_problems_of(&mut configuration.problems, pool);
    }
    let problems = std::mem::take(&mut configuration.problems);
    let are_files_good = problems.is_empty();
    let question = ExplainQuestion { pool, job, runner };
    let explainer = match Explainer::new(&question, &configuration.fleets) {
        Ok(explainer) => explainer,
        // The pool's file exists, and is bad.
        Err(_) if !are_files_good => return Ok(Said::nothing(ExitStatus::Failed).after(problems)),
        Err(none) => {
            let why = no_such_fleet(&none, configuration.fleets.iter().map(|fleet| fleet.name.as_str()));
            return Ok(Said::error(why, ExitStatus::NothingMatched));
        }
    };
    let context = connect(&configuration.daemon)?;
    let explained = match explainer.explain(context, state, configuration.daemon.poll_queue).await {
        Ok(explained) => explained,
        Err(none) => {
            let is_answer = are_files_good && none.is_all_read;
            let status = if is_answer { ExitStatus::NothingMatched } else { ExitStatus::Failed };
            return Ok(Said::error(none.why, status).after(problems));
        }
    };
    let output = match output {
        OutputFormat::Table => render::table(&explained, is_remembered, terminal),
        OutputFormat::Json => format!("{:#}\n", render::json(&explained)),
    };
    let is_all_read = are_files_good && explained.troubles.is_empty();
    let status = if is_all_read { ExitStatus::Done } else { ExitStatus::Failed };
    Ok(Said { output, ..Said::nothing(status) }.after(problems))
}

fn no_such_fleet<'n>(none: &NoSuchFleet, pools: impl IntoIterator<Item = &'n str>) -> String {
    match none {
        NoSuchFleet::Pool(pool) => no_such_pool(pool, pools),
        NoSuchFleet::Runner(name) => {
            format!("no pool has made a runner called {name}; `--pool` shows a pool's runners")
        }
    }
}
