//! Wires the adapters to what the configuration and the environment say.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use azlin_azure::AzureClient;
use azlin_daemon::Outside;
use azlin_fleet::config::DaemonConfig;
use azlin_github::{GitHubClient, Settings, Token};
use azlin_ssh::SshClient;
use jiff::Timestamp;
use secrecy::SecretString;

/// What the environment holds of credentials.
pub struct Environment {
    /// `GITHUB_TOKEN`.
    pub github_token: Option<SecretString>,
    /// What azure_identity looks for.
    pub azure: azlin_azure::Environment,
    /// `CREDENTIALS_DIRECTORY`, which systemd sets.
    pub credentials: Option<PathBuf>,
}

impl Environment {
    /// The environment of this very process.
    pub fn of_this_process() -> Self {
        let token = std::env::var("GITHUB_TOKEN").ok();
        Environment {
            github_token: token.map(SecretString::from),
            azure: azlin_azure::Environment::from_env(),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

/// The outside of the daemon: the real services, or whatever answers at the configured addresses.
pub fn connect(config: &DaemonConfig, environment: &Environment) -> Result<Outside> {
    let github = github(config, environment)?;
    let azure = azure(config, environment)?;
    tracing::debug!(credential = %azure.credential(), "signing in at Azure");
    Ok(Outside {
        github: Arc::new(github),
        azure: Arc::new(azure),
        ssh: Arc::new(ssh(environment)),
        clock: Arc::new(Timestamp::now),
        random: Arc::new(rand::random::<u32>),
    })
}

/// GitHub, with the token of the environment.
pub fn github(config: &DaemonConfig, environment: &Environment) -> Result<GitHubClient> {
    let token = environment.github_token.as_ref().context(
        "GITHUB_TOKEN is not set: export a token that may read the repository's actions and administer its \
         self-hosted runners (fine-grained: actions read, administration write)",
    )?;
    let token = Token::new(token).context("GITHUB_TOKEN cannot be used")?;
    if let Some(note) = token.note() {
        tracing::warn!(reason = %note, "GITHUB_TOKEN looks unusual");
    }
    let settings = Settings {
        request_timeout: config.request_timeout,
        ..Settings::new(config.github_api_url.clone(), token)
    };
    Ok(GitHubClient::new(settings)?)
}

/// Azure, with the credential of the environment.
pub fn azure(config: &DaemonConfig, environment: &Environment) -> Result<AzureClient> {
    Ok(AzureClient::new(azlin_azure::Settings {
        request_timeout: config.request_timeout,
        ..azlin_azure::Settings::new(config.resource_manager_url.clone(), environment.azure.clone())
    })?)
}

/// Machines over SSH, with the keys of the environment.
pub fn ssh(environment: &Environment) -> SshClient {
    SshClient::new(azlin_ssh::Settings {
        credentials: environment.credentials.clone(),
        ..azlin_ssh::Settings::default()
    })
}
