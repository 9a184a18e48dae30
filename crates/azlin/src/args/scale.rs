//! `scale`.

use clap::Args;

use super::TargetArgs;

/// What `scale` takes.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Which fleet.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How many.
    #[command(flatten)]
    pub count: RunnerCount,
    /// Wait until that many runners are online; with --auto until the daemon has decided by the queue.
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
}

/// How many runners: a number, or as many as the queue needs.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RunnerCount {
    /// So many runners, whatever the queue.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub count: Option<u32>,
    /// As many as the queue needs, between min_runners and max_runners.
    #[arg(long)]
    pub auto: bool,
}
