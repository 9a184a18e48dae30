//! Signing in as a GitHub App: when a token is requested, and the error when there is none.

use std::time::Duration;

use azlin_fleet::model::CallErrorKind;
use azlin_fleet::ports::GitHub;
use azlin_github::{App, GitHubClient, GitHubSettings};
use azlin_simcloud::scripted::{Reply, Request, ScriptedServer};
use azlin_simcloud::{APP_ID, APP_PRIVATE_KEY};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::faults::no_runners;
use super::scope;

pub(super) async fn as_app(
    answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (ScriptedServer, GitHubClient) {
    let server = ScriptedServer::start(answer).await;
    let app = App::new(APP_ID, 815, &SecretString::from(APP_PRIVATE_KEY)).expect("a good key");
    let settings = GitHubSettings {
        retry_pause: Duration::from_millis(1),
        ..GitHubSettings::new(server.url.clone(), app)
    };
    (server, GitHubClient::new(settings).expect("a client"))
}

pub(super) fn issued(number: usize, good_for: i64) -> Reply {
    let ends = Timestamp::from_second(Timestamp::now().as_second() + good_for).expect("in range");
    let token = json!({"token": format!("ghs_number{number}"), "expires_at": ends.to_string()});
    Reply::Answer(201, Vec::new(), token.to_string())
}

pub(super) fn is_sign_in(request: &Request) -> bool {
    request.path() == "/app/installations/815/access_tokens"
}

pub(super) fn sign_ins(server: &ScriptedServer) -> usize {
    server.requests().iter().filter(|request| is_sign_in(request)).count()
}

pub(super) fn is_shown(request: &Request, token: &str) -> bool {
    request.header("authorization") == Some(&format!("Bearer {token}"))
}

#[tokio::test]
async fn many_callers_sign_in_once() {
    let (server, github) = as_app(|request, before| match is_sign_in(request) {
        true => issued(before, 3600),
        false => no_runners(),
    })
    .await;
    let scope = scope();
    let calls = (0..20).map(|_| github.runners(&scope));
    for found in futures::future::join_all(calls).await {
        found.expect("it is signed in");
    }
    assert_eq!(sign_ins(&server), 1);
    let others = server.requests().into_iter().filter(|request| !is_sign_in(request));
    assert!(others.into_iter().all(|request| is_shown(&request, "ghs_number0")));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    for (good_from, expected) in [(2, true), (99, false)] {
        let (server, github) = as_app(move |request, before| {
            let number = |token: &str| is_shown(request, token);
            match (is_sign_in(request), number("ghs_number0")) {
                (true, _) => issued(before, 3600),
                (false, true) => {
                    Reply::Answer(401, Vec::new(), json!({"message": "Bad credentials"}).to_string())
                }
                (false, false) if before >= good_from => no_runners(),
                (false, false) => {
                    Reply::Answer(401, Vec::new(), json!({"message": "Bad credentials"}).to_string())
                }
            }
        })
        .await;
        let found = github.runners(&scope()).await;
        assert_eq!(found.is_ok(), expected, "{found:?}");
        assert_eq!((sign_ins(&server), server.requests().len()), (2, 4));
    }
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_and_serves_while_that_fails() {
    let (server, github) = as_app(|request, before| match (is_sign_in(request), before) {
        // Valid for four minutes, so it is due for renewal.
        (true, 0) => issued(0, 240),
        (true, _) => Reply::Answer(500, Vec::new(), String::new()),
        (false, _) => no_runners(),
    })
    .await;
    for _ in 0..5 {
        github.runners(&scope()).await.expect("the old one is good");
    }
    // One token, and one renewal with its repetitions. The next renewal comes only after a pause.
    assert_eq!(sign_ins(&server), 1 + 3);
}

#[tokio::test]
async fn why_there_is_no_token_is_told_with_its_cure() {
    let date = |ahead: i64| {
        let there = Timestamp::from_second(Timestamp::now().as_second() + ahead).expect("in range");
        vec![("date", there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())]
    };
    for (status, headers, said, cure) in [
        (401, date(0), "A JSON web token could not be decoded", "check that app_id is the app's"),
        (401, date(300), "'Issued at' claim", "s behind GitHub's: set it"),
        (401, date(-300), "'Expiration time' claim", "s ahead of GitHub's: set it"),
        (
            401,
            date(0),
            "'Expiration time' claim ('exp') must be a numeric value that is ahead",
            "the clock here is wrong",
        ),
        (404, date(0), "Not Found", "check installation_id"),
        (403, date(0), "This installation has been suspended", "unsuspend the installation"),
    ] {
        let message = json!({"message": said}).to_string();
        let (server, github) =
            as_app(move |_, _| Reply::Answer(status, headers.clone(), message.clone())).await;
        for _ in 0..3 {
            let error = github.runners(&scope()).await.expect_err(said);
            assert_eq!(error.kind, CallErrorKind::NotPermitted, "{error}");
            assert!(error.to_string().contains(said) && error.to_string().contains(cure), "{error}");
            assert!(!error.to_string().contains("eyJ"), "{error}");
        }
        assert_eq!(server.requests().len(), 1, "{said}: it is not asked for again and again");
    }
}
