//! `disable`: drains a fleet.

use anyhow::Result;
use azlin_daemon::config_edit::IfAbsent;
use azlin_fleet::config::edit::{Change, Literal};

use crate::Ended;
use crate::cli::Target;
use crate::commands::fleet_file;

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
}

pub async fn run(args: Args) -> Result<Ended> {
    let mut changes = vec![Change::set("enabled", Literal::Flag(false))];
    if args.force {
        changes.push(Change::set(KILL_RUNNING_JOBS, Literal::Flag(true)));
    }
    match fleet_file::change(&args.target, &changes, IfAbsent::Refuse) {
        Ok(edited) => fleet_file::say(&args.target, &edited),
        Err(error) => fleet_file::say_error(&error),
    }
}
