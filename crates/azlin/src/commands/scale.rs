//! `scale`: fixes the number of a fleet's runners, or lets the queue decide again.

use anyhow::Result;
use azlin_daemon::config_edit::{EditError, IfAbsent};
use azlin_fleet::config::edit::{KeyChange, Literal};
use azlin_fleet::config::{Faulty, ProblemKind};
use azlin_fleet::runner::PhaseKind;
use azlin_fleet::status::FleetStatus;

use crate::cli::Target;
use crate::commands::fleet_file;
use crate::commands::wait::{Progress, State, wait};
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
    /// Wait until that many runners are online; with --auto until the daemon has decided by the queue.
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
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
        Some(count) => KeyChange::set(MANUAL_COUNT, Literal::Number(count.into())),
        None => KeyChange::remove(MANUAL_COUNT),
    };
    let error = match fleet_file::change(&args.target, &[change], IfAbsent::Refuse) {
        Ok(edited) => {
            let written = fleet_file::say(&args.target, &edited).await?;
            let scaled = |fleet: &FleetStatus| scaled(fleet, args.count.count);
            return if args.wait { wait(&args.target, written, scaled).await } else { Ok(Ended::Done) };
        }
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

/// How far a fleet is from having so many runners.
fn scaled(fleet: &FleetStatus, count: Option<u32>) -> Progress {
    let is_taken = fleet.manual_count == count;
    let online = fleet.count(PhaseKind::Registered) + fleet.count(PhaseKind::Active);
    let Some(count) = count.map(|count| count as usize) else {
        let told = fleet.decision.reason.clone();
        let state = if is_taken { State::Over } else { State::Waits };
        return Progress { left: 0, told, state };
    };
    let coming = fleet.count(PhaseKind::Provisioning);
    let there = fleet.runners.iter().filter(|runner| !runner.is_gone()).count();
    let going = there.saturating_sub(online + coming);
    let told = format!("{online} of {count} online, {coming} coming, {going} going");
    let state = if !fleet.enabled {
        let pool = &fleet.pool;
        State::Never(format!(
            "{pool} is not enabled, so it has no runners: azlin github-runner enable --pool {pool}"
        ))
    } else if is_taken && online == count && coming == 0 && going == 0 {
        State::Over
    } else {
        State::Waits
    };
    Progress { left: online.abs_diff(count) + going, told, state }
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
