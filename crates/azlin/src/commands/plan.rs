//! `plan`: what the next tick would do, and why.

use anyhow::Result;
use azlin_daemon::{Planned, StateDir, plan_once};
use azlin_fleet::names::PoolName;
use azlin_fleet::plan::Action;
use azlin_fleet::scaling::ScalingAction;
use serde_json::{Value, json};

use crate::adapters::{Environment, connect};
use crate::cli::{Output, Place};
use crate::commands::run;
use crate::terminal::print;
use crate::{Ended, say_error, say_problem};

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// Only this pool.
    #[arg(long)]
    pub pool: Option<PoolName>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

pub async fn run(args: Args) -> Result<Ended> {
    let mut configuration = run::read(&args.place)?;
    if let Some(pool) = &args.pool {
        configuration
            .problems
            .retain(|problem| problem.path.file_stem().is_some_and(|stem| stem == pool.as_str()));
        let is_known = configuration.fleets.iter().any(|fleet| fleet.name == *pool);
        if !is_known && configuration.problems.is_empty() {
            let names: Vec<&str> = configuration.fleets.iter().map(|fleet| fleet.name.as_str()).collect();
            say_error(&format!("there is no pool {pool}; there are: {}", names.join(", ")));
            return Ok(Ended::NothingMatched);
        }
    }
    for problem in &configuration.problems {
        say_problem(problem);
    }
    let outside = connect(&configuration.daemon, &Environment::of_this_process())?;
    let state = StateDir::new(args.place.state_dir);
    let mut planned =
        plan_once(&configuration.fleets, outside, &state, configuration.daemon.poll_queue).await;
    if let Some(pool) = &args.pool {
        planned.retain(|planned| planned.fleet == *pool);
    }
    let text = match args.output {
        Output::Table => table(&planned),
        Output::Json => format!("{:#}\n", as_json(&planned)),
    };
    print(&text)?;
    let is_good =
        configuration.problems.is_empty() && planned.iter().all(|planned| planned.trouble.is_none());
    Ok(if is_good { Ended::Done } else { Ended::Failed })
}

fn table(planned: &[Planned]) -> String {
    let mut text = String::new();
    for Planned { fleet, plan, trouble, .. } in planned {
        let metrics = &plan.demand.metrics;
        let decision = &plan.decision;
        text += &format!("{fleet}: {}\n", in_words(decision.action));
        text += &format!(
            "  jobs      {} pending, {} queued, {} running\n",
            metrics.pending_jobs, metrics.queued_jobs, metrics.in_progress_jobs
        );
        let mut phases: Vec<String> = Vec::new();
        for phase in ["provisioning", "registered", "active", "draining", "destroyed"] {
            let count = plan.runners.iter().filter(|runner| runner.status.word() == phase).count();
            if count > 0 {
                phases.push(format!("{count} {phase}"));
            }
        }
        let runners = if phases.is_empty() { "none".to_owned() } else { phases.join(", ") };
        text += &format!("  runners   {runners}\n");
        text += &format!("  because   {}\n", decision.reason);
        if let Some(trouble) = trouble {
            text += &format!("  trouble   {trouble}\n");
        }
        for action in &plan.actions {
            let (what, reason) = match action {
                Action::Provision { reason, .. } => ("  + start a runner".to_owned(), reason),
                Action::Install(install) => {
                    (format!("  ~ install {} over SSH", install.runner), &install.reason)
                }
                Action::Destroy(destroy) => (format!("  - remove {}", destroy.runner), &destroy.reason),
            };
            // The decision's own reason stands above.
            let reason = if *reason == decision.reason { String::new() } else { format!(": {reason}") };
            text += &format!("{what}{reason}\n");
        }
    }
    let starts = count(planned, |action| matches!(action, Action::Provision { .. }));
    let removals = count(planned, |action| matches!(action, Action::Destroy(_)));
    let installs = count(planned, |action| matches!(action, Action::Install(_)));
    let installs = if installs > 0 { format!("{installs} to install, ") } else { String::new() };
    text + &format!("Plan: {starts} to start, {installs}{removals} to remove. Nothing was changed.\n")
}

fn count(planned: &[Planned], is_it: fn(&Action) -> bool) -> usize {
    planned.iter().flat_map(|planned| &planned.plan.actions).filter(|action| is_it(action)).count()
}

fn in_words(action: ScalingAction) -> &'static str {
    match action {
        ScalingAction::ScaleUp => "scale up",
        ScalingAction::ScaleDown => "scale down",
        ScalingAction::Maintain => "maintain",
    }
}

fn as_json(planned: &[Planned]) -> Value {
    let fleets = planned.iter().map(|Planned { fleet, plan, trouble, .. }| {
        let actions = plan.actions.iter().map(|action| match action {
            Action::Provision { replaces, reason, .. } => {
                json!({"action": "provision", "replaces": replaces, "reason": reason})
            }
            Action::Install(install) => {
                json!({"action": "install", "runner": install.runner, "reason": install.reason})
            }
            Action::Destroy(destroy) => {
                json!({"action": "destroy", "runner": destroy.runner, "reason": destroy.reason})
            }
        });
        let runners = plan.runners.iter().map(|runner| {
            json!({
                "runner_name": runner.runner_name, "runner_id": runner.runner_id, "created_at": runner.created_at,
                "status": runner.status.word(),
            })
        });
        json!({
            "pool": fleet, "metrics": plan.demand.metrics, "decision": plan.decision, "trouble": trouble,
            "runners": runners.collect::<Value>(), "actions": actions.collect::<Value>(),
        })
    });
    json!({"version": 1, "fleets": fleets.collect::<Value>()})
}
