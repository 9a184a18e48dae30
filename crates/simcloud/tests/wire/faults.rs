//! What faults do to a connection, and what effect the call still has.

use std::time::{Duration, Instant};

use crate::fixture::{TestCloud, jit};
use reqwest::Method;

const JIT: &str = "/repos/o/r/actions/runners/generate-jitconfig";

async fn struck_by(what: &str) -> TestCloud {
    TestCloud::of("", &format!("[[faults]]\nwhat = {what}\nmethod = 'POST'\ntimes = 1\n")).await
}

async fn runners(cloud: &TestCloud) -> u64 {
    cloud.get("/repos/o/r/actions/runners").await.body["total_count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_reset_call_has_no_effect_and_a_lost_or_truncated_answer_has() {
    for (what, effect) in [("'reset'", 0), ("'lost_answer'", 1), ("'truncated'", 1)] {
        let cloud = struck_by(what).await;
        let error = cloud.try_github(Method::POST, JIT, Some(jit("ci-1"))).await.expect_err(what);
        assert!(!error.is_connect() && !error.is_timeout(), "{what}: {error:?}");
        assert_eq!(runners(&cloud).await, effect, "{what}");
        let again = cloud.post(JIT, Some(jit("ci-2"))).await;
        assert_eq!(again.status, 201, "{what} strikes once");
    }
}

#[tokio::test]
async fn a_refusal_has_no_effect_and_says_how_long_to_wait_only_where_the_fault_does() {
    for (what, status, wait) in [
        ("{ status = 500 }", 500, None),
        ("{ status = [503, 7] }", 503, Some("7")),
        ("{ status = 403 }", 403, None),
        ("{ status = [403, 60] }", 403, Some("60")),
        ("{ status = 429 }", 429, None),
    ] {
        let cloud = struck_by(what).await;
        let answer = cloud.post(JIT, Some(jit("ci-1"))).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, wait), "{what}");
        assert!(answer.body["message"].is_string(), "{what}");
        assert_eq!(runners(&cloud).await, 0, "{what}");
    }
}

#[tokio::test]
async fn latency_is_felt() {
    let cloud = struck_by("{ latency = '300ms' }").await;
    let start = Instant::now();
    assert_eq!(cloud.post(JIT, Some(jit("ci-1"))).await.status, 201);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_stale_list_is_an_old_one_and_one_entry_is_not() {
    let stale = "[[faults]]\nwhat = { stale = '20s' }\nmethod = 'GET'\nfrom = '60s'\n";
    let cloud = TestCloud::of("", stale).await;
    cloud.pass(60);
    let id = cloud.post(JIT, Some(jit("ci-1"))).await.body["runner"]["id"].clone();
    assert_eq!(runners(&cloud).await, 0);
    assert_eq!(cloud.get(&format!("/repos/o/r/actions/runners/{id}")).await.status, 200);
    cloud.pass(21);
    assert_eq!(runners(&cloud).await, 1);
}
