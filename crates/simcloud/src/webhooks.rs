//! GitHub's webhooks: who is told of jobs, what is on its way, and what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;
use std::time::Duration;

use azlin_fleet::hint::News;
use azlin_fleet::names::Scope;
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

use crate::github::{GitHubState, JobState};
use crate::world::World;

/// Deliveries that GitHub shows of one webhook.
const KEPT: usize = 500;

/// All webhooks, and what is on its way to them.
#[derive(Debug, Default)]
pub struct SimWebhooks {
    /// By their numbers.
    pub all: BTreeMap<u64, SimWebhook>,
    outgoing: Vec<WebhookRequest>,
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct SimWebhook {
    /// Its number.
    pub id: u64,
    /// Whose it is.
    pub scope: Scope,
    /// Where deliveries go.
    pub url: String,
    /// What they are signed with.
    pub secret: Option<String>,
    /// What it is told of.
    pub events: Vec<String>,
    /// Whether it is told of anything.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
    /// The newest first.
    pub deliveries: VecDeque<SimDelivery>,
}

/// What came of a delivery.
#[derive(Debug, Clone)]
pub struct SimDelivery {
    /// Its number.
    pub id: u64,
    /// When it was made.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The status of the answer; 502 where there was none, as GitHub has it.
    pub code: u16,
    /// In words.
    pub status: String,
    /// What was delivered.
    pub request: WebhookRequest,
}

/// Something on its way to a webhook.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// To which webhook.
    pub hook: u64,
    /// Where that is.
    pub url: String,
    /// `workflow_job` or `ping`.
    pub event: String,
    /// What has happened to the job.
    pub action: Option<String>,
    /// One for all deliveries of the same event.
    pub guid: String,
    /// The signature of the body.
    pub signature: Option<String>,
    /// The body.
    pub body: String,
    /// Whether it was delivered before.
    pub redelivery: bool,
    /// The repository that it is about.
    pub repository: Option<u64>,
}

impl World {
    /// Makes a webhook, which is told so by a `ping`.
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
        // From now on it is kept what happens to jobs.
        self.state.github.news.get_or_insert_default();
        self.ping_webhook(id);
        id
    }

    /// Tries a webhook.
    pub(crate) fn ping_webhook(&mut self, id: u64) {
        let Some(hook) = self.webhooks.all.get(&id) else { return };
        let body = json!({"zen": "Keep it logically awesome.", "hook_id": id, "hook": {"type": "Repository", "id": id}});
        let request =
            WebhookRequest { event: "ping".to_owned(), ..hook.request(&mut self.state.github, &body) };
        self.webhooks.outgoing.push(request);
    }

    /// Delivers once more; whether there was such a delivery.
    pub(crate) fn deliver_again(&mut self, hook: u64, delivery: u64) -> bool {
        let Some(hook) = self.webhooks.all.get(&hook) else { return false };
        let Some(known) = hook.deliveries.iter().find(|known| known.id == delivery) else { return false };
        // Signed with the secret that it has now.
        let signature = hook.signature(&known.request.body);
        let request =
            WebhookRequest { redelivery: true, signature, url: hook.url.clone(), ..known.request.clone() };
        self.webhooks.outgoing.push(request);
        true
    }

    /// What is to be delivered now.
    pub(crate) fn take_webhook_requests(&mut self) -> Vec<WebhookRequest> {
        if self.webhooks.all.is_empty() {
            return Vec::new();
        }
        for hint in self.state.github.take_news() {
            let (github, now) = (&mut self.state.github, self.now);
            let Some(body) = payload(github, hint.job.0, hint.news, now) else { continue };
            let repo = hint.repo.to_string();
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

    /// Takes note of what came of a delivery.
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

/// One of GitHub's own examples, of a job that is queued.
static EXAMPLE: LazyLock<Value> = LazyLock::new(|| {
    let file: Value =
        serde_json::from_str(include_str!("../specs/workflow-job-examples.json")).unwrap_or_default();
    file["examples"][5].clone()
});

/// What GitHub delivers of a job: an example of its own, changed.
pub fn payload(github: &GitHubState, job: u64, news: News, now: Timestamp) -> Option<Value> {
    let job = github.jobs.get(&job)?;
    let run = github.runs.get(&job.run)?;
    let mut body = EXAMPLE.clone();
    let action = match news {
        News::Queued => "queued",
        News::Started => "in_progress",
        News::Ended => "completed",
    };
    body["action"] = json!(action);
    body["repository"]["full_name"] = json!(run.repo);
    let (owner, name) = run.repo.split_once('/')?;
    body["repository"]["name"] = json!(name);
    body["repository"]["owner"]["login"] = json!(owner);
    let told = &mut body["workflow_job"];
    let time = |at: Timestamp| json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    told["id"] = json!(job.id);
    told["run_id"] = json!(job.run);
    told["name"] = json!(job.name);
    told["labels"] = json!(job.labels);
    told["status"] = json!(action);
    told["created_at"] = time(job.created_at);
    told["started_at"] = time(job.started_at.unwrap_or(job.created_at));
    let (id, runner) = job.runner.clone().unzip();
    told["runner_id"] = json!(id);
    told["runner_name"] = json!(runner);
    for absent in ["runner_group_id", "runner_group_name"] {
        told[absent] = Value::Null;
    }
    if news == News::Started {
        told["steps"] = json!([{"name": "Set up job", "status": "in_progress", "conclusion": null, "number": 1,
            "started_at": time(job.started_at.unwrap_or(now)), "completed_at": null}]);
    }
    if let (News::Ended, JobState::Completed(conclusion)) = (news, job.state) {
        told["conclusion"] = json!(conclusion.word());
        told["completed_at"] = time(job.completed_at.unwrap_or(now));
    }
    Some(body)
}
