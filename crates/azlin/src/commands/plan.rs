//! `plan`: what the next tick would do, and why.

mod render;

use anyhow::Result;
use azlin_daemon::{StateDir, find_forgotten, plan_once};
use azlin_fleet::config::ForgottenFleet;

use crate::adapters::{ProcessEnvironment, connect};
use crate::args::{OutputFormat, ViewArgs};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_problem};
use crate::terminal::Terminal;
use crate::words::no_such_pool;

pub async fn run(args: ViewArgs) -> Result<ExitStatus> {
    let ViewArgs { directories, pool, output } = args;
    let mut configuration = config::read(&directories)?;
    let all = configuration.fleets.clone();
    if let Some(pool) = &pool {
        config::keep_problems_of(&mut configuration.problems, pool);
        let scope =
            configuration.fleets.iter().find(|fleet| fleet.name == *pool).map(|fleet| fleet.scope.clone());
        if scope.is_none() && configuration.problems.is_empty() {
            let names = configuration.fleets.iter().map(|fleet| fleet.name.as_str());
            say_error(&no_such_pool(pool, names));
            return Ok(ExitStatus::NothingMatched);
        }
        // Fleets of one scope share its jobs.
        configuration.fleets.retain(|fleet| Some(&fleet.scope) == scope.as_ref());
    }
    configuration.problems.iter().for_each(say_problem);
    let environment = ProcessEnvironment::of_this_process(&directories.config_dir)?;
    let context = connect(&configuration.daemon, &environment)?;
    let state = StateDir::new(directories.state_dir);
    let mut planned =
        plan_once(&configuration.fleets, context.clone(), &state, configuration.daemon.poll_queue).await;
    if let Some(pool) = &pool {
        planned.retain(|planned| planned.fleet.name == *pool);
    }
    // Also those of other scopes: they are no forgotten ones.
    configuration.fleets = all;
    let forgotten = find_forgotten(&configuration, &context, &state).await;
    let is_asked_for = |one: &&ForgottenFleet| pool.as_ref().is_none_or(|pool| *pool == one.pool);
    forgotten.iter().filter(is_asked_for).for_each(|one| say_error(&one.to_string()));
    let text = match output {
        OutputFormat::Table => render::table(&planned, Terminal::stdout()),
        OutputFormat::Json => format!("{:#}\n", render::json(&planned)),
    };
    print(&text)?;
    let is_good =
        configuration.problems.is_empty() && planned.iter().all(|planned| planned.trouble.is_none());
    Ok(if is_good { ExitStatus::Done } else { ExitStatus::Failed })
}
