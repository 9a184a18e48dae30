//! `status`.

use clap::Args;

use super::ViewArgs;

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// What to look at.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Go on showing it, over itself on a terminal; with `--output json` one object a line.
    #[arg(long)]
    pub watch: bool,
}
