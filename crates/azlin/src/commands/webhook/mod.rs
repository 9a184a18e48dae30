//! `webhook`: sets up at GitHub that it tells the daemon of jobs, shows what came of deliveries, and takes it away.

mod place;
mod render;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use azlin_daemon::config_dir;
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::model::{CredentialName, PoolName, Scope};
use clap::{Subcommand, ValueHint};
use secrecy::SecretString;
use url::Url;

use crate::adapters::{Environment, github, webhook_secret};
use crate::cli::Output;
use crate::terminal::{Terminal, print};
use crate::words::no_such_pool;
use crate::{Ended, say_error, say_problem};
use place::{Place, Told};

/// What to do about GitHub's webhook.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Have GitHub tell the daemon of jobs: make the webhook, or mend the one that is there.
    ///
    /// At the repository or organisation of each fleet. It is signed with the webhook-secret (of several
    /// lines the first), and tried at once: what came of that is shown.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook install --url https://ci.example.com/webhook\n  \
        azlin github-runner webhook install --pool ci-workers\n\n\
        Exit codes: 0 GitHub's try has arrived, 1 it has not, or something failed, 2 usage, 3 no such pool")]
    Install(Args),
    /// Show what came of GitHub's last deliveries, and have it deliver again what never arrived.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook status\n  \
        azlin github-runner webhook status --redeliver\n\n\
        Exit codes: 0 all is well, 1 a delivery never arrived, or something failed, 2 usage, 3 no webhook, or no such pool")]
    Status(StatusArgs),
    /// Take the webhook away. The daemon goes on looking by itself.
    #[command(after_long_help = "Examples:\n  \
        azlin github-runner webhook remove\n  \
        azlin github-runner webhook remove --url https://old.example.com/webhook\n\n\
        Exit codes: 0 it is gone, 1 something failed, 2 usage, 3 there was none, or no such pool")]
    Remove(Args),
}

/// Which webhook.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where GitHub reaches the daemon: https://HOST/webhook [default: webhook_url of azlin.toml].
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<Url>,
    /// Only at the repository or organisation of this pool.
    #[arg(long)]
    pub pool: Option<PoolName>,
    /// The directory with azlin.toml and fleets/.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Where things are", env = "AZLIN_CONFIG_DIR", default_value = "/etc/azlin")]
    pub config_dir: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What `webhook status` takes.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Which webhook.
    #[command(flatten)]
    pub which: Args,
    /// Have GitHub deliver again what never arrived in the last three days: it keeps no more.
    #[arg(long)]
    pub redeliver: bool,
}

/// What is done at each place.
#[derive(Clone, Copy)]
enum Task<'a> {
    Install(&'a SecretString),
    Status { redeliver: bool },
    Remove,
}

pub async fn run(command: Command) -> Result<Ended> {
    let (args, redeliver) = match &command {
        Command::Install(args) | Command::Remove(args) => (args, false),
        Command::Status(status) => (&status.which, status.redeliver),
    };
    let read = config_dir::read(&args.config_dir)?;
    read.problems.iter().for_each(say_problem);
    let url = address(args, &read.daemon)?;
    let scopes = scopes(&read.fleets, args.pool.as_ref());
    if scopes.is_empty() {
        match &args.pool {
            Some(pool) => say_error(&no_such_pool(pool, read.fleets.iter().map(|fleet| fleet.name.as_str()))),
            None => say_error("there is no fleet whose repository or organisation could have a webhook"),
        }
        return Ok(Ended::NothingMatched);
    }
    let environment = Environment::of_this_process(&args.config_dir)?;
    let secret = match &command {
        Command::Install(_) => Some(webhook_secret(&environment)?.context(
            "there is no secret to sign with: put one into credentials/webhook-secret of the configuration directory \
             (openssl rand -hex 32), or into AZLIN_WEBHOOK_SECRET, and restart the daemon",
        )?),
        Command::Status(_) | Command::Remove(_) => None,
    };
    let task = match (&command, &secret) {
        (Command::Install(_), Some(secret)) => Task::Install(secret),
        (Command::Remove(_), _) => Task::Remove,
        _ => Task::Status { redeliver },
    };
    let mut told = Vec::new();
    for (scope, credential) in scopes {
        let client = github(&read.daemon, credential.as_ref(), &environment)?;
        told.push(Place { client: &client, scope, url: &url }.see_to(task).await);
    }
    let text = match args.output {
        Output::Table => render::table(&told, &url, Terminal::stdout()),
        Output::Json => format!("{:#}\n", render::json(&told, &url)),
    };
    print(&text)?;
    Ok(ended(&told))
}

fn ended(told: &[Told]) -> Ended {
    if told.iter().any(Told::is_bad) {
        Ended::Failed
    } else if told.iter().all(|one| one.webhook.is_none()) {
        Ended::NothingMatched
    } else {
        Ended::Done
    }
}

/// Where GitHub reaches the daemon.
fn address(args: &Args, config: &DaemonConfig) -> Result<Url> {
    let url = args.url.as_ref().or(config.webhook_url.as_ref());
    let Some(url) = url else {
        bail!(
            "where does GitHub reach the daemon? Give --url https://HOST/webhook, or set webhook_url below [http] in azlin.toml"
        );
    };
    if url.cannot_be_a_base() || !matches!(url.scheme(), "https" | "http") {
        bail!("{url} is no address that GitHub could deliver to: it is https://HOST/webhook");
    }
    Ok(url.clone())
}

/// The repositories and organisations of fleets, each once, with who signs in there.
fn scopes(fleets: &[Fleet], pool: Option<&PoolName>) -> BTreeMap<Scope, Option<CredentialName>> {
    let wanted = fleets.iter().filter(|fleet| pool.is_none_or(|pool| fleet.name == *pool));
    wanted.map(|fleet| (fleet.scope.clone(), fleet.credential.clone())).collect()
}
