//! The service's JSON. Unknown fields are skipped, and what may be absent has a default.

use azlin_fleet::model::{ForeignText, ScaleSetId, ScaleSetInfo, ScaleSetLevel};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::wire::RunnerJson;

/// The answer to signing in.
#[derive(Deserialize)]
pub(super) struct AdminConnectionJson {
    pub(super) url: String,
    pub(super) token: String,
}

/// A list.
#[derive(Deserialize)]
pub(super) struct CountedJson<T> {
    #[serde(default = "Vec::new")]
    pub(super) value: Vec<T>,
}

/// Runners, which the service calls agents, in the form of the REST API. What is absent here may not be guessed: a list
/// that lacks it is no list.
#[derive(Deserialize)]
pub(super) struct AgentsJson {
    pub(super) count: usize,
    pub(super) value: Vec<RunnerJson>,
}

/// A job that is offered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfferedJobJson {
    pub(super) runner_request_id: u64,
}

/// A runner group.
#[derive(Deserialize)]
pub(super) struct SetGroupJson {
    pub(super) id: u64,
    pub(super) name: ForeignText,
}

/// A label.
#[derive(Deserialize)]
pub(super) struct SetLabelJson {
    pub(super) name: ForeignText,
}

/// A scale set.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScaleSetJson {
    pub(super) id: u64,
    #[serde(default)]
    name: ForeignText,
    #[serde(default)]
    runner_group_name: Option<ForeignText>,
    #[serde(default)]
    labels: Option<Vec<SetLabelJson>>,
    #[serde(default)]
    created_on: ForeignText,
    #[serde(default)]
    statistics: Option<StatisticsJson>,
}

impl From<ScaleSetJson> for ScaleSetInfo {
    fn from(json: ScaleSetJson) -> Self {
        ScaleSetInfo {
            id: ScaleSetId(json.id),
            name: json.name,
            runner_group: json.runner_group_name,
            labels: json.labels.into_iter().flatten().map(|label| label.name).collect(),
            // The zero time stands for none.
            created_at: json.created_on.parse::<Timestamp>().ok().filter(|at| at.as_second() > 0),
            level: json.statistics.map(StatisticsJson::level),
        }
    }
}

/// The level of a set. GitHub's numbers may be negative for a moment; none is then.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct StatisticsJson {
    total_available_jobs: i64,
    total_assigned_jobs: i64,
    total_running_jobs: i64,
    total_registered_runners: i64,
    total_busy_runners: i64,
    total_idle_runners: i64,
}

impl StatisticsJson {
    pub(super) fn level(self) -> ScaleSetLevel {
        let number = |number: i64| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
        ScaleSetLevel {
            available: number(self.total_available_jobs),
            assigned: number(self.total_assigned_jobs),
            running: number(self.total_running_jobs),
            registered: number(self.total_registered_runners),
            busy: number(self.total_busy_runners),
            idle: number(self.total_idle_runners),
        }
    }
}

/// A session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionJson {
    pub(super) session_id: ForeignText,
    #[serde(default)]
    pub(super) message_queue_url: String,
    #[serde(default)]
    pub(super) message_queue_access_token: String,
    #[serde(default)]
    pub(super) statistics: Option<StatisticsJson>,
}

/// A message. Its body is a text that holds JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageJson {
    pub(super) message_id: u64,
    #[serde(default)]
    pub(super) message_type: ForeignText,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) statistics: Option<StatisticsJson>,
}

/// What a message reports of one job.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobNewsJson {
    pub(super) message_type: ForeignText,
    #[serde(default)]
    pub(super) runner_request_id: i64,
    #[serde(default)]
    pub(super) repository_name: ForeignText,
    #[serde(default)]
    pub(super) owner_name: ForeignText,
    /// A text; a number of an older server.
    #[serde(default)]
    pub(super) job_id: Value,
    #[serde(default)]
    pub(super) job_workflow_ref: ForeignText,
    #[serde(default)]
    pub(super) job_display_name: ForeignText,
    #[serde(default)]
    pub(super) workflow_run_id: i64,
    #[serde(default)]
    pub(super) request_labels: Vec<ForeignText>,
    #[serde(default)]
    pub(super) queue_time: ForeignText,
    #[serde(default)]
    pub(super) runner_id: i64,
    #[serde(default)]
    pub(super) runner_name: ForeignText,
    #[serde(default)]
    pub(super) result: ForeignText,
}

/// A JIT configuration.
#[derive(Deserialize)]
pub(super) struct SetJitConfigJson {
    pub(super) runner: SetRunnerJson,
    #[serde(rename = "encodedJITConfig")]
    pub(super) encoded_jit_config: String,
}

/// A runner.
#[derive(Deserialize)]
pub(super) struct SetRunnerJson {
    pub(super) id: u64,
}

/// The body of a refusal.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RefusalJson {
    pub(super) type_name: ForeignText,
    pub(super) message: ForeignText,
}

/// The JSON of an answer, without the mark that some servers begin with.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A set, as it is asked for.
pub(super) fn asked_set(name: &str, group: u64, labels: &[impl AsRef<str>]) -> Value {
    let labels: Vec<Value> =
        labels.iter().map(|label| json!({"type": "System", "name": label.as_ref()})).collect();
    json!({
        "name": name, "runnerGroupId": group, "labels": labels,
        // The images and the bootstrap keep runners new.
        "RunnerSetting": {"ephemeral": true, "disableUpdate": true},
    })
}

/// The address, if it is one that a token may go to: HTTPS, or this machine.
pub(super) fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && azlin_http::is_loopback(&url);
    (is_safe && !has_user && url.host_str().is_some()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_token_may_go() {
        for (text, is_safe) in [
            ("https://broker.actions.githubusercontent.com/rest", true),
            ("http://127.0.0.1:8080/rest", true),
            ("http://broker.example/rest", false),
            ("https://user:pw@broker.example/rest", false),
            ("", false),
        ] {
            assert_eq!(address(text).is_some(), is_safe, "{text}");
        }
    }
}
