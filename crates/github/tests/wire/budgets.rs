//! Rate limits: each resource has its own, none is taken from an answer to nobody, and signing in waits for none.

use std::time::Duration;

use azlin_fleet::model::{CallErrorKind, RunnerId};
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::Reply;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::app::{as_app, is_shown, is_sign_in, issued, sign_ins};
use crate::faults::no_runners;
use crate::runners::config;
use crate::{github, scope};

/// An answer that states a limit, whose window ends in 25 minutes.
fn limited(status: u16, resource: Option<&str>, (limit, remaining): (u64, u64), body: &str) -> Reply {
    let reset = Timestamp::now().as_second() + 1500;
    let mut headers = vec![
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
        ("x-ratelimit-used", (limit - remaining).to_string()),
    ];
    headers.extend(resource.map(|resource| ("x-ratelimit-resource", resource.to_owned())));
    Reply::Answer(status, headers, body.to_owned())
}

const NO_RUNNERS: &str = r#"{"total_count": 0, "runners": []}"#;
const TOKEN: &str = r#"{"token": "T0KEN", "expires_at": "2026-11-28T12:00:00.000-08:00"}"#;

#[tokio::test]
async fn registrations_that_are_used_up_do_not_stop_looks_and_the_other_way_round() {
    for (of_registrations, of_looks, registration_waits, look_waits) in [
        ((Some("actions_runner_registration"), 0), (Some("core"), 4000), true, false),
        ((Some("actions_runner_registration"), 900), (Some("core"), 0), false, true),
        ((Some("actions_runner_registration"), 900), (None, 0), false, true),
        // GitHub has counted registrations in core too.
        ((Some("core"), 0), (Some("core"), 4000), true, true),
        ((None, 0), (Some("core"), 4000), true, true),
    ] {
        let (_server, github) = github(move |request, _| match request.method.as_str() {
            "GET" => limited(200, of_looks.0, (5000, of_looks.1), NO_RUNNERS),
            _ => limited(201, of_registrations.0, (5000, of_registrations.1), TOKEN),
        })
        .await;
        let situation = format!("{of_registrations:?} {of_looks:?}");
        github.runners(&scope()).await.expect(&situation);
        github.registration_token(&scope()).await.expect(&situation);
        let look = github.runners(&scope()).await.err().map(|error| error.kind);
        let registration = github.jit_config(&config("repo:o/r", None)).await.expect_err("no configuration");
        let waits = |waits: bool| waits.then_some(CallErrorKind::Throttled);
        assert_eq!(look, waits(look_waits), "{situation}: look");
        let is_held_back = registration.call().kind == CallErrorKind::Throttled;
        assert_eq!(is_held_back, registration_waits, "{situation}: {registration}");
    }
}

#[tokio::test]
async fn a_primary_limit_that_is_used_up_is_waited_for() {
    for (status, message) in [
        (403, "API rate limit exceeded for installation ID 77."),
        (429, "API rate limit exceeded for user ID 12."),
    ] {
        let (server, github) = github(move |_, _| {
            limited(status, Some("core"), (5000, 0), &json!({"message": message}).to_string())
        })
        .await;
        for _ in 0..2 {
            let error = github.runners(&scope()).await.expect_err(message);
            let wait = error.retry_after.expect("a time");
            assert_eq!(error.kind, CallErrorKind::Throttled, "{error}");
            assert!(wait > Duration::from_secs(1400) && wait <= Duration::from_secs(1501), "{wait:?}");
        }
        assert_eq!(server.requests().len(), 1, "nothing is sent meanwhile");
    }
}

#[tokio::test]
async fn the_limit_of_the_address_is_not_the_credentials() {
    for (status, message) in [
        (401, "Must specify a one-time password."),
        (401, "Bad credentials"),
        (403, "Must have admin rights to Repository."),
        (200, ""),
    ] {
        let (server, github) = github(move |_, before| match before {
            0 if status == 200 => limited(200, Some("core"), (60, 0), NO_RUNNERS),
            0 => limited(status, None, (60, 0), &json!({"message": message}).to_string()),
            _ => no_runners(),
        })
        .await;
        let first = github.runners(&scope()).await.err().map(|error| error.kind);
        assert_eq!(first, (status != 200).then_some(CallErrorKind::NotPermitted), "{message}");
        assert_eq!(github.budget(), None, "{message}");
        github.runners(&scope()).await.expect("nothing holds it back");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn an_app_whose_token_did_not_count_takes_another_at_once() {
    let anonymous = "API rate limit exceeded for 203.0.113.9. (But here's the good news: Authenticated requests get a \
                     higher rate limit.)";
    for (status, message) in [(401, "Bad credentials"), (403, anonymous)] {
        let (server, github) = as_app(move |request, before| match is_sign_in(request) {
            true => issued(before, 3600),
            false if is_shown(request, "ghs_number0") => {
                limited(status, Some("core"), (60, 0), &json!({"message": message}).to_string())
            }
            false => no_runners(),
        })
        .await;
        let began = Instant::now();
        github.runners(&scope()).await.expect("with a new token");
        assert!(began.elapsed() < Duration::from_secs(5), "no wait");
        assert_eq!((sign_ins(&server), server.requests().len()), (2, 4), "{message}");
        assert_eq!(github.budget(), None);
    }
    let (server, github) =
        github(move |_, _| limited(403, Some("core"), (60, 0), &json!({"message": anonymous}).to_string()))
            .await;
    let error = github.runners(&scope()).await.expect_err("a token that does not count");
    assert_eq!(error.kind, CallErrorKind::NotPermitted, "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_app_signs_in_while_its_installation_has_nothing_left() {
    let (server, github) = as_app(|request, before| match is_sign_in(request) {
        // It ends at once, so each call needs another.
        true => issued(before, 0),
        false => limited(200, Some("core"), (5000, 0), NO_RUNNERS),
    })
    .await;
    github.runners(&scope()).await.expect("the last request");
    for signed_in in [2, 3] {
        let error = github.runners(&scope()).await.expect_err("nothing is left");
        assert_eq!(error.kind, CallErrorKind::Throttled, "{error}");
        assert_eq!(sign_ins(&server), signed_in);
    }
}

#[tokio::test]
async fn a_sign_in_that_github_slows_down_waits_by_itself() {
    let (server, github) = as_app(|request, _| match is_sign_in(request) {
        true => Reply::Answer(
            403,
            vec![("retry-after", "90".into())],
            json!({"message": "slow down"}).to_string(),
        ),
        false => no_runners(),
    })
    .await;
    for _ in 0..3 {
        let error = github.runners(&scope()).await.expect_err("no token");
        assert_eq!(
            (error.kind, error.retry_after),
            (CallErrorKind::Throttled, Some(Duration::from_secs(90)))
        );
    }
    assert_eq!(server.requests().len(), 1, "it is not tried again and again");
}

#[tokio::test]
async fn a_page_of_a_proxy_does_not_say_that_there_are_no_limits() {
    let (_server, github) = github(|_, before| match before {
        0 => crate::page(200),
        _ => limited(200, Some("core"), (5000, 50), NO_RUNNERS),
    })
    .await;
    github.runners(&scope()).await.expect_err("a page");
    github.runners(&scope()).await.expect("a list");
    let error = github.runners(&scope()).await.expect_err("the rest is not for looks");
    assert_eq!(error.kind, CallErrorKind::Throttled);
    let removal = github.deregister(&scope(), RunnerId(7)).await.expect_err("no answer to a removal");
    assert_eq!(removal.call().kind, CallErrorKind::OutcomeUnknown, "it was sent");
}
