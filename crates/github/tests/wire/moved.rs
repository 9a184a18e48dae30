//! Repositories that have another name today: GitHub answers 301 to a GET and 307 to anything else.

use azlin_fleet::model::{CallErrorKind, RepoId, RunnerId};
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::{Reply, Request, ScriptedServer, json};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::runners::config;
use crate::{github, scope, told};

/// GitHub's answer for what is at `/repositories/4711` today.
fn moved(request: &Request, status: u16) -> Reply {
    let host = request.header("host").expect("a host");
    let today = format!("http://{host}/repositories/4711");
    let location = request.target.replace("/repos/o/r", &today);
    let body = json!({"message": "Moved Permanently", "url": today, "documentation_url": "https://docs.example/redirects"});
    told(status, &[("location", &location)], &body.to_string())
}

fn runner(id: u64) -> Value {
    let labels = json!([{"id": 0, "name": "self-hosted", "type": "read-only"}]);
    json!({"id": id, "name": format!("ci-{id}"), "os": "Linux", "status": "online", "busy": false, "labels": labels,
           "runner_group_id": 1})
}

#[tokio::test]
async fn a_list_is_read_page_by_page_at_the_new_address() {
    let (server, github) = github(|request, _| {
        if request.path().starts_with("/repos/") {
            return moved(request, 301);
        }
        let host = request.header("host").expect("a host");
        let second =
            format!("<http://{host}/repositories/4711/actions/runners?per_page=100&page=2>; rel=\"next\"");
        let is_first = request.query("page").is_none();
        let body = json!({"total_count": 2, "runners": [runner(if is_first { 31 } else { 32 })]}).to_string();
        let link = [("link", second.as_str())];
        told(200, if is_first { &link } else { &[] }, &body)
    })
    .await;
    let runners = github.runners(&scope()).await.expect("a list");
    assert_eq!(runners.iter().map(|runner| runner.runner_id.0).collect::<Vec<_>>(), [31, 32]);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.header("authorization").is_some()), "with the token");
}

#[tokio::test]
async fn the_id_of_a_repository_is_known_from_the_redirect_and_from_its_runs() {
    for (is_moved, run, id) in [(true, None, Some(4711)), (false, Some(12), Some(12)), (false, None, None)] {
        let (_server, github) = github(move |request, _| {
            if is_moved && request.path().starts_with("/repos/") {
                return moved(request, 301);
            }
            if request.path().ends_with("/jobs") {
                return json(200, json!({"total_count": 0, "jobs": []}));
            }
            let of = |id| json!({"id": 5, "status": "queued", "repository": {"id": id, "full_name": "o/r"}});
            let runs: Vec<Value> = run.into_iter().map(of).collect();
            json(200, json!({"total_count": runs.len(), "workflow_runs": runs}))
        })
        .await;
        let queue = github.queue(&"o/r".parse().expect("a good name")).await.expect("a queue");
        assert_eq!(queue.repo_id, id.map(RepoId));
    }
}

#[tokio::test]
async fn a_token_for_config_sh_is_asked_for_again_where_the_repository_is() {
    for (status, expected) in [(307, true), (308, true), (301, false), (302, false), (303, false)] {
        let (server, github) = github(move |request, _| match request.path() {
            "/repositories/4711/actions/runners/registration-token" if request.method == "POST" => {
                json(201, json!({"token": "T0KEN", "expires_at": "2026-03-04T21:11:49.260-08:00"}))
            }
            _ => moved(request, status),
        })
        .await;
        let found = github.registration_token(&scope()).await;
        assert_eq!(found.is_ok(), expected, "{status}: {found:?}");
        if let Ok(token) = found {
            assert_eq!(token.token.expose_secret(), "T0KEN");
            assert_eq!(token.expires_at.to_string(), "2026-03-05T05:11:49.26Z", "its offset counts");
        }
        assert!(server.requests().iter().all(|request| request.method == "POST"), "{status}");
    }
}

#[tokio::test]
async fn what_writes_is_sent_to_no_other_address_and_says_what_to_change() {
    for status in [301, 302, 307, 308] {
        let (server, github) = github(move |request, _| match request.path() {
            path if path.starts_with("/repos/o/r/") => moved(request, status),
            _ => told(204, &[], ""),
        })
        .await;
        let removal = github.deregister(&scope(), RunnerId(7)).await.expect_err("not followed");
        let creation = github.jit_config(&config("repo:o/r", None)).await.expect_err("not followed");
        for error in [removal, creation] {
            assert_eq!(error.call().kind, CallErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains("write its new name into the fleet's file"), "{error}");
        }
        assert_eq!(server.requests().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_circle_is_called_one_and_another_host_gets_no_token() {
    let other = ScriptedServer::start(|_, _| json(200, json!({"total_count": 0, "runners": []}))).await;
    let elsewhere = other.url.join("login").expect("a URL").to_string();
    let (server, github) = github(move |request, _| match request.path() {
        "/repos/o/loop/actions/runners" => {
            told(301, &[("location", &request.target)], "{\"message\": \"x\"}")
        }
        "/repos/o/there/actions/runners" => told(301, &[("location", "/back")], "{\"message\": \"x\"}"),
        "/back" => told(301, &[("location", "/repos/o/there/actions/runners?per_page=100")], ""),
        "/repos/o/far/actions/runners" => told(301, &[("location", "/further")], ""),
        "/further" => told(301, &[("location", "/and-further")], ""),
        _ => told(302, &[("location", &elsewhere)], ""),
    })
    .await;
    for (repo, kind, part, requests) in [
        ("repo:o/loop", CallErrorKind::Unavailable, "redirects in a circle", 1),
        ("repo:o/there", CallErrorKind::Unavailable, "redirects in a circle", 2),
        ("repo:o/far", CallErrorKind::Unavailable, "redirects more than once", 2),
        ("repo:o/away", CallErrorKind::Invalid, "redirects to another host", 1),
    ] {
        let before = server.requests().len();
        let error = github.runners(&repo.parse().expect("a scope")).await.expect_err(repo);
        assert!(error.kind == kind && error.to_string().contains(part), "{repo}: {error}");
        assert_eq!(server.requests().len() - before, requests, "{repo}");
    }
    assert!(other.requests().is_empty());
}
