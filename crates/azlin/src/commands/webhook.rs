//! `webhook`: makes GitHub's webhook for the daemon, shows how its deliveries ended, and removes it.

mod render;
mod site;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use azlin_daemon::config_dir;
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::model::{CredentialName, PoolName, Scope};
use secrecy::SecretString;
use url::{Host, Url};

use crate::adapters::{ProcessEnvironment, github, webhook_secret};
use crate::args::{OutputFormat, WebhookArgs, WebhookCommand};
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_problem};
use crate::terminal::Terminal;
use crate::words::no_such_pool;
use site::{WebhookReport, WebhookSite};

/// What is done at each repository or organisation.
#[derive(Clone, Copy)]
enum Task<'a> {
    Install(&'a SecretString),
    Status { redeliver: bool },
    Remove,
}

pub async fn run(command: WebhookCommand) -> Result<ExitStatus> {
    let (args, redeliver) = match &command {
        WebhookCommand::Install(install) => (&install.which, false),
        WebhookCommand::Remove(args) => (args, false),
        WebhookCommand::Status(status) => (&status.which, status.redeliver),
    };
    let read = config_dir::read(&args.config_dir)?;
    read.problems.iter().for_each(say_problem);
    let url = address(args, &read.daemon)?;
    if let WebhookCommand::Install(install) = &command
        && let Some(why) = unfit(&url).filter(|_| !install.insecure_http)
    {
        bail!("{why}; in a lab --insecure-http permits it");
    }
    let scopes = scopes(&read.fleets, args.pool.as_ref());
    if scopes.is_empty() {
        match &args.pool {
            Some(pool) => say_error(&no_such_pool(pool, read.fleets.iter().map(|fleet| fleet.name.as_str()))),
            None => say_error("there is no fleet whose repository or organisation could have a webhook"),
        }
        return Ok(ExitStatus::NothingMatched);
    }
    let environment = ProcessEnvironment::of_this_process(&args.config_dir)?;
    let secret = match &command {
        WebhookCommand::Install(_) => Some(webhook_secret(&environment)?.context(
            "there is no secret to sign with: put one into credentials/webhook-secret of the configuration directory \
             (openssl rand -hex 32), or into AZLIN_WEBHOOK_SECRET, and restart the daemon",
        )?),
        WebhookCommand::Status(_) | WebhookCommand::Remove(_) => None,
    };
    let task = match (&command, &secret) {
        (WebhookCommand::Install(_), Some(secret)) => Task::Install(secret),
        (WebhookCommand::Remove(_), _) => Task::Remove,
        _ => Task::Status { redeliver },
    };
    let mut reports = Vec::new();
    for (scope, credential) in scopes {
        let client = github(&read.daemon, credential.as_ref(), &environment)?;
        reports.push(WebhookSite { client: &client, scope, url: &url }.run(task).await);
    }
    let text = match args.output {
        OutputFormat::Table => render::table(&reports, &url, Terminal::stdout()),
        OutputFormat::Json => format!("{:#}\n", render::json(&reports, &url)),
    };
    print(&text)?;
    Ok(exit_status(&reports))
}

fn exit_status(reports: &[WebhookReport]) -> ExitStatus {
    if reports.iter().any(WebhookReport::is_bad) {
        ExitStatus::Failed
    } else if reports.iter().all(|one| one.webhook.is_none()) {
        ExitStatus::NothingMatched
    } else {
        ExitStatus::Done
    }
}

/// Where GitHub reaches the daemon.
fn address(args: &WebhookArgs, config: &DaemonConfig) -> Result<Url> {
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

/// Why deliveries should not go to an address: they name repositories and jobs, and everyone on the way can read them
/// and repeat them.
fn unfit(url: &Url) -> Option<String> {
    let is_private = match url.host() {
        Some(Host::Ipv4(address)) => {
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
        }
        Some(Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => true,
    };
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => Some(
            "the address of the webhook has a user or a password in it, which GitHub would show".to_owned(),
        ),
        "https" if is_private => {
            Some(format!("GitHub does not reach {url}: only this network has that address"))
        }
        "https" => None,
        _ => Some(format!("{url} is plain HTTP: deliveries can be read and repeated on their way")),
    }
}

/// The repositories and organisations of fleets, each once, with the credential that signs in there.
fn scopes(fleets: &[Fleet], pool: Option<&PoolName>) -> BTreeMap<Scope, Option<CredentialName>> {
    let wanted = fleets.iter().filter(|fleet| pool.is_none_or(|pool| fleet.name == *pool));
    wanted.map(|fleet| (fleet.scope.clone(), fleet.credential.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_deliveries_should_not_go() {
        for (url, expected) in [
            ("https://ci.example.com/webhook", None),
            ("https://203.0.113.7:8443/webhook", None),
            ("http://ci.example.com/webhook", Some("plain HTTP")),
            ("https://joe:hunter2@ci.example.com/webhook", Some("a user or a password")),
            ("https://10.0.0.4/webhook", Some("does not reach")),
            ("https://127.0.0.1/webhook", Some("does not reach")),
            ("https://localhost/webhook", Some("does not reach")),
            ("https://169.254.169.254/webhook", Some("does not reach")),
            ("https://[fd00::1]/webhook", Some("does not reach")),
            ("https://[fe80::1]/webhook", Some("does not reach")),
        ] {
            let why = unfit(&url.parse().expect("a URL"));
            assert_eq!(why.is_some(), expected.is_some(), "{url}: {why:?}");
            let why = why.unwrap_or_default();
            assert!(why.contains(expected.unwrap_or_default()) && !why.contains("hunter2"), "{url}: {why}");
        }
    }
}
