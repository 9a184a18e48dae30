//! What GitHub does and its description does not say: whose a limit and an ETag are, addresses by number, redirects,
//! and answers that are not GitHub's at all.

use crate::fixture::{ReadResponse, TestCloud, jit};
use reqwest::{Client, Method, redirect};
use serde_json::Value;

const RUNNERS: &str = "/repos/o/r/actions/runners";

/// Asks with these headers, and follows no redirect.
async fn asked(
    cloud: &TestCloud,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, reqwest::header::HeaderMap, String) {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    let mut request = client.request(method, format!("http://{}{path}", cloud.served.github));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

fn limit(headers: &reqwest::header::HeaderMap) -> [&str; 3] {
    ["limit", "remaining", "resource"].map(|what| headers[&format!("x-ratelimit-{what}")].to_str().unwrap())
}

#[tokio::test]
async fn who_is_not_signed_in_sees_the_limit_of_the_address() {
    let cloud = TestCloud::of("", "").await;
    let (status, headers, _) = asked(&cloud, Method::GET, RUNNERS, &[("authorization", "Bearer no")]).await;
    assert_eq!((status, limit(&headers)), (401, ["60", "59", "core"]));
    for _ in 0..70 {
        asked(&cloud, Method::GET, RUNNERS, &[]).await;
    }
    let (status, headers, _) = asked(&cloud, Method::GET, RUNNERS, &[]).await;
    assert_eq!((status, limit(&headers)), (401, ["60", "0", "core"]));
    let own = cloud.get(RUNNERS).await;
    assert_eq!((own.status, limit(&own.headers)), (200, ["5000", "4999", "core"]));
}

#[tokio::test]
async fn an_etag_is_good_for_its_token_alone() {
    let cloud = TestCloud::of("", "").await;
    let first = cloud.token.clone();
    let bearer = |token: &str| format!("Bearer {token}");
    let (_, headers, _) = asked(&cloud, Method::GET, RUNNERS, &[("authorization", &bearer(&first))]).await;
    let etag = headers["etag"].to_str().unwrap();
    for (token, expected) in [(first.as_str(), 304), ("ghp_another", 200)] {
        cloud.served.world().settings.token = token.to_owned();
        let headers = [("authorization", bearer(token)), ("if-none-match", etag.to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(asked(&cloud, Method::GET, RUNNERS, &headers).await.0, expected, "{token}");
    }
}

#[tokio::test]
async fn a_refused_removal_names_the_runner_in_githubs_own_text() {
    let cloud = TestCloud::of("", "").await;
    let id = cloud.vm("/repos/o/r", "ci-1").await;
    let new = cloud.get(&format!("{RUNNERS}/{id}")).await.body;
    assert_eq!((new["os"].as_str(), new["labels"][1]["id"].as_u64()), (Some("unknown"), Some(0)));
    cloud.submit(1);
    cloud.pass(60);
    let online = cloud.get(&format!("{RUNNERS}/{id}")).await.body;
    assert_eq!((online["os"].as_str(), online["labels"][1]["id"].as_u64()), (Some("Linux"), Some(2)));
    let refused = cloud.delete(&format!("{RUNNERS}/{id}")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["message"], "Bad request - Runner \"ci-1\" is still running a job\"");
}

#[tokio::test]
async fn links_lead_to_numbers() {
    let cloud = TestCloud::of("", "").await;
    for scope in ["/repos/o/r", "/orgs/o"] {
        let runners = format!("{scope}/actions/runners");
        for number in 0..3 {
            cloud.post(&format!("{runners}/generate-jitconfig"), Some(jit(&format!("ci-{number}")))).await;
        }
        let first = cloud.get(&format!("{runners}?per_page=2")).await;
        let next = first.next().unwrap();
        let kind = if scope == "/orgs/o" { "/organizations/" } else { "/repositories/" };
        assert!(next.contains(kind) && next.contains("/actions/runners?per_page=2&page=2"), "{next}");
        let names = |page: &ReadResponse| page.body["runners"].as_array().unwrap().len();
        assert_eq!((names(&first), names(&cloud.get(&next).await)), (2, 1), "{scope}");
    }
    assert_eq!(cloud.get("/repositories/7/actions/runners").await.status, 404);
    assert_eq!(cloud.get("/organizations/7/actions/runners").await.status, 404);
}

#[tokio::test]
async fn a_renamed_repository_redirects_to_its_number() {
    let cloud = TestCloud::of("", "[renamed]\n\"o/old\" = \"o/new\"\n").await;
    let bearer = format!("Bearer {}", cloud.token);
    let headers = [("authorization", bearer.as_str())];
    for (method, rest, expected) in [
        (Method::GET, "?name=a", 301),
        (Method::POST, "/registration-token", 307),
        (Method::DELETE, "/7", 307),
    ] {
        let path = format!("/repos/O/Old/actions/runners{rest}");
        let (status, headers, body) = asked(&cloud, method, &path, &headers).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let location = headers["location"].to_str().unwrap();
        assert_eq!((status, body["message"].as_str()), (expected, Some("Moved Permanently")), "{path}");
        assert_eq!(body["url"], location);
        assert!(
            location.contains("/repositories/") && location.ends_with(&format!("/actions/runners{rest}"))
        );
    }
    assert_eq!(cloud.get("/repos/o/old/actions/runners").await.body["total_count"], 0, "it is followed");
    cloud.served.world().submit(
        "o/old",
        vec![(vec!["docker".to_owned()], std::time::Duration::ZERO)],
        Vec::new(),
    );
    assert_eq!(cloud.get("/repos/o/new/actions/runs").await.body["total_count"], 1, "it is one repository");
    assert_eq!(
        cloud.get("/repos/o/old/actions/runs").await.body["workflow_runs"][0]["repository"]["name"],
        "new"
    );
}

#[tokio::test]
async fn a_page_of_something_on_the_way_is_no_json_and_the_call_has_no_effect() {
    for (what, expected) in [("'block_page'", 200), ("'login_redirect'", 302), ("'html_not_found'", 404)] {
        let cloud =
            TestCloud::of("", &format!("[[faults]]\nwhat = {what}\nside = 'github'\ntimes = 3\n")).await;
        let id =
            cloud.served.world().jit_config(&"repo:o/r".parse().unwrap(), "a", 1, vec!["docker".to_owned()]);
        let id = id.unwrap().0.id;
        let bearer = format!("Bearer {}", cloud.token);
        for (method, path) in [
            (Method::GET, RUNNERS.to_owned()),
            (Method::POST, format!("{RUNNERS}/generate-jitconfig")),
            (Method::DELETE, format!("{RUNNERS}/{id}")),
        ] {
            let (status, headers, body) =
                asked(&cloud, method, &path, &[("authorization", bearer.as_str())]).await;
            assert_eq!(status, expected, "{what}");
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
            assert!(body.starts_with("<!DOCTYPE html>") && headers.get("x-ratelimit-limit").is_none());
            let location = headers.get("location").map(|location| location.to_str().unwrap());
            assert_eq!(location.is_some_and(|at| at.contains("login.example")), expected == 302);
        }
        assert_eq!(cloud.get(RUNNERS).await.body["total_count"], 1, "{what}");
    }
}
