//! Faults of the wire and of GitHub: which calls are repeated, which wait, and the errors that people read.

use std::time::Duration;

use azlin_fleet::model::{CallErrorKind, CallOutcome, RunnerId};
use azlin_fleet::ports::GitHub;
use azlin_github::{GitHubClient, GitHubSettings, Token};
use azlin_simcloud::scripted::{Reply, ScriptedServer, json};
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use crate::{TOKEN, github, hasty, repo, scope, settings};

pub(super) fn no_runners() -> Reply {
    json(200, json!({"total_count": 0, "runners": []}))
}

#[tokio::test]
async fn a_passing_fault_is_not_seen() {
    for (situation, fault) in [
        ("500", json(500, json!({"message": "Server Error"}))),
        ("502", json(502, json!({}))),
        ("503 with a short wait", Reply::Answer(503, vec![("retry-after", "0".into())], String::new())),
        ("504", json(504, json!({}))),
        ("connection ends", Reply::HangUp),
        ("half an answer", Reply::Half),
    ] {
        let (server, github) =
            github(move |_, before| if before == 0 { fault.clone() } else { no_runners() }).await;
        assert_eq!(github.runners(&scope()).await.expect(situation), [], "{situation}");
        assert_eq!(server.requests().len(), 2, "{situation}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_asked_for_again() {
    let (_server, github) = hasty(|_, before| if before == 0 { Reply::Silence } else { no_runners() }).await;
    github.runners(&scope()).await.expect("the second answer");
    let (_server, github) = hasty(|_, _| Reply::Silence).await;
    let error = github.runners(&scope()).await.expect_err("no answer at all");
    assert_eq!(error.kind, CallErrorKind::Unavailable);
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn a_lasting_fault_is_an_error_after_three_tries() {
    for (situation, fault, part) in [
        ("500", json(500, json!({"message": "Server Error"})), "500 Internal Server Error \"Server Error\""),
        ("connection ends", Reply::HangUp, "no whole answer came"),
        ("half an answer", Reply::Half, "no whole answer came"),
    ] {
        let (server, github) = github(move |_, _| fault.clone()).await;
        let error = github.runners(&scope()).await.expect_err(situation);
        assert_eq!(error.kind, CallErrorKind::Unavailable, "{situation}");
        assert!(error.to_string().contains(part), "{situation}: {error}");
        assert!(error.to_string().starts_with("GET /repos/o/r/actions/runners: "), "{error}");
        assert_eq!(server.requests().len(), 3, "{situation}");
    }
}

#[tokio::test]
async fn no_connection_says_so() {
    let server = ScriptedServer::start(|_, _| no_runners()).await;
    let settings = settings(&server);
    let nobody = Url::parse("http://127.0.0.1:1").expect("a URL");
    let github = GitHubClient::new(GitHubSettings { api_url: nobody, ..settings }).expect("a client");
    let error = github.runners(&scope()).await.expect_err("nobody listens");
    assert_eq!(error.kind, CallErrorKind::Unavailable);
    assert!(
        error.to_string().contains("no connection: 127.0.0.1:")
            && error.to_string().contains(": Connection refused"),
        "{error}"
    );
    assert!(error.to_string().contains("check api_url, the network, the proxy"), "{error}");
}

#[tokio::test]
async fn what_a_person_reads_of_a_refusal() {
    for (status, message, trouble, parts) in [
        (
            401,
            "Bad credentials",
            CallErrorKind::NotPermitted,
            ["replace it in GITHUB_TOKEN", "\"Bad credentials\""],
        ),
        (
            403,
            "Resource not accessible by personal access token",
            CallErrorKind::NotPermitted,
            ["Actions: read", "403"],
        ),
        (404, "Not Found", CallErrorKind::NotFound, ["the token may not see it", "/repos/o/r/actions/runs"]),
    ] {
        let (server, github) = github(move |_, _| json(status, json!({"message": message}))).await;
        let error = github.queue(&repo()).await.expect_err(message);
        assert_eq!(error.kind, trouble);
        for part in parts {
            assert!(error.to_string().contains(part), "{part:?} is not in {error}");
        }
        assert!(server.requests().len() <= 5, "refusals are not repeated");
    }
}

#[tokio::test]
async fn a_refused_token_is_told_with_the_place_that_it_came_from() {
    let server = ScriptedServer::start(|_, _| json(401, json!({"message": "Bad credentials"}))).await;
    let token = Token::new(&TOKEN.into()).expect("a token");
    let credential = token.from_origin("/etc/azlin/credentials/github-token").into();
    let github = GitHubClient::new(GitHubSettings { credential, ..settings(&server) }).expect("a client");
    let error = github.queue(&repo()).await.expect_err("refused").to_string();
    assert!(
        error.contains(
            "GitHub rejects the token in /etc/azlin/credentials/github-token (wrong, expired or revoked)"
        ) && error.contains("systemctl restart azlin-github-runner")
            && !error.contains(TOKEN),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_is_none_of_githubs() {
    let page = Reply::Answer(200, vec![("content-type", "text/html".into())], "<html>Sign in</html>".into());
    let (_server, github) = github(move |_, _| page.clone()).await;
    let error = github.runners(&scope()).await.expect_err("a page of a proxy");
    let counted: Vec<_> = github.calls().by_outcome().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(CallOutcome::NoAnswer, 1)], "metrics do not call it a success");
    assert_eq!(error.kind, CallErrorKind::Unavailable);
    assert!(error.to_string().contains("whether a proxy answers"), "{error}");
}

#[tokio::test]
async fn a_short_wait_is_waited_and_a_long_one_is_the_callers() {
    let throttle =
        |seconds: &str| Reply::Answer(429, vec![("retry-after", seconds.to_owned())], String::new());

    let short = throttle("1");
    let (server, patient) =
        github(move |_, before| if before == 0 { short.clone() } else { no_runners() }).await;
    let started = Instant::now();
    patient.runners(&scope()).await.expect("after a second");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests().len(), 2);

    for (situation, fault) in [
        ("429 that tells a time", throttle("60")),
        ("403 that tells a time", Reply::Answer(403, vec![("retry-after", "60".into())], String::new())),
        ("429 that tells none", json(429, json!({"message": "slow down"}))),
        (
            "403 of a secondary limit",
            json(403, json!({"message": "You have exceeded a secondary rate limit."})),
        ),
    ] {
        let (server, github) = github(move |_, _| fault.clone()).await;
        let error = github.runners(&scope()).await.expect_err(situation);
        let (CallErrorKind::Throttled, Some(wait)) = (error.kind, error.retry_after) else {
            panic!("{situation}: {error}")
        };
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(30), "{situation}: {wait:?}");
        let error = github.queue(&repo()).await.expect_err(situation);
        assert!(
            error.kind == CallErrorKind::Throttled && error.retry_after.is_some(),
            "{situation}: {error}"
        );
        assert_eq!(server.requests().len(), 1, "{situation}: nothing is sent while GitHub asks us to wait");
    }
}

#[tokio::test]
async fn a_used_up_budget_is_told_and_obeyed() {
    let reset = jiff::Timestamp::now().as_second() + 600;
    let headers = move |remaining: &str| {
        vec![
            ("x-ratelimit-limit", "5000".to_owned()),
            ("x-ratelimit-remaining", remaining.to_owned()),
            ("x-ratelimit-reset", reset.to_string()),
        ]
    };
    let (server, github) = github(move |_, before| match before {
        0 => Reply::Answer(200, headers("1"), json!({"total_count": 0, "runners": []}).to_string()),
        _ => Reply::Answer(403, headers("0"), json!({"message": "API rate limit exceeded"}).to_string()),
    })
    .await;
    github.runners(&scope()).await.expect("the last one");
    assert_eq!(github.budget().map(|budget| (budget.limit, budget.remaining)), Some((5000, 1)));
    // Polling leaves the rest to other requests.
    for (requests, is_look) in [(1, true), (2, false), (2, false), (2, true)] {
        let error = if is_look {
            github.runners(&scope()).await.expect_err("none is left")
        } else {
            github.deregister(&scope(), RunnerId(7)).await.expect_err("none is left").call().clone()
        };
        let (CallErrorKind::Throttled, Some(wait)) = (error.kind, error.retry_after) else {
            panic!("{error}")
        };
        assert!(wait > Duration::from_secs(540) && wait <= Duration::from_secs(601), "{wait:?}");
        assert_eq!(server.requests().len(), requests);
    }
    assert_eq!(github.budget().map(|budget| budget.reset.as_second()), Some(reset));
}

#[tokio::test]
async fn the_token_follows_no_link_and_no_redirect_to_another_host() {
    let other = ScriptedServer::start(|_, _| no_runners()).await;
    let elsewhere = other.url.join("repos/o/r/actions/runners?page=2").expect("a URL");
    for (situation, status, name, value) in [
        ("a link", 200, "link", format!("<{elsewhere}>; rel=\"next\"")),
        ("a redirect", 301, "location", elsewhere.to_string()),
        ("a redirect that keeps the method", 307, "location", elsewhere.to_string()),
    ] {
        let body = json!({"total_count": 0, "runners": []}).to_string();
        let (_server, github) =
            github(move |_, _| Reply::Answer(status, vec![(name, value.clone())], body.clone())).await;
        let error = github.runners(&scope()).await.expect_err(situation);
        assert_eq!(error.kind, CallErrorKind::Invalid, "{situation}: {error}");
        assert!(error.to_string().contains("another host"), "{situation}: {error}");
    }
    assert!(other.requests().is_empty());
}
