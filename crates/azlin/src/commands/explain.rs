//! `explain`: why a job still waits, and why a runner still lives.

mod job_ref;
mod render;
mod scene;

use anyhow::Result;
use azlin_daemon::config_dir::Configuration;
use azlin_daemon::{StateDir, plan_once};
use azlin_fleet::config::Fleet;
use azlin_fleet::explain::{Explanation, PoolExplanation};
use azlin_fleet::model::{PoolName, RunnerName};
use azlin_fleet::observe::is_in_scope;
use serde_json::json;

use crate::adapters::{Environment, connect};
use crate::cli::{Output, Place};
use crate::commands::run;
use crate::terminal::{Terminal, print};
use crate::words::no_such_pool;
use crate::{Ended, say_error, say_problem};
use job_ref::JobRef;
use scene::Scene;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// The pool; without it, whichever the job counts for, or the runner is of.
    #[arg(long, required_unless_present_any = ["job", "runner"])]
    pub pool: Option<PoolName>,
    /// Only this job: its URL as GitHub shows it, or its number. The URL of a run is each of its jobs
    /// that is not completed.
    #[arg(long, value_name = "URL|ID", conflicts_with = "runner")]
    pub job: Option<JobRef>,
    /// Only this runner.
    #[arg(long, value_name = "NAME")]
    pub runner: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What is printed.
#[derive(Debug, Default)]
struct Told {
    explanations: Vec<Explanation>,
    /// A whole fleet, where neither a job nor a runner was named.
    pool: Option<(PoolName, PoolExplanation)>,
    /// What could not be seen.
    troubles: Vec<String>,
}

pub async fn run(args: Args) -> Result<Ended> {
    let mut configuration = run::read(&args.place)?;
    let is_remembered = args.place.state_dir.is_some();
    if let Some(pool) = &args.pool {
        configuration
            .problems
            .retain(|problem| problem.path.file_stem().is_some_and(|stem| stem == pool.as_str()));
    }
    for problem in &configuration.problems {
        say_problem(problem);
    }
    let mut is_seen = configuration.problems.is_empty();
    let (looked_at, pool) = match in_question(&args, &configuration) {
        Ok(found) => found,
        // Its file is there, and is bad.
        Err(_) if !is_seen => return Ok(Ended::Failed),
        Err(why) => {
            say_error(&why);
            return Ok(Ended::NothingMatched);
        }
    };
    let context = connect(&configuration.daemon, &Environment::of_this_process(&args.place.config_dir)?)?;
    let state = StateDir::new(args.place.state_dir.clone());
    let looks = plan_once(&looked_at, context.clone(), &state, configuration.daemon.poll_queue).await;
    let scene =
        Scene { looks: &looks, fleets: configuration.fleets.iter().collect(), pool: pool.as_ref(), context };
    let told = match (&args.job, &args.runner) {
        (Some(job), _) => scene.job(job).await,
        (None, Some(name)) => scene.runner(name),
        (None, None) => scene.whole(),
    };
    let told = match told {
        Ok(told) => told,
        Err(why) => {
            say_error(&why);
            is_seen &= looks.iter().all(|look| look.seen.trouble().is_none());
            return Ok(if is_seen { Ended::NothingMatched } else { Ended::Failed });
        }
    };
    is_seen &= told.troubles.is_empty();
    let text = match args.output {
        Output::Table => render::table(&told, is_remembered, Terminal::stdout()),
        Output::Json => format!("{:#}\n", as_json(&told)),
    };
    print(&text)?;
    Ok(if is_seen { Ended::Done } else { Ended::Failed })
}

/// The fleets to look at, and the one that was named. Those of one scope share its jobs out among them.
fn in_question(args: &Args, configuration: &Configuration) -> Result<(Vec<Fleet>, Option<PoolName>), String> {
    let fleets = &configuration.fleets;
    let of = |is: &dyn Fn(&Fleet) -> bool| fleets.iter().filter(|fleet| is(fleet)).cloned().collect();
    let runner = args.runner.as_deref().unwrap_or_default().to_ascii_lowercase();
    let named = args.pool.clone().or_else(|| {
        let is_of = |fleet: &&Fleet| RunnerName::of_pool(&fleet.name, &runner).is_some();
        fleets.iter().find(is_of).map(|fleet| fleet.name.clone())
    });
    match (&named, &args.job, &args.runner) {
        (Some(pool), ..) => {
            let Some(own) = fleets.iter().find(|fleet| fleet.name == *pool) else {
                return Err(no_such_pool(pool, fleets.iter().map(|fleet| fleet.name.as_str())));
            };
            Ok((of(&|fleet| fleet.scope == own.scope), named))
        }
        (None, _, Some(name)) => {
            Err(format!("no pool has made a runner called {name}; `--pool` shows a pool's runners"))
        }
        (None, Some(JobRef::Job(repo, _) | JobRef::Run(repo, _)), None) => {
            Ok((of(&|fleet| is_in_scope(fleet, repo)), None))
        }
        (None, _, None) => Ok((fleets.clone(), None)),
    }
}

/// `docs/reference/schemas/explain.schema.json`.
fn as_json(told: &Told) -> serde_json::Value {
    let pool = told.pool.as_ref().map(|(name, pool)| {
        json!({
            "pool": name, "decision": pool.decision, "next_changes": pool.next_changes, "more_jobs": pool.more_jobs,
        })
    });
    let of_pool = told.pool.iter().flat_map(|(_, pool)| pool.jobs.iter().chain(&pool.runners));
    let explanations: Vec<&Explanation> = told.explanations.iter().chain(of_pool).collect();
    json!({"version": 1, "explanations": explanations, "pool": pool, "troubles": told.troubles})
}
