//! `scale`: fixes the number of a fleet's runners, or lets the queue decide again.

use anyhow::Result;
use azlin_daemon::config_edit::{EditError, IfAbsent};
use azlin_fleet::config::edit::{Change, Literal};
use azlin_fleet::config::{Faulty, ProblemKind};

use crate::cli::Target;
use crate::commands::fleet_file;
use crate::{Ended, say_error};

const MANUAL_COUNT: &str = "scaling.manual_count";

/// What `scale` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which fleet.
    #[command(flatten)]
    pub target: Target,
    /// How many.
    #[command(flatten)]
    pub count: Count,
}

/// How many runners: a number, or as many as the queue needs.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Count {
    /// So many runners, whatever the queue.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub count: Option<u32>,
    /// As many as the queue needs, between min_runners and max_runners.
    #[arg(long)]
    pub auto: bool,
}

pub async fn run(args: Args) -> Result<Ended> {
    let change = match args.count.count {
        Some(count) => Change::set(MANUAL_COUNT, Literal::Number(count.into())),
        None => Change::remove(MANUAL_COUNT),
    };
    let error = match fleet_file::change(&args.target, &[change], IfAbsent::Refuse) {
        Ok(edited) => return fleet_file::say(&args.target, &edited),
        Err(error) => error,
    };
    if let (EditError::Refused { faulty, .. }, Some(count)) = (&error, args.count.count)
        && let Some(why) = too_many(faulty)
    {
        let pool = &args.target.pool;
        say_error(&format!(
            "pool {pool}: {why}; to allow as many: azlin github-runner enable --pool {pool} --max-runners {count}"
        ));
        return Ok(Ended::Failed);
    }
    fleet_file::say_error(&error)
}

/// What the file says of a count above its maximum, where nothing else is wrong with it.
fn too_many(faulty: &Faulty) -> Option<&str> {
    match faulty.problems.0.as_slice() {
        [problem] if problem.key == MANUAL_COUNT && problem.kind == ProblemKind::Conflict => {
            Some(&problem.message)
        }
        _ => None,
    }
}
