//! `scale-set`.

use std::path::PathBuf;

use azlin_fleet::model::PoolName;
use clap::{Args, Subcommand, ValueHint};

use super::WHERE;

/// What to do about runner scale sets.
#[derive(Debug, Subcommand)]
pub enum ScaleSetCommand {
    /// List the scale sets where the fleets register their runners. GitHub has no page that does.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner scale-set list\n  \
        azlin github-runner scale-set list --pool ci-workers\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 there is none, or no such pool")]
    List(ScaleSetListArgs),
    /// Delete a scale set that no fleet uses any more. GitHub has no page that does.
    ///
    /// Jobs that wait in it go back to GitHub's queue. GitHub refuses while one of its runners runs a job.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner scale-set delete --pool ci-workers --name old-workers\n\n\
        Exit codes: 0 it is gone, 1 something failed, 2 usage, 3 there was none, or no such pool")]
    Delete(ScaleSetDeleteArgs),
}

/// What `scale-set list` takes.
#[derive(Debug, Args)]
pub struct ScaleSetListArgs {
    /// Only where this pool registers its runners.
    #[arg(long)]
    pub pool: Option<PoolName>,
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
}

/// What `scale-set delete` takes.
#[derive(Debug, Args)]
pub struct ScaleSetDeleteArgs {
    /// The pool whose repository, organisation or enterprise has it, and whose credential signs in.
    #[arg(long)]
    pub pool: PoolName,
    /// The scale set's name.
    #[arg(long)]
    pub name: String,
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
}
