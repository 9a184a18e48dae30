//! What `check` asks: headers, and which answers are refusals.

use azlin_fleet::model::CallErrorKind;
use azlin_fleet::ports::preflight::{Access, GitHubPreflight, TokenKind};
use azlin_simcloud::scripted::{Reply, json};
use serde_json::json;

use crate::{github, repo, scope, told};

#[tokio::test]
async fn whose_the_token_is_and_when_it_ends() {
    let (server, github) = github(|_, _| {
        let headers = [
            ("github-authentication-token-expiration", "2026-12-01 09:00:00 +0900"),
            ("x-oauth-scopes", "repo, workflow"),
        ];
        told(200, &headers, "{\"login\": \"mona\"}")
    })
    .await;
    let found = github.credential().await.expect("a credential");
    assert_eq!((found.kind, found.login.as_deref()), (TokenKind::Classic, Some("mona")));
    assert_eq!(found.expires_at.map(|at| at.to_string()).as_deref(), Some("2026-12-01T00:00:00Z"));
    assert_eq!(found.scopes.as_deref(), Some(["repo".into(), "workflow".into()].as_slice()));
    assert_eq!(server.requests()[0].path(), "/user");
}

#[tokio::test]
async fn a_server_without_a_rate_limit_has_none() {
    let (_server, github) =
        github(|_, _| json(404, json!({"message": "Rate limiting is not enabled."}))).await;
    assert_eq!(github.rate_budget().await, Ok(None));
}

#[tokio::test]
async fn an_account_that_is_told_of_no_such_runner_may_administer_runners() {
    for (reply, expected) in [
        (json(404, json!({"message": "Not Found"})), Access::Granted),
        (json(422, json!({"message": "Validation Failed"})), Access::Granted),
        (json(403, json!({"message": "Must have admin rights to Repository."})), Access::Denied(None)),
        (
            told(403, &[("x-accepted-github-permissions", "administration=write")], "{\"message\": \"no\"}"),
            Access::Denied(Some("administration=write".into())),
        ),
    ] {
        let (server, github) = github(move |_, _| reply.clone()).await;
        assert_eq!(github.may_administer_runners(&scope()).await, Ok(expected));
        let request = &server.requests()[0];
        assert_eq!((request.method.as_str(), request.path()), ("DELETE", "/repos/o/r/actions/runners/0"));
    }
}

#[tokio::test]
async fn a_rate_limit_is_no_refusal() {
    let (_server, github) =
        github(|_, _| told(403, &[("retry-after", "600")], "{\"message\": \"wait\"}")).await;
    let error = github.may_read_runs(&repo()).await.expect_err("a limit");
    assert!(error.kind == CallErrorKind::Throttled && error.retry_after.is_some(), "{error}");
}

#[tokio::test]
async fn what_is_hidden_and_what_is_lost() {
    let (_server, github) = github(|request, _| match request.method.as_str() {
        "GET" if request.path().ends_with("/runs") => json(404, json!({"message": "Not Found"})),
        _ => Reply::HangUp,
    })
    .await;
    assert_eq!(github.may_read_runs(&repo()).await, Ok(Access::Hidden));
    assert_eq!(github.may_read_runners(&scope()).await.expect_err("lost").kind, CallErrorKind::Unavailable);
}
