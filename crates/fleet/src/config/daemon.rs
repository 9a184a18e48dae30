//! The daemon: `azlin.toml`.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::fleet::absolute_path;
use super::github::GitHubConfig;
use super::prices;
use super::problem::Problems;
use super::reader::{ConfigFile, number};
use super::value::{base_url, duration};
use crate::model::{CredentialName, Prices};

/// The daemon's configuration. Every key has a default, so the file may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConfig {
    /// How often the queue is looked at.
    pub poll_queue: Duration,
    /// How often the health of runners and VMs is looked at.
    pub poll_health: Duration,
    /// Provisioning operations at once, over all fleets.
    pub max_concurrent_provisioning: u32,
    /// The longest that one request may take.
    pub request_timeout: Duration,
    /// GitHub, and who signs in there for fleets that name nobody.
    pub github: GitHubConfig,
    /// Who signs in for fleets that name somebody.
    pub credentials: BTreeMap<CredentialName, GitHubConfig>,
    /// Azure Resource Manager.
    pub resource_manager_url: Url,
    /// The file with further certificates that TLS trusts beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where the daemon answers whoever looks after it, and GitHub's webhook if that has no place of its own.
    pub listen: SocketAddr,
    /// Names of the daemon's machine, beside its addresses, that whoever looks after it may ask under.
    pub hosts: Vec<String>,
    /// Where it answers GitHub's webhook alone.
    pub webhook_listen: Option<SocketAddr>,
    /// Where GitHub reaches that.
    pub webhook_url: Option<Url>,
    /// What VMs cost: what comes with azlin, and over it what the file says.
    pub prices: Prices,
}

impl DaemonConfig {
    /// Who signs in at GitHub for fleets that name this credential; `None` where nobody does.
    pub fn github_of(&self, credential: Option<&CredentialName>) -> Option<&GitHubConfig> {
        credential.map_or(Some(&self.github), |name| self.credentials.get(name))
    }

    /// Reads `azlin.toml`; an empty text gives every default. `file` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub fn parse(file: &str, source: &str) -> Result<DaemonConfig, Problems> {
        let file = ConfigFile::new(file, source);
        let mut top = file.root();
        let mut poll = top.table("poll");
        let mut limits = top.table("limits");
        let (github, credentials) = GitHubConfig::read(top.table("github"));
        let mut azure = top.table("azure");
        let mut tls = top.table("tls");
        let mut http = top.table("http");
        let config = DaemonConfig {
            poll_queue: poll.or("queue", Duration::from_secs(60), duration(1)),
            poll_health: poll.or("health", Duration::from_secs(120), duration(1)),
            max_concurrent_provisioning: limits.or("max_concurrent_provisioning", 10, number(1..=1000)),
            request_timeout: limits.or("request_timeout", Duration::from_secs(30), duration(1)),
            github,
            credentials,
            resource_manager_url: azure
                .optional("resource_manager_url", base_url)
                .unwrap_or_else(|| known("https://management.azure.com")),
            ca_file: tls.optional("ca_file", absolute_path),
            listen: http.or("listen", SocketAddr::from(([127, 0, 0, 1], 9469)), address),
            hosts: http.list("hosts", host).unwrap_or_default().0,
            webhook_listen: http.optional("webhook_listen", address),
            webhook_url: http.optional("webhook_url", base_url),
            prices: prices::read(top.table("prices")),
        };
        for table in [poll, limits, azure, tls, http, top] {
            table.finish();
        }
        file.finish(Some(config))
    }
}

#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
fn known(url: &str) -> Url {
    Url::parse(url).expect("a URL that is written in this file is valid")
}

fn host(value: &DeValue<'_>) -> Result<String, String> {
    let is_one = |text: &&str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
    };
    let text = value.as_str().filter(is_one).map(str::to_owned);
    text.ok_or_else(|| {
        "the name of a host, without scheme and port, such as \"azlin.example.com\"".to_owned()
    })
}

fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| "an IP address and a port, such as \"127.0.0.1:9469\"".to_owned())
}
