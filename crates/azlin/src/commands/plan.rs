//! `plan`: what the next tick would do, and why.

mod render;

use anyhow::Result;
use azlin_daemon::config_dir::Configuration;
use azlin_daemon::{DaemonContext, StateDir, find_forgotten, plan_once};
use azlin_fleet::config::{DaemonConfig, ForgottenFleet};

use super::questions;
use super::said::{Complaint, Said};
use crate::adapters::{Lifetime, ProcessEnvironment, connect};
use crate::args::{OutputFormat, ViewArgs};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::terminal::Terminal;
use crate::words::no_such_pool;

pub async fn run(args: ViewArgs) -> Result<ExitStatus> {
    if let Some(status) = questions::asked(&args.directories).await? {
        return Ok(status);
    }
    let (configuration, config_dir) = (config::read(&args.directories)?, args.directories.config_dir.clone());
    let (state, _) = config::memory(&args.directories);
    let environment = || ProcessEnvironment::of_this_process(&config_dir);
    let connect = |config: &DaemonConfig| connect(config, &environment()?, Lifetime::Once);
    answer(args, configuration, connect, &state, Terminal::stdout()).await?.print()
}

/// The plan, by this configuration, these services and this memory.
pub async fn answer(
    args: ViewArgs,
    mut configuration: Configuration,
    connect: impl FnOnce(&DaemonConfig) -> Result<DaemonContext>,
    state: &StateDir,
    terminal: Terminal,
) -> Result<Said> {
    let ViewArgs { directories: _, pool, output } = args;
    let all = configuration.fleets.clone();
    if let Some(pool) = &pool {
        config::keep_problems_of(&mut configuration.problems, pool);
        let scope =
            configuration.fleets.iter().find(|fleet| fleet.name == *pool).map(|fleet| fleet.scope.clone());
        if scope.is_none() && configuration.problems.is_empty() {
            let names = configuration.fleets.iter().map(|fleet| fleet.name.as_str());
            return Ok(Said::error(no_such_pool(pool, names), ExitStatus::NothingMatched));
        }
        // Fleets of one scope share its jobs.
        configuration.fleets.retain(|fleet| Some(&fleet.scope) == scope.as_ref());
    }
    let context = connect(&configuration.daemon)?;
    let mut planned =
        plan_once(&configuration.fleets, context.clone(), state, configuration.daemon.poll_queue).await;
    if let Some(pool) = &pool {
        planned.retain(|planned| planned.fleet.name == *pool);
    }
    // Also those of other scopes: they are no forgotten ones.
    configuration.fleets = all;
    let forgotten = find_forgotten(&configuration, &context, state).await;
    let is_asked_for = |one: &&ForgottenFleet| pool.as_ref().is_none_or(|pool| *pool == one.pool);
    let complaints =
        forgotten.iter().filter(is_asked_for).map(|one| Complaint::Error(one.to_string())).collect();
    let output = match output {
        OutputFormat::Table => render::table(&planned, terminal),
        OutputFormat::Json => format!("{:#}\n", render::json(&planned)),
    };
    let is_good =
        configuration.problems.is_empty() && planned.iter().all(|planned| planned.trouble.is_none());
    let status = if is_good { ExitStatus::Done } else { ExitStatus::Failed };
    Ok(Said { output, complaints, status }.after(configuration.problems))
}
