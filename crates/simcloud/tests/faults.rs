//! What faults do to a connection, and what they leave done.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Site, jit};
use reqwest::Method;

const JIT: &str = "/repos/o/r/actions/runners/generate-jitconfig";

async fn struck_by(what: &str) -> Site {
    Site::of("", &format!("[[faults]]\nwhat = {what}\nmethod = 'POST'\ntimes = 1\n")).await
}

async fn runners(site: &Site) -> u64 {
    site.get("/repos/o/r/actions/runners").await.body["total_count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_reset_call_has_no_effect_and_a_lost_or_truncated_answer_has() {
    for (what, effect) in [("'reset'", 0), ("'lost_answer'", 1), ("'truncated'", 1)] {
        let site = struck_by(what).await;
        let error = site.try_github(Method::POST, JIT, Some(jit("ci-1"))).await.expect_err(what);
        assert!(!error.is_connect() && !error.is_timeout(), "{what}: {error:?}");
        assert_eq!(runners(&site).await, effect, "{what}");
        let again = site.post(JIT, Some(jit("ci-2"))).await;
        assert_eq!(again.status, 201, "{what} strikes once");
    }
}

#[tokio::test]
async fn a_refusal_has_no_effect_and_tells_how_long_to_wait_only_where_it_is_said() {
    for (what, status, wait) in [
        ("{ status = 500 }", 500, None),
        ("{ status = [503, 7] }", 503, Some("7")),
        ("{ status = 403 }", 403, None),
        ("{ status = [403, 60] }", 403, Some("60")),
        ("{ status = 429 }", 429, None),
    ] {
        let site = struck_by(what).await;
        let answer = site.post(JIT, Some(jit("ci-1"))).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, wait), "{what}");
        assert!(answer.body["message"].is_string(), "{what}");
        assert_eq!(runners(&site).await, 0, "{what}");
    }
}

#[tokio::test]
async fn latency_is_felt() {
    let site = struck_by("{ latency = '300ms' }").await;
    let start = Instant::now();
    assert_eq!(site.post(JIT, Some(jit("ci-1"))).await.status, 201);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_stale_list_is_an_old_one_and_one_entry_is_not() {
    let stale = "[[faults]]\nwhat = { stale = '20s' }\nmethod = 'GET'\nfrom = '60s'\n";
    let site = Site::of("", stale).await;
    site.pass(60);
    let id = site.post(JIT, Some(jit("ci-1"))).await.body["runner"]["id"].clone();
    assert_eq!(runners(&site).await, 0);
    assert_eq!(site.get(&format!("/repos/o/r/actions/runners/{id}")).await.status, 200);
    site.pass(21);
    assert_eq!(runners(&site).await, 1);
}
