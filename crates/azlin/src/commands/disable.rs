//! `disable`: drains a fleet.

use anyhow::Result;
use azlin_daemon::config_edit::IfAbsent;
use azlin_fleet::config::edit::{KeyChange, Literal};
use azlin_fleet::runner::PhaseKind;
use azlin_fleet::status::FleetStatus;

use crate::Ended;
use crate::cli::Target;
use crate::commands::fleet_file;
use crate::commands::wait::{Progress, State, wait};

/// The key that lets a drained fleet's busy runners be removed in the middle of their jobs.
pub const KILL_RUNNING_JOBS: &str = "kill_running_jobs";

/// What `disable` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which fleet.
    #[command(flatten)]
    pub target: Target,
    /// Remove busy runners too: the jobs that they run are killed.
    #[arg(long)]
    pub force: bool,
    /// Wait until the last runner is gone.
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
}

pub async fn run(args: Args) -> Result<Ended> {
    let mut changes = vec![KeyChange::set("enabled", Literal::Flag(false))];
    if args.force {
        changes.push(KeyChange::set(KILL_RUNNING_JOBS, Literal::Flag(true)));
    }
    match fleet_file::change(&args.target, &changes, IfAbsent::Refuse) {
        Ok(edited) => {
            let written = fleet_file::say(&args.target, &edited).await?;
            if args.wait { wait(&args.target, written, drained).await } else { Ok(Ended::Done) }
        }
        Err(error) => fleet_file::say_error(&error),
    }
}

/// How far a fleet is drained.
fn drained(fleet: &FleetStatus) -> Progress {
    let (busy, left) =
        (fleet.count(PhaseKind::Active), fleet.runners.iter().filter(|runner| !runner.is_gone()).count());
    let told = match left {
        0 => "no runner is left".to_owned(),
        left => format!("{left} still there, {busy} of them busy"),
    };
    let state = if !fleet.enabled && left == 0 { State::Over } else { State::Waits };
    Progress { left, told, state }
}
