//! Lists without an end or of any size, and times that cannot be: cut, counted, and told with their cause.

use std::fmt::Write as _;

use azlin_fleet::model::{CallErrorKind, CallOutcome};
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::{Reply, Request, json};
use serde_json::json;

use crate::{github, repo, scope};

fn runner(id: usize) -> String {
    format!(r#"{{"id":{id},"name":"r{id}","status":"online","busy":false,"labels":[]}}"#)
}

/// A page of so many runners, whose first has this id, with a link to another page.
fn page(request: &Request, first: usize, count: usize) -> Reply {
    let host = request.header("host").expect("a host");
    let next = format!("<http://{host}{}?per_page=100&page={first}>; rel=\"next\"", request.path());
    let mut items = String::new();
    for id in first..first + count {
        let _ = write!(items, "{}{}", if items.is_empty() { "" } else { "," }, runner(id));
    }
    let body = format!(r#"{{"total_count":1000000000,"runners":[{items}]}}"#);
    Reply::Answer(200, vec![("link", next), ("content-type", "application/json".into())], body)
}

fn cuts(github: &azlin_github::GitHubClient) -> u64 {
    github
        .calls()
        .by_outcome()
        .find(|(outcome, _)| *outcome == CallOutcome::Cut)
        .map_or(0, |(_, count)| count)
}

#[tokio::test]
async fn a_page_has_no_more_items_than_were_asked_for() {
    let (server, github) = github(|request, before| page(request, before * 101 + 1, 101)).await;
    let error = github.runners(&scope()).await.expect_err("too many");
    assert_eq!(error.kind, CallErrorKind::Unavailable);
    assert!(error.to_string().contains("a page has 101 items, and 100 were asked for"), "{error}");
    assert_eq!((server.requests().len(), cuts(&github)), (1, 1), "nothing more is read");
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_not_read_to_its_end() {
    // Of each try.
    let (server, github) = github(|request, _| page(request, 1, 150_000)).await;
    let error = github.runners(&scope()).await.expect_err("too large");
    assert!(error.to_string().contains("the body has more than 8388608 bytes"), "{error}");
    assert_eq!(cuts(&github), server.requests().len() as u64);
}

#[tokio::test]
async fn pages_in_a_circle_end_at_the_first_that_brings_nothing_new() {
    let (server, github) = github(|request, before| page(request, 1 + 100 * (before % 2), 100)).await;
    let error = github.runners(&scope()).await.expect_err("a circle");
    assert!(error.to_string().contains("the pages of the list lead in a circle"), "{error}");
    assert_eq!((server.requests().len(), cuts(&github)), (3, 1));
}

#[tokio::test]
async fn a_list_without_an_end_is_cut() {
    let (server, github) = github(|request, before| {
        let runs: Vec<_> = (0..100).map(|id| json!({"id": before * 100 + id, "status": "queued"})).collect();
        let host = request.header("host").expect("a host");
        let next = format!(
            "<http://{host}{}?status=queued&per_page=100&page={before}>; rel=\"next\"",
            request.path()
        );
        let body = json!({"total_count": 1_000_000_000_u64, "workflow_runs": runs}).to_string();
        Reply::Answer(200, vec![("link", next), ("content-type", "application/json".into())], body)
    })
    .await;
    let error = github.queue(&repo()).await.expect_err("no end");
    assert!(error.to_string().contains("the list has more than 1000 items"), "{error}");
    // The lists of three statuses are read before, and each is cut.
    assert!(server.requests().len() <= 4 * 11, "{}", server.requests().len());
}

#[tokio::test]
async fn a_job_whose_time_cannot_be_is_named_and_not_counted() {
    for time in ["-009999-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "yesterday"] {
        let (_server, github) = github(move |request, _| {
            let good = json!({"id": 8, "run_id": 1, "name": "good", "status": "queued", "labels": ["self-hosted"],
                              "created_at": "2026-01-02T03:04:05Z", "started_at": time});
            let bad = json!({"id": 7, "run_id": 1, "name": "bad", "status": "queued", "labels": ["self-hosted"],
                             "created_at": time, "started_at": time});
            if request.path().ends_with("/jobs") {
                return json(200, json!({"total_count": 2, "jobs": [good, bad]}));
            }
            let runs: Vec<_> = match request.query("status").as_deref() {
                Some("queued") => vec![json!({"id": 1, "status": "queued"})],
                _ => Vec::new(),
            };
            json(200, json!({"total_count": runs.len(), "workflow_runs": runs}))
        })
        .await;
        let queue = github.queue(&repo()).await.expect("a queue");
        let names: Vec<&str> = queue.jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["good"], "{time}");
        assert_eq!(queue.missing, ["job 7 has no time of creation that can be true"], "{time}");
    }
}
