//! `[github]` of azlin.toml: the API's URL and the credentials.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;
use url::Url;

use super::reader::{Table, name};
use super::value::{absolute_path, base_url};
use crate::model::CredentialName;

/// A GitHub and one credential for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubConfig {
    /// The URL of its REST API.
    pub api_url: Url,
    /// The GitHub App that signs in. Absent means that a token does.
    pub app: Option<AppConfig>,
}

/// A GitHub App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppConfig {
    /// The id or client id of the app.
    pub id: String,
    /// The id of the app's installation.
    pub installation_id: u64,
    /// The file with the app's private key. Absent means a systemd credential.
    pub private_key: Option<PathBuf>,
}

impl GitHubConfig {
    /// Reads `[github]`, and further credentials below it, each with the same keys.
    pub(super) fn read(mut table: Table<'_, '_>) -> (GitHubConfig, BTreeMap<CredentialName, GitHubConfig>) {
        let github = own_keys(&mut table, || known("https://api.github.com"));
        let others = table.named_tables("credentials", name::<CredentialName>);
        let read = |(name, mut table): (CredentialName, Table<'_, '_>)| {
            let other = own_keys(&mut table, || github.api_url.clone());
            table.finish();
            (name, other)
        };
        let others = others.into_iter().map(read).collect();
        table.finish();
        (github, others)
    }
}

fn own_keys(table: &mut Table<'_, '_>, default: impl Fn() -> Url) -> GitHubConfig {
    let api_url = table.optional("api_url", base_url).unwrap_or_else(default);
    let id = table.spanned("app_id", app_id);
    let installation = table.spanned("installation_id", positive);
    let key = table.spanned("app_private_key", absolute_path);
    let help = |line: &str| Some(format!("add: {line}; docs/how-to/github-app.md says where it stands"));
    match (&id, &installation) {
        (Some((_, span)), None) => {
            let message = "a GitHub App signs in for one installation, and none is named".to_owned();
            table.conflict(span.clone(), "app_id", message, help("installation_id = 12345678"));
        }
        (None, Some((_, span))) => {
            let message = "only a GitHub App has an installation, and none is named".to_owned();
            table.conflict(span.clone(), "installation_id", message, help("app_id = 123456"));
        }
        _ => {}
    }
    if let (Some((_, span)), None) = (&key, &id) {
        let message = "only a GitHub App has a private key, and none is named".to_owned();
        table.conflict(span.clone(), "app_private_key", message, help("app_id = 123456"));
    }
    let app = id.zip(installation).map(|((id, _), (installation_id, _))| AppConfig {
        id,
        installation_id,
        private_key: key.map(|(path, _)| path),
    });
    GitHubConfig { api_url, app }
}

/// A number, or a client id in quotes.
fn app_id(value: &DeValue<'_>) -> Result<String, String> {
    let is_client_id =
        |text: &&str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    match (value.as_str().filter(is_client_id), positive(value)) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Ok(number)) => Ok(number.to_string()),
        (None, Err(_)) => {
            Err("the app's id, a number, or its client id in quotes, such as \"Iv23liABC\"".to_owned())
        }
    }
}

fn positive(value: &DeValue<'_>) -> Result<u64, String> {
    let number = value.as_integer().and_then(|number| number.as_str().parse::<u64>().ok());
    number.filter(|number| *number > 0).ok_or_else(|| "a number above 0".to_owned())
}

#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
fn known(url: &str) -> Url {
    Url::parse(url).expect("a URL that is written in this file is valid")
}
