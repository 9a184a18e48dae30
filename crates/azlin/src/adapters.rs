//! Wires the adapters to what the configuration and the environment say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use azlin_azure::AzureClient;
use azlin_daemon::Outside;
use azlin_fleet::config::DaemonConfig;
use azlin_github::{GitHubClient, Settings, Token};
use azlin_ssh::SshClient;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// The credential with the token for GitHub; it goes before `GITHUB_TOKEN`.
const GITHUB_TOKEN: &str = "github-token";
/// The credential with the secret of an application at Entra ID; it goes before `AZURE_CLIENT_SECRET`.
const AZURE_CLIENT_SECRET: &str = "azure-client-secret";

/// What the environment holds of credentials.
pub struct Environment {
    /// The token for GitHub.
    pub github_token: Option<SecretString>,
    /// What azure_identity looks for.
    pub azure: azlin_azure::Environment,
    /// Where the credentials are.
    pub credentials: Option<PathBuf>,
}

impl Environment {
    /// The environment of this very process, with the credentials that systemd gave it. An administrator
    /// who types a command has those that the service is given, from where systemd takes them.
    pub fn of_this_process(config_dir: &Path) -> Result<Self> {
        let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let source = Some(config_dir.join("credentials")).filter(|folder| folder.read_dir().is_ok());
        let credentials = given.or(source);
        let credential = |name| credentials.as_deref().map_or(Ok(None), |folder| credential(folder, name));
        let token = std::env::var("GITHUB_TOKEN").ok().map(SecretString::from);
        let azure = azlin_azure::Environment::from_env();
        Ok(Environment {
            github_token: credential(GITHUB_TOKEN)?.or(token),
            azure: azlin_azure::Environment {
                client_secret: credential(AZURE_CLIENT_SECRET)?.or(azure.client_secret),
                ..azure
            },
            credentials,
        })
    }
}

/// A credential of systemd's, without the line end that editors leave. One that is empty is none: so the
/// unit can name those that need not be there.
fn credential(folder: &Path, name: &str) -> Result<Option<SecretString>> {
    let path = folder.join(name);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => SecretString::from(
            read.with_context(|| format!("the credential {} cannot be read", path.display()))?,
        ),
    };
    let text = text.expose_secret().trim();
    Ok((!text.is_empty()).then(|| SecretString::from(text.to_owned())))
}

/// The outside of the daemon: the real services, or whatever answers at the configured addresses.
pub fn connect(config: &DaemonConfig, environment: &Environment) -> Result<Outside> {
    let github = github(config, environment)?;
    let azure = azure(config, environment)?;
    let credential = azure.credential();
    tracing::debug!(%credential, "signs in at Azure by {credential}");
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
        "there is no token for GitHub: set GITHUB_TOKEN, or give the service the systemd credential github-token, with a \
         token that may read the repository's actions and administer its self-hosted runners (fine-grained: actions \
         read, administration write)",
    )?;
    let token = Token::new(token).context("the token for GitHub cannot be used")?;
    if let Some(note) = token.note() {
        tracing::warn!(reason = %note, "the token for GitHub looks unusual: {note}");
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
            let found = credential(folder.path(), "it").expect("read");
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
        let error = credential(folder.path(), "it").expect_err("it is no file").to_string();
        assert!(error.contains("/it cannot be read"), "{error}");
    }
}
