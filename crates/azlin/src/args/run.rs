//! `run`.

use clap::Args;

use super::DirectoryArgs;

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where things are.
    #[command(flatten)]
    pub directories: DirectoryArgs,
    /// One tick of every fleet, for cron and CI, then exit.
    #[arg(long)]
    pub once: bool,
}
