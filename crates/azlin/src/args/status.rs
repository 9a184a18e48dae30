//! `status`.

use clap::Args;

use super::ViewArgs;

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// What to look at.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Show only the fleets in trouble, and what is wrong with files and daemon.
    #[arg(long, conflicts_with = "pool")]
    pub problems: bool,
    /// List all fleets, also where they do not fit a screen.
    #[arg(long, conflicts_with_all = ["pool", "problems"])]
    pub all: bool,
    /// Go on showing it, over itself on a terminal; with `--output json` one object a line.
    ///
    /// On a terminal the arrows, PgUp and PgDn scroll, and q ends.
    #[arg(long)]
    pub watch: bool,
}
