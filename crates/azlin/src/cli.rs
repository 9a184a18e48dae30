//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{check, demo, plan, run};

/// Tools around development VMs and runners on Azure.
#[derive(Debug, Parser)]
#[command(name = "azlin", version, propagate_version = true, arg_required_else_help = true)]
pub struct Azlin {
    /// How much to say.
    #[command(flatten)]
    pub loudness: Loudness,
    /// What to work on.
    #[command(subcommand)]
    pub area: Area,
}

/// How much to say on standard error.
#[derive(Debug, Clone, Copy, Args)]
pub struct Loudness {
    /// Say more: -v for debug, -vv for trace.
    #[arg(long, short, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Say only what went wrong.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// What to work on.
#[derive(Debug, Subcommand)]
pub enum Area {
    /// Keep fleets of GitHub Actions self-hosted runners on Azure VMs at the right size.
    #[command(subcommand, arg_required_else_help = true)]
    GithubRunner(GithubRunner),
}

/// What to do about runners.
#[derive(Debug, Subcommand)]
pub enum GithubRunner {
    /// Watch the queues and keep every fleet at the right size, until stopped.
    ///
    /// Reads azlin.toml and fleets/*.toml. SIGTERM or SIGINT ends it cleanly: what is under way
    /// ends first, and runners are left as they are.
    #[command(after_help = "Examples:\n  \
        GITHUB_TOKEN=… azlin github-runner run\n  \
        GITHUB_TOKEN=… azlin github-runner run --once --config-dir ./config\n\n\
        Exit codes: 0 done, 1 failed, 2 usage")]
    Run(run::Args),
    /// Show what the next tick would do, and why. Changes nothing.
    #[command(after_help = "Examples:\n  \
        azlin github-runner plan\n  \
        azlin github-runner plan --pool ci-workers --output json\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 no such pool")]
    Plan(plan::Args),
    /// Look for everything that would keep fleets from working, and say how to cure it.
    ///
    /// Looks at the configuration, the credentials and what they may do, rate limits, subscriptions,
    /// sizes and their quotas, images, networks and SSH keys. Tries each permission without changing
    /// anything.
    #[command(after_help = "Examples:\n  \
        azlin github-runner check\n  \
        azlin github-runner check --pool ci-workers --output json\n\n\
        Exit codes: 0 no problem was found, 1 there is one, 2 usage, 3 no such pool")]
    Check(check::Args),
    /// Run the daemon against a simulated GitHub and Azure, in this process, at speed.
    ///
    /// Needs nothing: no account, no token, no configuration. The daemon is the real one and speaks
    /// HTTP; only the two clouds are simulated, on loopback.
    #[command(after_help = "Examples:\n  \
        azlin github-runner demo\n  \
        azlin github-runner demo --duration 30s --seed 7 --output json\n\n\
        Exit codes: 0 every job was served and nothing is left over, 1 otherwise, 2 usage")]
    Demo(demo::Args),
}

/// Where the configuration is and what is remembered.
#[derive(Debug, Args)]
pub struct Place {
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
    /// Where to remember what is convenient over a restart, such as the last scaling action, and in
    /// which resource group a fleet's VMs were before its file named another one.
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY")]
    pub state_dir: Option<PathBuf>,
}

/// How to print something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}
