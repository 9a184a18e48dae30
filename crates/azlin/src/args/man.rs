//! `man`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// What `man` takes.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of all commands into this directory, which is made if it is not there:
    /// azlin.1, azlin-github-runner.1, azlin-github-runner-run.1 and so on.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
