//! The webhook of one repository or organisation.

use std::collections::BTreeSet;
use std::time::Duration;

use azlin_fleet::model::{CallError, Scope};
use azlin_github::{DeliveryAttempt, GitHubClient, RegisteredWebhook, never_arrived};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use url::Url;

use super::Task;

/// How long GitHub's try may take until it is shown.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked for.
const LOOK: Duration = Duration::from_millis(500);
/// How long GitHub keeps what it has delivered (GitHub Docs: Redelivering webhooks).
const KEPT: Duration = Duration::from_secs(3 * 24 * 3600);
/// The most deliveries that are read.
const MOST: usize = 2_000;

/// A repository or organisation, and the address that its webhook leads to.
pub(super) struct WebhookSite<'a> {
    pub(super) client: &'a GitHubClient,
    pub(super) scope: Scope,
    pub(super) url: &'a Url,
}

/// What was found and done at one of them.
#[derive(Debug)]
pub(super) struct WebhookReport {
    pub(super) scope: Scope,
    /// The webhook that leads to the daemon, or did.
    pub(super) webhook: Option<RegisteredWebhook>,
    /// What was done: `made`, `mended`, `removed`.
    pub(super) did: Option<&'static str>,
    /// How GitHub's try ended.
    pub(super) ping: Option<DeliveryAttempt>,
    /// The last deliveries, newest first.
    pub(super) attempts: Vec<DeliveryAttempt>,
    /// Events of these that never arrived.
    pub(super) lost: usize,
    /// How many GitHub was asked to deliver again.
    pub(super) redelivered: usize,
    /// What went wrong.
    pub(super) error: Option<String>,
}

impl WebhookReport {
    /// Whether a person must act.
    pub(super) fn is_bad(&self) -> bool {
        let has_not_arrived = self.did.is_some_and(|did| did != "removed")
            && !self.ping.as_ref().is_some_and(DeliveryAttempt::has_arrived);
        let is_off =
            self.did.is_none() && self.webhook.as_ref().is_some_and(|webhook| !webhook.is_as_wanted());
        self.error.is_some() || has_not_arrived || is_off || self.lost > self.redelivered
    }
}

impl WebhookSite<'_> {
    pub(super) async fn run(&self, task: Task<'_>) -> WebhookReport {
        let mut report = WebhookReport {
            scope: self.scope.clone(),
            webhook: None,
            did: None,
            ping: None,
            attempts: Vec::new(),
            lost: 0,
            redelivered: 0,
            error: None,
        };
        let done = match task {
            Task::Install(secret) => self.install(secret, &mut report).await,
            Task::Status { redeliver } => self.status(redeliver, &mut report).await,
            Task::Remove => self.remove(&mut report).await,
        };
        report.error = done.err().map(|error| error.to_string());
        report
    }

    async fn find(&self) -> Result<Option<RegisteredWebhook>, CallError> {
        let all = self.client.webhooks(&self.scope).await?;
        Ok(all.into_iter().find(|webhook| webhook.leads_to(self.url)))
    }

    async fn install(&self, secret: &SecretString, report: &mut WebhookReport) -> Result<(), CallError> {
        let (id, known) = match self.find().await? {
            Some(webhook) => {
                let known: BTreeSet<u64> =
                    self.attempts(webhook.id).await?.iter().map(|attempt| attempt.id).collect();
                self.client.change_webhook(&self.scope, webhook.id, self.url, secret).await?;
                report.did = Some("mended");
                self.client.ping_webhook(&self.scope, webhook.id).await?;
                (webhook.id, known)
            }
            None => {
                let id = self.client.make_webhook(&self.scope, self.url, secret).await?;
                report.did = Some("made");
                (id, BTreeSet::new())
            }
        };
        report.webhook = self.find().await?;
        let began = Instant::now();
        while report.ping.is_none() && began.elapsed() < PATIENCE {
            sleep(LOOK).await;
            let attempts = self.attempts(id).await?;
            report.ping = attempts.into_iter().find(|one| one.event == "ping" && !known.contains(&one.id));
        }
        Ok(())
    }

    async fn status(&self, redeliver: bool, report: &mut WebhookReport) -> Result<(), CallError> {
        report.webhook = self.find().await?;
        let Some(id) = report.webhook.as_ref().map(|webhook| webhook.id) else { return Ok(()) };
        report.attempts = self.attempts(id).await?;
        let lost: Vec<u64> = never_arrived(&report.attempts).iter().map(|attempt| attempt.id).collect();
        report.lost = lost.len();
        for attempt in lost.into_iter().filter(|_| redeliver) {
            self.client.redeliver(&self.scope, id, attempt).await?;
            report.redelivered += 1;
        }
        Ok(())
    }

    async fn remove(&self, report: &mut WebhookReport) -> Result<(), CallError> {
        report.webhook = self.find().await?;
        if let Some(webhook) = &report.webhook {
            self.client.remove_webhook(&self.scope, webhook.id).await?;
            report.did = Some("removed");
        }
        Ok(())
    }

    async fn attempts(&self, id: u64) -> Result<Vec<DeliveryAttempt>, CallError> {
        self.client.attempts(&self.scope, id, Timestamp::now() - KEPT, MOST).await
    }
}
