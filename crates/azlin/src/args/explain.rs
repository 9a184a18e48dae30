//! `explain`.

use azlin_fleet::explain::JobRef;
use azlin_fleet::model::PoolName;
use clap::Args;

use super::{DirectoryArgs, OutputFormat};

/// What `explain` takes.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Where things are.
    #[command(flatten)]
    pub directories: DirectoryArgs,
    /// The pool; without it, whichever the job counts for, or the runner is of.
    #[arg(long, required_unless_present_any = ["job", "runner"])]
    pub pool: Option<PoolName>,
    /// Only this job: its URL as GitHub shows it, or its number. The URL of a run is each of its jobs
    /// that is not completed.
    #[arg(long, value_name = "URL|ID", conflicts_with = "runner")]
    pub job: Option<JobRef>,
    /// Only this runner.
    #[arg(long, value_name = "NAME")]
    pub runner: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
