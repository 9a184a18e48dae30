//! `disable`.

use clap::Args;

use super::TargetArgs;

/// What `disable` takes.
#[derive(Debug, Args)]
pub struct DisableArgs {
    /// Which fleet.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Remove busy runners too: the jobs that they run are killed.
    #[arg(long)]
    pub force: bool,
    /// Wait until the last runner is gone.
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
}
