//! `webhook`.

use std::path::PathBuf;

use azlin_fleet::model::PoolName;
use clap::{Args, Subcommand, ValueHint};
use url::Url;

use super::{OutputFormat, WHERE};

/// What to do about GitHub's webhook.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Have GitHub report jobs to the daemon: make the webhook, or fix the one that exists.
    ///
    /// At the repository or organisation of each fleet. It is signed with the webhook-secret (of several
    /// lines the first), and tried at once: what came of that is shown.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook install --url https://ci.example.com/webhook\n  \
        azlin github-runner webhook install --pool ci-workers\n\n\
        Exit codes: 0 GitHub's try has arrived, 1 it has not, or something failed, 2 usage, 3 no such pool")]
    Install(WebhookInstallArgs),
    /// Show what came of GitHub's last deliveries, and have it deliver again what never arrived.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook status\n  \
        azlin github-runner webhook status --redeliver\n\n\
        Exit codes: 0 all is well, 1 a delivery never arrived, or something failed, 2 usage, 3 no webhook, or no such pool")]
    Status(WebhookStatusArgs),
    /// Take the webhook away. The daemon goes on looking by itself.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook remove\n  \
        azlin github-runner webhook remove --url https://old.example.com/webhook\n\n\
        Exit codes: 0 it is gone, 1 something failed, 2 usage, 3 there was none, or no such pool")]
    Remove(WebhookArgs),
}

/// Which webhook.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    /// Where GitHub reaches the daemon: https://HOST/webhook [default: webhook_url of azlin.toml].
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<Url>,
    /// Only at the repository or organisation of this pool.
    #[arg(long)]
    pub pool: Option<PoolName>,
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = WHERE, env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// What `webhook install` takes.
#[derive(Debug, Args)]
pub struct WebhookInstallArgs {
    /// Which webhook.
    #[command(flatten)]
    pub which: WebhookArgs,
    /// For a lab: accept plain HTTP, and an address that only a private network has.
    #[arg(long)]
    pub insecure_http: bool,
}

/// What `webhook status` takes.
#[derive(Debug, Args)]
pub struct WebhookStatusArgs {
    /// Which webhook.
    #[command(flatten)]
    pub which: WebhookArgs,
    /// Have GitHub deliver again what never arrived in the last three days: it keeps no more.
    #[arg(long)]
    pub redeliver: bool,
}
