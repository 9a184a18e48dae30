//! Arguments that several commands have.

use std::path::PathBuf;

use azlin_fleet::model::PoolName;
use clap::{Args, ValueEnum, ValueHint};

use super::WHERE;

/// Where the configuration is and what is remembered.
#[derive(Debug, Args)]
pub struct DirectoryArgs {
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
    /// Directory for state kept across restarts.
    ///
    /// Such as the last scaling action, failed starts, and in which resource groups a fleet's VMs were. Without it a
    /// restart forgets them.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "STATE_DIRECTORY")]
    pub state_dir: Option<PathBuf>,
    /// Where the daemon has its lock, and leaves its status for `status` to read.
    ///
    /// Without it /run/azlin where that can be written to, else azlin in the user's own runtime directory
    /// (XDG_RUNTIME_DIR).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "RUNTIME_DIRECTORY")]
    pub runtime_dir: Option<PathBuf>,
}

/// What to look at, and how to print it.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// Where things are.
    #[command(flatten)]
    pub directories: DirectoryArgs,
    /// Only this pool.
    #[arg(long)]
    pub pool: Option<PoolName>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// The pool whose file is changed, and where that is.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The pool: the stem of its file in fleets/.
    #[arg(long)]
    pub pool: PoolName,
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
    /// Where the daemon has its lock and leaves its status, as it was given to the daemon.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "RUNTIME_DIRECTORY")]
    pub runtime_dir: Option<PathBuf>,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How to print something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}
