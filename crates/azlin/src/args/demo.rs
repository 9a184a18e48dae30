//! `demo`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::OutputFormat;

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How long new jobs arrive; then it runs on until the fleets are empty.
    #[arg(long, default_value = "45s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// What chance brings: the same seed brings the same jobs and faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Show the daemon's page at this address of this machine while it runs, such as 127.0.0.1:9469.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// How to print it: a live table on a terminal, or one JSON object at the end.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
