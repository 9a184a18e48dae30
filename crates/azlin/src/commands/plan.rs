//! `plan`: what the next tick would do, and why.

mod render;

use anyhow::Result;
use azlin_daemon::{Planned, StateDir, plan_once};
use azlin_fleet::decision::DecisionStatus;
use azlin_fleet::explain::{FleetView, next_changes};
use azlin_fleet::plan::Action;
use serde_json::{Value, json};

use crate::adapters::{Environment, connect};
use crate::cli::{Look, Output};
use crate::commands::run;
use crate::terminal::{Terminal, print};
use crate::words::no_such_pool;
use crate::{Ended, say_error, say_problem};

pub async fn run(args: Look) -> Result<Ended> {
    let mut configuration = run::read(&args.place)?;
    if let Some(pool) = &args.pool {
        configuration
            .problems
            .retain(|problem| problem.path.file_stem().is_some_and(|stem| stem == pool.as_str()));
        let scope =
            configuration.fleets.iter().find(|fleet| fleet.name == *pool).map(|fleet| fleet.scope.clone());
        if scope.is_none() && configuration.problems.is_empty() {
            let names = configuration.fleets.iter().map(|fleet| fleet.name.as_str());
            say_error(&no_such_pool(pool, names));
            return Ok(Ended::NothingMatched);
        }
        // Those of one scope share its jobs out among them.
        configuration.fleets.retain(|fleet| Some(&fleet.scope) == scope.as_ref());
    }
    for problem in &configuration.problems {
        say_problem(problem);
    }
    let outside = connect(&configuration.daemon, &Environment::of_this_process(&args.place.config_dir)?)?;
    let state = StateDir::new(args.place.state_dir);
    let mut planned =
        plan_once(&configuration.fleets, outside, &state, configuration.daemon.poll_queue).await;
    if let Some(pool) = &args.pool {
        planned.retain(|planned| planned.fleet.name == *pool);
    }
    let text = match args.output {
        Output::Table => render::table(&planned, Terminal::stdout()),
        Output::Json => format!("{:#}\n", as_json(&planned)),
    };
    print(&text)?;
    let is_good =
        configuration.problems.is_empty() && planned.iter().all(|planned| planned.trouble.is_none());
    Ok(if is_good { Ended::Done } else { Ended::Failed })
}

/// A plan as it is looked at.
fn view(planned: &Planned) -> FleetView<'_> {
    FleetView {
        fleet: &planned.fleet,
        seen: &planned.seen,
        memory: &planned.memory,
        plan: &planned.plan,
        queue: planned.queue.as_deref().map_err(String::as_str),
        now: planned.at,
    }
}

/// Runners that can still take a job, that run one, and that are on their way out.
fn counts(planned: &Planned) -> (u32, u32, u32) {
    let of = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let runners = &planned.plan.runners;
    let available = planned.plan.decision.current_runner_count;
    let busy = of(runners.iter().filter(|runner| runner.is_busy()).count());
    (available, busy, of(runners.len()).saturating_sub(available + busy))
}

/// `docs/reference/schemas/plan.schema.json`.
fn as_json(planned: &[Planned]) -> Value {
    let fleets = planned.iter().map(|planned| {
        let Planned { fleet, plan, trouble, .. } = planned;
        let actions = plan.actions.iter().map(|action| (action, action.reason().to_string()));
        let actions = actions.map(|(action, reason)| match action {
            Action::Provision { replaces, places, .. } => {
                let place = places.first();
                json!({
                    "action": "provision", "replaces": replaces, "reason": reason,
                    "size": place.map(|place| &place.size), "zone": place.map(|place| &place.zone),
                    "location": place.map(|place| &place.location), "spot": place.map(|place| place.spot),
                })
            }
            Action::Install(install) => {
                json!({"action": "install", "runner": install.runner, "reason": reason})
            }
            Action::Destroy(destroy) => {
                json!({"action": "destroy", "runner": destroy.runner, "reason": reason})
            }
        });
        let runners = plan.runners.iter().map(|runner| {
            json!({
                "runner_name": runner.runner_name, "runner_id": runner.runner_id, "created_at": runner.created_at,
                "status": runner.status.kind(),
            })
        });
        let (available, busy, draining) = counts(planned);
        json!({
            "pool": fleet.name, "metrics": plan.demand.metrics, "oldest_pending": plan.demand.oldest_pending,
            "decision": DecisionStatus::from(&plan.decision), "trouble": trouble,
            "next_changes": next_changes(&view(planned)),
            "available": available, "busy": busy, "draining": draining,
            "runners": runners.collect::<Value>(), "actions": actions.collect::<Value>(),
        })
    });
    json!({"version": 1, "fleets": fleets.collect::<Value>()})
}
