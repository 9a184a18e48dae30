//! Arguments of `check`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::ViewArgs;

/// What to check, and whether to rehearse it.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// What to look at, and how to print it.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Rehearse too: make one VM and one runner, wait until it is online, and remove all of it.
    ///
    /// Says first what it makes and what that costs, and asks. Shows each step with its time, and where Azure
    /// and GitHub answer something else than azlin expects. Removes everything, also when it is interrupted. No
    /// daemon may run on the configuration directory meanwhile. With several fleets, --pool names the one.
    #[arg(long = "try")]
    pub rehearses: bool,
    /// Rehearse without asking.
    #[arg(long, requires = "rehearses")]
    pub yes: bool,
    /// Write what the rehearsal saw to a file, without names, ids and secrets, to attach to a bug report.
    #[arg(long, requires = "rehearses", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
}
