//! Wires the adapters to what the configuration and the environment say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use azlin_azure::{AzureClient, AzureSettings};
use azlin_daemon::bounded_file::read_text;
use azlin_daemon::{DaemonContext, GitHubs};
use azlin_fleet::config::DaemonConfig;
use azlin_fleet::model::CredentialName;
use azlin_fleet::ports::GitHub;
use azlin_github::{GitHubClient, GitHubCredential, GitHubSettings, WebhookVerifier};
use azlin_ssh::SshClient;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

mod environment_file;
mod sign_in;

use environment_file::EnvironmentFile;

/// A list of ten thousand VMs has two hundred pages.
const POWER_PATIENCE: Duration = Duration::from_secs(2 * 60);

/// The credential with the secret of an application at Entra ID; it goes before `AZURE_CLIENT_SECRET`.
const AZURE_CLIENT_SECRET: &str = "azure-client-secret";

/// The credential with the secrets of GitHub's webhook; it goes before `AZLIN_WEBHOOK_SECRET`.
const WEBHOOK_SECRET: &str = "webhook-secret";

/// Finds a variable, which may hold a secret.
pub type Variables = Box<dyn Fn(&str) -> Option<SecretString> + Send + Sync>;

/// The credentials of a process.
pub struct ProcessEnvironment {
    /// A variable that may hold a secret.
    pub variable: Variables,
    /// Azure's part, by the names that azure_identity knows.
    pub azure: azlin_azure::AzureEnvironment,
    /// The directory with credentials.
    pub credentials: Option<PathBuf>,
}

impl ProcessEnvironment {
    /// The environment of this process, with the credentials that systemd gave it. A command that an administrator
    /// types uses the service's credentials and variables, from the files where systemd finds them.
    pub fn of_this_process(config_dir: &Path) -> Result<Self> {
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let source = Some(config_dir.join("credentials")).filter(|folder| folder.read_dir().is_ok());
        let credentials = given.or(source);
        let credential = |name| credential(credentials.as_deref(), name);
        // To the service systemd has given them already.
        let file = match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(_) => EnvironmentFile::default(),
            None => EnvironmentFile::read(&config_dir.join("environment")),
        };
        let variable = move |name: &str| {
            let own = std::env::var(name).ok().map(SecretString::from);
            own.or_else(|| file.get(name).cloned())
        };
        let exposed = |name: &str| variable(name).map(|value| value.expose_secret().to_owned());
        let azure = azlin_azure::AzureEnvironment::of(exposed);
        Ok(ProcessEnvironment {
            variable: Box::new(variable),
            azure: azlin_azure::AzureEnvironment {
                client_secret: credential(AZURE_CLIENT_SECRET)?.or(azure.client_secret),
                ..azure
            },
            credentials,
        })
    }
}

/// A credential of systemd's, without the line end that editors leave. An empty one counts as absent, so that the
/// unit can name optional ones.
fn credential(folder: Option<&Path>, name: &str) -> Result<Option<SecretString>> {
    let Some(path) = folder.map(|folder| folder.join(name)) else { return Ok(None) };
    let text = match read_text(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => SecretString::from(
            read.with_context(|| format!("the credential {} cannot be read", path.display()))?,
        ),
    };
    let text = text.expose_secret().trim();
    Ok((!text.is_empty()).then(|| SecretString::from(text.to_owned())))
}

/// How long a process waits for the power states of a subscription that has many VMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It looks again and again, and so need not wait.
    Lasting,
    /// It looks once.
    Once,
}

/// Connects to the real services, or to what answers at the configured addresses.
pub fn connect(
    config: &DaemonConfig,
    environment: &ProcessEnvironment,
    lifetime: Lifetime,
) -> Result<DaemonContext> {
    let github = githubs(config, environment)?;
    let mut settings = azure_settings(config, environment)?;
    if lifetime == Lifetime::Once {
        settings.power_patience = POWER_PATIENCE;
    }
    let azure = Arc::new(AzureClient::new(settings)?);
    let credential = azure.credential();
    tracing::debug!(%credential, "signs in at Azure by {credential}");
    Ok(DaemonContext {
        github,
        azure: azure.clone(),
        azure_facts: azure,
        ssh: Arc::new(ssh(environment)),
        clock: Arc::new(Timestamp::now),
        random: Arc::new(rand::random::<u32>),
    })
}

/// The secrets of GitHub's webhook, one on each line; `None` if there is none.
fn webhook_secrets(environment: &ProcessEnvironment) -> Result<Option<SecretString>> {
    let given = credential(environment.credentials.as_deref(), WEBHOOK_SECRET)?;
    Ok(given.or_else(|| (environment.variable)("AZLIN_WEBHOOK_SECRET")))
}

/// Verifies with these secrets whether a delivery is GitHub's.
pub fn webhook(environment: &ProcessEnvironment) -> Result<Option<WebhookVerifier>> {
    let webhook = webhook_secrets(environment)?.map(|secrets| WebhookVerifier::new(&secrets));
    webhook
        .transpose()
        .context("the secret of GitHub's webhook (webhook-secret, or AZLIN_WEBHOOK_SECRET) is of no use")
}

/// The secret that a new webhook signs with: the first one.
pub fn webhook_secret(environment: &ProcessEnvironment) -> Result<Option<SecretString>> {
    // A secret that the daemon would refuse is an error here, too.
    webhook(environment)?;
    let first = |secrets: SecretString| {
        azlin_github::webhook_secrets(secrets.expose_secret())
            .next()
            .map(|line| SecretString::from(line.to_owned()))
    };
    Ok(webhook_secrets(environment)?.and_then(first))
}

/// GitHub, as each credential sees it.
fn githubs(config: &DaemonConfig, environment: &ProcessEnvironment) -> Result<GitHubs> {
    let github = |name| -> Result<Arc<dyn GitHub>> { Ok(Arc::new(github(config, name, environment)?)) };
    let named = config.credentials.keys().map(|name| {
        let found = github(Some(name)).with_context(|| format!("[github.credentials.{name}]"))?;
        Ok((name.clone(), found))
    });
    Ok(GitHubs::new(github(None)?, named.collect::<Result<_>>()?))
}

/// GitHub, as one credential sees it: the daemon's first, or one that has a name.
pub fn github(
    config: &DaemonConfig,
    name: Option<&CredentialName>,
    environment: &ProcessEnvironment,
) -> Result<GitHubClient> {
    let found = config.github_of(name).context("azlin.toml has no such credential")?;
    let credential = match &found.app {
        Some(app) => GitHubCredential::App(sign_in::app(app, name, environment)?),
        None => GitHubCredential::Token(sign_in::token(name, environment)?),
    };
    let settings = GitHubSettings {
        request_timeout: config.request_timeout,
        certificates: certificates(config)?,
        ..GitHubSettings::new(found.api_url.clone(), credential)
    };
    Ok(GitHubClient::new(settings)?)
}

/// Azure, with the credential of the environment.
pub fn azure(config: &DaemonConfig, environment: &ProcessEnvironment) -> Result<AzureClient> {
    Ok(AzureClient::new(azure_settings(config, environment)?)?)
}

fn azure_settings(config: &DaemonConfig, environment: &ProcessEnvironment) -> Result<AzureSettings> {
    Ok(AzureSettings {
        request_timeout: config.request_timeout,
        certificates: certificates(config)?,
        ..AzureSettings::new(config.resource_manager_url.clone(), environment.azure.clone())
    })
}

/// Certificates that TLS trusts beside the system's own.
fn certificates(config: &DaemonConfig) -> Result<Option<String>> {
    let Some(path) = &config.ca_file else { return Ok(None) };
    let shown = path.display();
    let text = read_text(path)
        .with_context(|| format!("the certificates {shown} cannot be read ([tls] ca_file in azlin.toml)"))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        bail!(
            "{shown} holds no certificate as PEM, -----BEGIN CERTIFICATE----- ([tls] ca_file in azlin.toml)"
        );
    }
    Ok(Some(text))
}

/// Machines over SSH, with the keys of the environment.
pub fn ssh(environment: &ProcessEnvironment) -> SshClient {
    SshClient::new(azlin_ssh::SshSettings {
        credentials: environment.credentials.clone(),
        ..azlin_ssh::SshSettings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_may_be_missing_or_empty_and_ends_without_a_line_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |text: Option<&str>| {
            let path = folder.path().join("it");
            match text {
                Some(text) => std::fs::write(&path, text).expect("written"),
                None => drop(std::fs::remove_file(&path)),
            }
            let found = credential(Some(folder.path()), "it").expect("read");
            found.map(|secret| secret.expose_secret().to_owned())
        };
        for (text, expected) in [
            (None, None),
            (Some(""), None),
            (Some("\n"), None),
            (Some("ghp_x\n"), Some("ghp_x")),
            (Some("ghp_x"), Some("ghp_x")),
            (Some(" ghp_x \r\n"), Some("ghp_x")),
        ] {
            assert_eq!(read(text).as_deref(), expected, "{text:?}");
        }
        std::fs::remove_file(folder.path().join("it")).expect("it was there");
        std::fs::create_dir(folder.path().join("it")).expect("made");
        let error = credential(Some(folder.path()), "it").expect_err("it is no file").to_string();
        assert!(error.contains("/it cannot be read"), "{error}");
    }
}
