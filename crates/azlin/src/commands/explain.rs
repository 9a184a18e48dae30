//! `explain`: why a job still waits, and why a runner still lives.

mod render;

use anyhow::Result;
use azlin_daemon::StateDir;
use azlin_daemon::explain::{ExplainQuestion, Explainer, NoSuchFleet};

use crate::adapters::{ProcessEnvironment, connect};
use crate::args::{ExplainArgs, OutputFormat};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_problem};
use crate::terminal::Terminal;
use crate::words::no_such_pool;

pub async fn run(args: ExplainArgs) -> Result<ExitStatus> {
    let ExplainArgs { directories, pool, job, runner, output } = args;
    let mut configuration = config::read(&directories)?;
    if let Some(pool) = &pool {
        config::keep_problems_of(&mut configuration.problems, pool);
    }
    configuration.problems.iter().for_each(say_problem);
    let are_files_good = configuration.problems.is_empty();
    let question = ExplainQuestion { pool, job, runner };
    let explainer = match Explainer::new(&question, &configuration.fleets) {
        Ok(explainer) => explainer,
        // The pool's file exists, and is bad.
        Err(_) if !are_files_good => return Ok(ExitStatus::Failed),
        Err(none) => {
            say_error(&no_such_fleet(&none, configuration.fleets.iter().map(|fleet| fleet.name.as_str())));
            return Ok(ExitStatus::NothingMatched);
        }
    };
    let environment = ProcessEnvironment::of_this_process(&directories.config_dir)?;
    let context = connect(&configuration.daemon, &environment)?;
    let state = StateDir::new(directories.state_dir.clone());
    let explained = match explainer.explain(context, &state, configuration.daemon.poll_queue).await {
        Ok(explained) => explained,
        Err(none) => {
            say_error(&none.why);
            let is_answer = are_files_good && none.is_all_read;
            return Ok(if is_answer { ExitStatus::NothingMatched } else { ExitStatus::Failed });
        }
    };
    let is_remembered = directories.state_dir.is_some();
    let text = match output {
        OutputFormat::Table => render::table(&explained, is_remembered, Terminal::stdout()),
        OutputFormat::Json => format!("{:#}\n", render::json(&explained)),
    };
    print(&text)?;
    let is_all_read = are_files_good && explained.troubles.is_empty();
    Ok(if is_all_read { ExitStatus::Done } else { ExitStatus::Failed })
}

fn no_such_fleet<'n>(none: &NoSuchFleet, pools: impl IntoIterator<Item = &'n str>) -> String {
    match none {
        NoSuchFleet::Pool(pool) => no_such_pool(pool, pools),
        NoSuchFleet::Runner(name) => {
            format!("no pool has made a runner called {name}; `--pool` shows a pool's runners")
        }
    }
}
