//! What each call understands: an answer that is not GitHub's, or not the documented one, is neither a success nor an
//! absence.

use azlin_fleet::model::CallErrorKind::{self, OutcomeUnknown, Unavailable};
use azlin_fleet::model::{CallError, JobId, RunnerError, RunnerId, RunnerName};
use azlin_fleet::ports::GitHub;
use azlin_fleet::ports::preflight::GitHubPreflight;
use azlin_github::GitHubClient;
use azlin_simcloud::scripted::{Reply, json};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use crate::runners::config;
use crate::{github, page, repo, scope, told};

/// The kind of a call's error; `None` if the answer counted.
type Outcome = Option<CallErrorKind>;

fn kind<T>(found: Result<T, CallError>) -> Outcome {
    found.err().map(|error| error.kind)
}

fn kind_of_runner<T>(found: Result<T, RunnerError>) -> Outcome {
    found.err().map(|error| error.call().kind)
}

/// Makes every call that reads, and returns how each ended.
async fn reads(github: &GitHubClient) -> Vec<(&'static str, Outcome)> {
    let (scope, repo, org) = (scope(), repo(), "org:o".parse().expect("a scope"));
    let name = RunnerName::new(&"ci".parse().expect("valid"), Timestamp::UNIX_EPOCH, 7);
    vec![
        ("runners", kind(github.runners(&scope).await)),
        ("runner", kind(github.runner(&scope, RunnerId(7)).await)),
        ("runner_named", kind(github.runner_named(&scope, &name).await)),
        ("queue", kind(github.queue(&repo).await)),
        ("job", kind(github.job(&repo, JobId(7)).await)),
        ("repositories", kind(github.repositories(&"o".parse().expect("valid")).await)),
        ("downloads", kind(github.downloads(&scope).await)),
        // A token that nobody uses does no harm.
        ("registration_token", kind_of_runner(github.registration_token(&scope).await)),
        ("webhooks", kind(github.webhooks(&scope).await)),
        ("deliveries", kind(github.attempts(&scope, 1, Timestamp::UNIX_EPOCH, 9).await)),
        ("credential", kind(github.credential().await)),
        ("rate_budget", kind(github.rate_budget().await)),
        ("repository", kind(github.repository(&repo).await)),
        ("may_read_runs", kind(github.may_read_runs(&repo).await)),
        ("may_read_runners", kind(github.may_read_runners(&scope).await)),
        ("runner_groups", kind(github.runner_groups(&org).await)),
    ]
}

/// Makes every call that writes, and returns how each ended.
async fn writes(github: &GitHubClient) -> Vec<(&'static str, Outcome)> {
    let scope = scope();
    let url = Url::parse("https://ci.example.com/webhook").expect("a URL");
    let secret = SecretString::from("a secret of some length");
    vec![
        ("deregister", kind_of_runner(github.deregister(&scope, RunnerId(7)).await)),
        ("jit_config", kind_of_runner(github.jit_config(&config("repo:o/r", None)).await)),
        ("make_webhook", kind(github.make_webhook(&scope, &url, &secret).await)),
        ("change_webhook", kind(github.change_webhook(&scope, 1, &url, &secret).await)),
        ("remove_webhook", kind(github.remove_webhook(&scope, 1).await)),
        ("ping_webhook", kind(github.ping_webhook(&scope, 1).await)),
        ("redeliver", kind(github.redeliver(&scope, 1, 2).await)),
        ("may_administer_runners", kind(github.may_administer_runners(&scope).await)),
    ]
}

/// Answers that no call may take for GitHub's word.
fn foreign() -> Vec<(&'static str, Reply)> {
    vec![
        ("a captive portal", page(200)),
        ("a portal that creates", page(201)),
        ("a portal that accepts", page(202)),
        ("an empty 200", told(200, &[], "")),
        ("a status that nothing has", json(203, json!({}))),
        ("a page that is not there", page(404)),
        ("an empty 404", told(404, &[], "")),
        ("a 404 of another service", json(404, json!({"error": "not found"}))),
        ("a block page", page(403)),
        ("a page that refuses", page(422)),
        ("a conflict of a proxy", page(409)),
        ("a page of a proxy that asks for a password", page(407)),
        ("nothing has changed, though nobody asked", told(304, &[], "")),
    ]
}

#[tokio::test]
async fn what_is_not_githubs_is_nothing_to_a_call_that_reads() {
    let more = vec![
        ("JSON of another form", json(200, json!({"status": "ok"}))),
        ("a list of something else", json(200, json!([{"status": "ok"}]))),
        ("accepted", json(202, json!({"total_count": 0, "runners": []}))),
        ("no content", told(204, &[], "")),
        ("a login page on the same host", told(302, &[("location", "/login")], "")),
    ];
    for (situation, answer) in foreign().into_iter().chain(more) {
        let (_server, github) = github(move |request, _| match request.path() {
            "/login" => page(200),
            _ => answer.clone(),
        })
        .await;
        for (call, found) in reads(&github).await {
            assert_eq!(found, Some(Unavailable), "{call}: {situation}");
        }
    }
}

#[tokio::test]
async fn what_is_not_githubs_leaves_the_outcome_of_what_writes_unknown() {
    let more = vec![
        ("JSON of another form", json(200, json!({"status": "ok"}))),
        ("a login page", told(302, &[("location", "/login")], "")),
        ("a login page for any method", told(307, &[("location", "/login")], "<html></html>")),
        ("a redirect to nowhere", told(301, &[], "")),
    ];
    for (situation, answer) in foreign().into_iter().chain(more) {
        let (server, github) = github(move |_, _| answer.clone()).await;
        let found = writes(&github).await;
        for (call, found) in &found {
            assert_eq!(*found, Some(OutcomeUnknown), "{call}: {situation}");
        }
        let requests = server.requests();
        assert_eq!(requests.len(), found.len(), "{situation}: nothing is sent twice");
        assert!(requests.iter().all(|request| request.path() != "/login"), "{situation}");
    }
}

#[tokio::test]
async fn each_call_takes_its_documented_answer_and_not_that_of_another() {
    let runner = json!({"id": 7, "name": "a", "status": "online", "busy": false, "labels": null});
    let jit = json!({"runner": runner, "encoded_jit_config": "abc"});
    let hook = json!({"id": 1, "active": true, "events": ["workflow_job"], "config": {"url": "https://h/x"}});
    for (call, documented) in [
        ("deregister", told(204, &[], "")),
        ("jit_config", json(201, jit)),
        ("make_webhook", json(201, hook.clone())),
        ("change_webhook", json(200, hook)),
        ("remove_webhook", told(204, &[], "")),
        ("ping_webhook", told(204, &[], "")),
        ("redeliver", json(202, json!({}))),
        ("may_administer_runners", json(404, json!({"message": "Not Found"}))),
    ] {
        let (_server, github) = github(move |_, _| documented.clone()).await;
        let found = writes(&github).await;
        let outcome = found.iter().find(|(name, _)| *name == call).map(|(_, outcome)| *outcome);
        assert_eq!(outcome, Some(None), "{call}");
    }
}
