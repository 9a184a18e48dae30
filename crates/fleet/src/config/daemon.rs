//! The daemon's file, `azlin.toml`.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::fleet::check_defaults;
use super::github::GitHubConfig;
use super::prices;
use super::problem::Problems;
use super::reader::{ConfigFile, number};
use super::value::{absolute_path, base_url, duration};
use crate::model::{CredentialName, Prices};

/// The daemon's configuration. Every key has a default, so the file may be absent. `[defaults]` of the file is of the
/// fleets: [`FleetDefaults`](super::FleetDefaults).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConfig {
    /// The interval at which the daemon reads the queue.
    pub poll_queue: Duration,
    /// The interval at which the daemon checks the health of runners and VMs.
    pub poll_health: Duration,
    /// The most provisioning operations at the same time, over all fleets.
    pub max_concurrent_provisioning: u32,
    /// The time limit of one request.
    pub request_timeout: Duration,
    /// GitHub, and the credential for fleets that name none.
    pub github: GitHubConfig,
    /// GitHub and its credential, for each credential that fleets name.
    pub credentials: BTreeMap<CredentialName, GitHubConfig>,
    /// The URL of Azure Resource Manager.
    pub resource_manager_url: Url,
    /// A file with certificates that TLS trusts in addition to the system's. Absent means only the system's.
    pub ca_file: Option<PathBuf>,
    /// The address that serves operators, and GitHub's webhook unless that has its own address.
    pub listen: SocketAddr,
    /// Host names that operators may use for the daemon's machine, beside its addresses.
    pub hosts: Vec<String>,
    /// The address that serves only GitHub's webhook. Absent means that `listen` serves it.
    pub webhook_listen: Option<SocketAddr>,
    /// The URL under which GitHub reaches the webhook.
    pub webhook_url: Option<Url>,
    /// The prices of VMs: azlin's own table, overridden by the file's.
    pub prices: Prices,
}

impl DaemonConfig {
    /// The GitHub and credential for fleets that name this credential; `None` if it is not configured.
    pub fn github_of(&self, credential: Option<&CredentialName>) -> Option<&GitHubConfig> {
        credential.map_or(Some(&self.github), |name| self.credentials.get(name))
    }

    /// Reads `azlin.toml`; an empty text gives every default. `file` is the file's name in errors.
    ///
    /// # Errors
    /// Every problem of the file, each with its line.
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
        check_defaults(top.table("defaults"));
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
