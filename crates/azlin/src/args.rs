//! The command line: what can be typed, and what `--help` says of it. One module for each command.
//!
//! Nothing here knows what a command does.

mod check;
mod completions;
mod demo;
mod disable;
mod enable;
mod explain;
mod man;
mod run;
mod scale;
mod scale_set;
mod shared;
mod status;
mod webhook;

#[cfg(test)]
mod cli_reference;
#[cfg(test)]
pub(crate) mod tests;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use check::CheckArgs;
pub use completions::CompletionsArgs;
pub use demo::DemoArgs;
pub use disable::DisableArgs;
pub use enable::EnableArgs;
pub use explain::ExplainArgs;
pub use man::ManArgs;
pub use run::RunArgs;
pub use scale::ScaleArgs;
pub use scale_set::{ScaleSetCommand, ScaleSetDeleteArgs, ScaleSetListArgs};
pub use shared::{DirectoryArgs, OutputFormat, TargetArgs, ViewArgs};
pub use status::StatusArgs;
pub use webhook::{WebhookArgs, WebhookCommand};

/// Headings of the options that every command has; they stand below its own.
const SAID: &str = "How much is said";
const WHERE: &str = "Where things are";

/// Tools around development VMs and runners on Azure.
#[derive(Debug, Parser)]
#[command(name = "azlin", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_long_help = "Examples:\n  \
    azlin github-runner demo\n  \
    azlin github-runner --help\n\n\
    Exit codes: 0 done, 1 failed, 2 usage, 3 nothing matched")]
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
    /// Say more on standard error: -v for debug, also why nothing changed; -vv for trace.
    ///
    /// AZLIN_LOG (such as AZLIN_LOG=debug) overrides this.
    #[arg(long, short, action = clap::ArgAction::Count, global = true, help_heading = SAID)]
    pub verbose: u8,
    /// Print errors only.
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = SAID)]
    pub quiet: bool,
    /// How the log is written.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "auto",
        env = "AZLIN_LOG_FORMAT",
        hide_env_values = true,
        help_heading = SAID
    )]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// The journal where standard error leads there, as under systemd; text elsewhere.
    Auto,
    /// To the journal, with its fields.
    Journal,
    /// Lines for people, on standard error.
    Text,
    /// One JSON object in a line, on standard error.
    Json,
}

/// What to work on.
#[derive(Debug, Subcommand)]
pub enum Area {
    /// Keep fleets of GitHub Actions self-hosted runners on Azure VMs at the right size.
    ///
    /// `run` is the daemon. It reads azlin.toml and one file for each fleet, fleets/POOL.toml, from the
    /// configuration directory. All that it knows it reads from GitHub and Azure: every other command
    /// works whether or not it runs.
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner demo\n  \
        azlin github-runner enable --pool ci --repo myorg/myrepo --labels linux,docker --dry-run\n  \
        azlin github-runner plan\n  \
        azlin github-runner run\n  \
        azlin github-runner status\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 nothing matched")]
    GithubRunner(GithubRunner),
    /// Print a script that lets a shell complete commands, options and values.
    #[command(after_long_help = "Examples:\n  \
        azlin completions bash > ~/.local/share/bash-completion/completions/azlin\n  \
        azlin completions zsh > ~/.zfunc/_azlin\n  \
        azlin completions fish > ~/.config/fish/completions/azlin.fish\n\n\
        Where the file goes:\n  \
        bash        /usr/share/bash-completion/completions/azlin, for every user; needs bash-completion\n  \
        zsh         _azlin in a directory of $fpath: fpath+=(~/.zfunc) before compinit in ~/.zshrc\n  \
        fish        /usr/share/fish/vendor_completions.d/azlin.fish, for every user\n  \
        elvish      eval it in ~/.config/elvish/rc.elv\n  \
        powershell  append it to the file that $PROFILE names\n\n\
        Exit codes: 0 done, 1 failed, 2 usage")]
    Completions(CompletionsArgs),
    /// Print the manual page of azlin, or write those of every command.
    #[command(after_long_help = "Examples:\n  \
        azlin man | man -l -\n  \
        azlin man --dir ~/.local/share/man/man1\n  \
        azlin man --dir /usr/local/share/man/man1\n\n\
        Exit codes: 0 done, 1 failed, 2 usage")]
    Man(ManArgs),
}

/// What to do about runners.
#[derive(Debug, Subcommand)]
pub enum GithubRunner {
    /// Make a fleet, or change one and let it serve jobs.
    ///
    /// Writes fleets/POOL.toml in the configuration directory, or changes only the keys that are given in
    /// the one that is there: comments and order stay. Asks nothing, and shows what it changed. What a new
    /// fleet lacks comes from the defaults in azlin.toml, the environment, the Azure CLI's configured defaults,
    /// or the other fleets if they all have the same.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner enable --repo owner/repo --pool ci-workers --labels linux,docker\n  \
        azlin github-runner enable --pool ci --repo myorg/myrepo --labels linux,docker \\\n      \
        --subscription-id 00000000-0000-0000-0000-000000000000 --resource-group ci-runners \\\n      \
        --location westeurope --subnet-id /subscriptions/…/subnets/runners\n  \
        azlin github-runner enable --pool ci --max-runners 20 --dry-run\n\n\
        Exit codes: 0 done, 1 failed, 2 usage")]
    Enable(Box<EnableArgs>),
    /// Drain a fleet: idle runners go, busy ones end their job first.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner disable --pool ci\n  \
        azlin github-runner disable --pool ci --dry-run\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 no such pool")]
    Disable(DisableArgs),
    /// Fix the number of a fleet's runners, whatever the queue, or let the queue decide again.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner scale --pool ci --count 5\n  \
        azlin github-runner scale --pool ci --auto\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 no such pool")]
    Scale(ScaleArgs),
    /// Watch the queues and keep every fleet at the right size, until stopped.
    ///
    /// Reads azlin.toml and fleets/*.toml. SIGTERM or SIGINT ends it cleanly: what is under way
    /// ends first, and runners are left as they are.
    #[command(after_long_help = "Examples:\n  \
        GITHUB_TOKEN=… azlin github-runner run\n  \
        GITHUB_TOKEN=… azlin github-runner run --once --config-dir ./config\n\n\
        Exit codes: 0 done, 1 failed, 2 usage")]
    Run(RunArgs),
    /// Show what every fleet does: jobs, runners, the last decision and why, errors that last.
    ///
    /// Where a daemon runs it is what the daemon knows, else GitHub and Azure are asked directly.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner status\n  \
        azlin github-runner status --pool ci-workers --watch\n  \
        azlin github-runner status --output json | jq '.fleets[] | {pool, jobs}'\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 no such pool")]
    Status(StatusArgs),
    /// Show what the next tick would do, and why. Changes nothing.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner plan\n  \
        azlin github-runner plan --pool ci-workers --output json\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 no such pool")]
    Plan(ViewArgs),
    /// Say why a job still waits, or why a runner still lives. Changes nothing.
    ///
    /// Looks at GitHub and Azure as the next tick would, and follows the chain from the job's labels
    /// to its runner: the first link that does not hold is the answer, with its cure.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner explain --pool ci-workers\n  \
        azlin github-runner explain --job https://github.com/o/r/actions/runs/11/job/22\n  \
        azlin github-runner explain --pool ci-workers --runner ci-workers-1njwxmr4yrdf9q --output json\n\n\
        Exit codes: 0 explained, 1 something could not be seen, 2 usage, 3 no such pool, job or runner")]
    Explain(ExplainArgs),
    /// Look for everything that would keep fleets from working, and say how to cure it.
    ///
    /// Looks at the configuration, the credentials and what they may do, rate limits, subscriptions,
    /// sizes and their quotas, images, networks and SSH keys. Tries each permission without changing
    /// anything. With --try it also rehearses: one VM and one runner, made and removed.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner check\n  \
        azlin github-runner check --pool ci-workers --output json\n  \
        azlin github-runner check --try --pool ci-workers --report rehearsal.txt\n\n\
        Exit codes: 0 no problem was found, 1 there is one, 2 usage, 3 no such pool")]
    Check(CheckArgs),
    /// Have GitHub tell the daemon of jobs at once, and see whether that arrives.
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook install --url https://ci.example.com/webhook\n  \
        azlin github-runner webhook status --redeliver\n  \
        azlin github-runner webhook remove\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 nothing matched")]
    Webhook(WebhookCommand),
    /// List and delete runner scale sets, which no page of GitHub's shows.
    #[command(subcommand, arg_required_else_help = true)]
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner scale-set list\n  \
        azlin github-runner scale-set delete --pool ci-workers --name old-workers\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 nothing matched")]
    ScaleSet(ScaleSetCommand),
    /// Run the daemon against a simulated GitHub and Azure, in this process, at speed.
    ///
    /// Needs nothing: no account, no token, no configuration. The daemon is the real one and speaks
    /// HTTP; only the two clouds are simulated, on loopback.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner demo\n  \
        azlin github-runner demo --duration 30s --seed 7 --output json\n\n\
        Exit codes: 0 every job was served and nothing is left over, 1 otherwise, 2 usage")]
    Demo(DemoArgs),
}
