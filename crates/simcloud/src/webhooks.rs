//! GitHub's webhooks: their configuration, the requests that they send, and the results.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;
use std::time::Duration;

use azlin_fleet::model::{JobChange, Scope};
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

use crate::github::{GitHubState, JobState};
use crate::world::World;

/// How many deliveries GitHub shows for each webhook.
const KEPT: usize = 500;

/// All webhooks, and the requests that are due.
#[derive(Debug, Default)]
pub struct SimWebhooks {
    /// Webhooks by id.
    pub all: BTreeMap<u64, SimWebhook>,
    outgoing: Vec<WebhookRequest>,
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct SimWebhook {
    /// Its id.
    pub id: u64,
    /// The repository or organisation that it belongs to.
    pub scope: Scope,
    /// Where its deliveries go.
    pub url: String,
    /// The secret that signs its deliveries.
    pub secret: Option<String>,
    /// The events that it is for.
    pub events: Vec<String>,
    /// Whether it is active.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its deliveries, the newest first.
    pub deliveries: VecDeque<SimDelivery>,
}

/// The result of a delivery.
#[derive(Debug, Clone)]
pub struct SimDelivery {
    /// Its id.
    pub id: u64,
    /// When it was sent.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The status of the answer; 502 if there was none, as at GitHub.
    pub code: u16,
    /// GitHub's text for the result.
    pub status: String,
    /// The request that was sent.
    pub request: WebhookRequest,
}

/// A request to a webhook.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// The id of the webhook.
    pub hook: u64,
    /// The webhook's address.
    pub url: String,
    /// `workflow_job` or `ping`.
    pub event: String,
    /// `queued`, `in_progress` or `completed`; `None` for a ping.
    pub action: Option<String>,
    /// The id that all deliveries of one event share.
    pub guid: String,
    /// The signature of the body.
    pub signature: Option<String>,
    /// The body.
    pub body: String,
    /// Whether it repeats an earlier delivery.
    pub redelivery: bool,
    /// The id of the repository that it is about.
    pub repository: Option<u64>,
}

impl World {
    /// Creates a webhook, and sends it a `ping`.
    pub(crate) fn make_webhook(
        &mut self,
        scope: Scope,
        url: &str,
        secret: Option<String>,
        events: Vec<String>,
    ) -> u64 {
        let (id, now) = (self.state.github.number(), self.now());
        let hook = SimWebhook {
            id,
            scope,
            url: url.to_owned(),
            secret,
            events,
            active: true,
            created_at: now,
            updated_at: now,
            deliveries: VecDeque::new(),
        };
        self.webhooks.all.insert(id, hook);
        // Job events are recorded from now on.
        self.state.github.change.get_or_insert_default();
        self.ping_webhook(id);
        id
    }

    /// Sends a webhook a `ping`.
    pub(crate) fn ping_webhook(&mut self, id: u64) {
        let Some(hook) = self.webhooks.all.get(&id) else { return };
        let body = json!({"zen": "Keep it logically awesome.", "hook_id": id, "hook": {"type": "Repository", "id": id}});
        let request =
            WebhookRequest { event: "ping".to_owned(), ..hook.request(&mut self.state.github, &body) };
        self.webhooks.outgoing.push(request);
    }

    /// Sends a delivery again; false if there is no such delivery.
    pub(crate) fn deliver_again(&mut self, hook: u64, delivery: u64) -> bool {
        let Some(hook) = self.webhooks.all.get(&hook) else { return false };
        let Some(known) = hook.deliveries.iter().find(|known| known.id == delivery) else { return false };
        // GitHub signs with the present secret.
        let signature = hook.signature(&known.request.body);
        let request =
            WebhookRequest { redelivery: true, signature, url: hook.url.clone(), ..known.request.clone() };
        self.webhooks.outgoing.push(request);
        true
    }

    /// Takes the requests that are due.
    pub(crate) fn take_webhook_requests(&mut self) -> Vec<WebhookRequest> {
        if self.webhooks.all.is_empty() {
            return Vec::new();
        }
        for job_event in self.state.github.take_job_events() {
            let (github, now) = (&mut self.state.github, self.now);
            let Some(body) = payload(github, job_event.job.0, job_event.change, now) else { continue };
            let repo = job_event.repo.to_string();
            let repository = github.repos.get(&repo.to_ascii_lowercase()).map(|(_, id)| *id);
            for hook in self.webhooks.all.values().filter(|hook| hook.hears_of(&repo)) {
                let action = body["action"].as_str().map(str::to_owned);
                let event = "workflow_job".to_owned();
                self.webhooks.outgoing.push(WebhookRequest {
                    event,
                    action,
                    repository,
                    ..hook.request(github, &body)
                });
            }
        }
        std::mem::take(&mut self.webhooks.outgoing)
    }

    /// Records the result of a delivery.
    pub(crate) fn delivered(
        &mut self,
        request: WebhookRequest,
        at: Timestamp,
        took: Duration,
        code: u16,
        status: &str,
    ) {
        let id = self.state.github.number();
        let Some(hook) = self.webhooks.all.get_mut(&request.hook) else { return };
        hook.deliveries.push_front(SimDelivery { id, at, took, code, status: status.to_owned(), request });
        hook.deliveries.truncate(KEPT);
    }
}

impl SimWebhook {
    fn hears_of(&self, repo: &str) -> bool {
        let is_its = match &self.scope {
            Scope::Repo(own) => own.to_string().eq_ignore_ascii_case(repo),
            Scope::Org(org) => {
                repo.split('/').next().is_some_and(|owner| owner.eq_ignore_ascii_case(org.as_str()))
            }
            Scope::Enterprise(_) => false,
        };
        is_its && self.active && self.events.iter().any(|event| event == "workflow_job" || event == "*")
    }

    fn request(&self, github: &mut GitHubState, body: &Value) -> WebhookRequest {
        let body = body.to_string();
        WebhookRequest {
            hook: self.id,
            url: self.url.clone(),
            event: String::new(),
            action: None,
            guid: format!("{:08x}-0000-11f0-8000-000000000000", github.number()),
            signature: self.signature(&body),
            body,
            redelivery: false,
            repository: None,
        }
    }

    fn signature(&self, body: &str) -> Option<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_ref()?.as_bytes());
        let tag = hmac::sign(&key, body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("sha256={hex}"))
    }
}

/// GitHub's own example of a queued job.
static EXAMPLE: LazyLock<Value> = LazyLock::new(|| {
    let file: Value =
        serde_json::from_str(include_str!("../specs/workflow-job-examples.json")).unwrap_or_default();
    file["examples"][5].clone()
});

/// What GitHub sends about a job event: its own example, changed.
pub fn payload(github: &GitHubState, job: u64, change: JobChange, now: Timestamp) -> Option<Value> {
    let job = github.jobs.get(&job)?;
    let run = github.runs.get(&job.run)?;
    let mut body = EXAMPLE.clone();
    let action = match change {
        JobChange::Queued => "queued",
        JobChange::Started => "in_progress",
        JobChange::Ended => "completed",
    };
    body["action"] = json!(action);
    body["repository"]["full_name"] = json!(run.repo);
    body["repository"]["id"] = json!(github.repo_id(&run.repo)?.0);
    let (owner, name) = run.repo.split_once('/')?;
    body["repository"]["name"] = json!(name);
    body["repository"]["owner"]["login"] = json!(owner);
    let shown = &mut body["workflow_job"];
    let time = |at: Timestamp| json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    shown["id"] = json!(job.id);
    shown["run_id"] = json!(job.run);
    shown["name"] = json!(job.name);
    shown["labels"] = json!(job.labels);
    shown["status"] = json!(action);
    shown["created_at"] = time(job.created_at);
    shown["started_at"] = time(job.started_at.unwrap_or(job.created_at));
    let (id, runner) = job.runner.clone().unzip();
    shown["runner_id"] = json!(id);
    shown["runner_name"] = json!(runner);
    for absent in ["runner_group_id", "runner_group_name"] {
        shown[absent] = Value::Null;
    }
    if change == JobChange::Started {
        shown["steps"] = json!([{"name": "Set up job", "status": "in_progress", "conclusion": null, "number": 1,
            "started_at": time(job.started_at.unwrap_or(now)), "completed_at": null}]);
    }
    if let (JobChange::Ended, JobState::Completed(conclusion)) = (change, job.state) {
        shown["conclusion"] = json!(conclusion.as_str());
        shown["completed_at"] = time(job.completed_at.unwrap_or(now));
    }
    Some(body)
}
