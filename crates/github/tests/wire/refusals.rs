//! GitHub's refusals: what the caller does about each, and what a person reads.

use std::time::Duration;

use azlin_fleet::model::CallErrorKind::{
    self, Invalid, NotFound, NotPermitted, OutcomeUnknown, Throttled, Unavailable,
};
use azlin_fleet::ports::GitHub;
use azlin_fleet::ports::preflight::{Access, GitHubPreflight};
use azlin_simcloud::scripted::json;
use serde_json::{Value, json};

use crate::app::as_app;
use crate::runners::config;
use crate::{github, told};

/// A refusal, and what comes of it.
struct RefusalRow {
    situation: &'static str,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Value,
    kind: CallErrorKind,
    /// What a person has to read.
    parts: Vec<&'static str>,
    /// What would lead a person astray.
    not: Vec<&'static str>,
}

fn row(situation: &'static str, status: u16, message: &str, kind: CallErrorKind) -> RefusalRow {
    let body = json!({"message": message, "documentation_url": "https://docs.example/rest", "status": status.to_string()});
    RefusalRow { situation, status, headers: Vec::new(), body, kind, parts: Vec::new(), not: Vec::new() }
}

impl RefusalRow {
    fn header(mut self, name: &'static str, value: &'static str) -> RefusalRow {
        self.headers.push((name, value));
        self
    }

    fn body(self, body: Value) -> RefusalRow {
        RefusalRow { body, ..self }
    }

    fn says(self, parts: &[&'static str]) -> RefusalRow {
        RefusalRow { parts: parts.to_vec(), ..self }
    }

    fn not(self, not: &[&'static str]) -> RefusalRow {
        RefusalRow { not: not.to_vec(), ..self }
    }
}

const PERMISSIONS: &str = "it needs Self-hosted runners: read and write";

fn refusals() -> Vec<RefusalRow> {
    let read = "organization_self_hosted_runners=read";
    let sign_on = "https://github.com/orgs/mona-org/sso?authorization_request=A1B2";
    let blocked = |reason, page| json!({"message": "Repository access blocked", "block": {"reason": reason, "created_at": "2026-02-03T00:00:00Z", "html_url": page}});
    vec![
        row("nobody signed in", 401, "Requires authentication", NotPermitted).says(&["replace it in GITHUB_TOKEN"]),
        row("single sign-on", 403, "Resource protected by organization SAML enforcement.", NotPermitted)
            .header("x-github-sso", "required; url=https://github.com/orgs/mona-org/sso?authorization_request=A1B2")
            .says(&["single sign-on at", sign_on])
            .not(&[PERMISSIONS]),
        row("an address that is not allowed", 403, "`mona-org` has an IP allow list enabled, and your IP address is not permitted.", NotPermitted)
            .says(&["the address that this machine has", "IP allow list"])
            .not(&[PERMISSIONS]),
        row("a fine-grained token", 403, "Resource not accessible by personal access token", NotPermitted)
            .header("x-accepted-github-permissions", read)
            .says(&[read, PERMISSIONS]),
        row("an app", 403, "Resource not accessible by integration", NotPermitted)
            .header("x-accepted-github-permissions", read)
            .says(&[read, PERMISSIONS]),
        row("classic tokens are not wanted", 403, "`mona-org` forbids access via a personal access token (classic).", NotPermitted)
            .says(&["forbids access via a personal access token (classic)"]),
        row(
            "a token that lives too long",
            403,
            "The 'mona-org' organization forbids access via a fine-grained personal access tokens if the token's lifetime is \
             greater than 30 days. Please adjust your token's lifetime at the following URL: \
             https://github.com/settings/personal-access-tokens/99",
            NotPermitted,
        )
        .says(&["greater than 30 days", "https://github.com/settings/personal-access-tokens/99"]),
        row("not an admin", 403, "Must have admin rights to Repository.", NotPermitted).says(&[PERMISSIONS]),
        row("too many sign-ins, long ago", 403, "Max number of login attempt exceeded", Throttled),
        row("too many sign-ins", 403, "Maximum number of login attempts exceeded. Please try again later.", Throttled),
        row("taken down", 451, "", NotPermitted)
            .body(blocked("dmca", "https://github.com/github/dmca/2026/02/y.md"))
            .says(&["GitHub has blocked the repository", "dmca", "https://github.com/github/dmca/2026/02/y.md"])
            .not(&["azlin does not know this refusal"]),
        row("blocked", 403, "", NotPermitted)
            .body(blocked("tos", "https://github.com/terms"))
            .says(&["GitHub has blocked the repository", "tos", "https://github.com/terms"])
            .not(&[PERMISSIONS]),
        row("no User-Agent", 403, "", NotPermitted)
            .header("content-type", "text/html")
            .body(json!("\r\nRequest forbidden by administrative rules. Please make sure your request has a User-Agent header.\r\n"))
            .says(&["receives no User-Agent header", "which proxy takes it away"])
            .not(&[PERMISSIONS]),
        row("not there", 404, "Not Found", NotFound).says(&["the token may not see it"]),
        row("a page that calls itself JSON", 503, "", Unavailable)
            .header("content-type", "application/json; charset=utf-8")
            .body(json!(format!("<html><h1>503 Service Unavailable</h1>{}</html>", "z".repeat(900))))
            .says(&["GitHub has trouble"])
            .not(&["zzz</html>"]),
        row("`error` instead of `message`", 502, "", Unavailable).body(json!({"error": "Server Error"})),
        row("the unicorn", 502, "", Unavailable).body(json!("<!DOCTYPE html>\n<title>Unicorn! &middot; GitHub</title>")),
        row("too slow", 504, "We couldn't respond to your request in time.", Unavailable),
        row("a secondary limit", 403, "You have exceeded a secondary rate limit.", Throttled).header("retry-after", "60"),
        row("a limit on creations", 403, "You have exceeded a secondary rate limit and have been temporarily blocked from content creation.", Throttled),
        row("a limit as a page", 429, "", Throttled).body(json!("<title>Rate limit &middot; GitHub</title>Whoa there!")),
        row("a limit that its address tells", 403, "", Throttled).body(json!({
            "message": "Please wait a few minutes before you try again.",
            "documentation_url": "https://docs.example/rest/rate-limits#secondary-rate-limits"
        })),
        row("abuse, by its address", 403, "", Throttled)
            .body(json!({"message": "Slow down.", "documentation_url": "https://docs.example/v3/#abuse-rate-limits"})),
        row("abuse, with a time", 403, "You have triggered an abuse detection mechanism.", Throttled).header("retry-after", "60"),
        row("abuse", 403, "You have triggered an abuse detection mechanism and have been temporarily blocked from content creation.", Throttled),
    ]
}

#[tokio::test]
async fn what_each_refusal_means_and_says() {
    for RefusalRow { situation, status, headers, body, kind, parts, not } in refusals() {
        let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let (_server, github) = github(move |_, _| told(status, &headers, &text)).await;
        let error = github.runners(&"org:mona-org".parse().expect("a scope")).await.expect_err(situation);
        assert_eq!(error.kind, kind, "{situation}: {error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{situation}: {part:?} is not in {error}");
        }
        for part in not {
            assert!(!error.to_string().contains(part), "{situation}: {part:?} is in {error}");
        }
        let minute = Duration::from_secs(60);
        let wait = error.retry_after;
        let is_told = wait.is_some_and(|wait| wait <= minute && wait > minute / 2);
        assert_eq!(is_told, kind == Throttled, "{situation}: {wait:?}");
        let message = body["message"].as_str().unwrap_or_default();
        assert!(error.to_string().contains(message), "{situation}: {message:?} is not in {error}");
    }
}

#[tokio::test]
async fn a_blocked_repository_is_looked_at_rarely_and_others_as_ever() {
    let (server, github) = github(|request, _| match request.path().starts_with("/repos/mona/blocked/") {
        true => json(451, json!({"message": "Repository access blocked", "block": {"reason": "dmca"}})),
        false => json(200, json!({"total_count": 0, "runners": []})),
    })
    .await;
    for _ in 0..3 {
        let error =
            github.runners(&"repo:mona/blocked".parse().expect("a scope")).await.expect_err("blocked");
        assert!(error.kind == NotPermitted && error.to_string().contains("dmca"), "{error}");
        github.runners(&"repo:mona/other".parse().expect("a scope")).await.expect("a list");
    }
    assert_eq!(server.requests().len(), 1 + 3);
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_told_whole() {
    let old = "https://docs.github.com/enterprise-server@3.6/rest";
    for (situation, status, body, kind, parts) in [
        (
            "a full group",
            422,
            json!({"message": "Runner group 4 has reached max limit of 300 runners"}),
            Invalid,
            vec!["Runner group 4 has reached max limit of 300 runners"],
        ),
        (
            "texts",
            422,
            json!({"message": "Validation Failed", "errors": ["Labels has one that is too long", "Name is odd"]}),
            Invalid,
            vec!["Validation Failed", "Labels has one that is too long", "Name is odd"],
        ),
        (
            "objects",
            422,
            json!({"message": "Validation Failed", "errors": [
                {"resource": "Runner", "field": "name", "code": "custom", "message": "name has a blank"}]}),
            Invalid,
            vec!["name: custom: name has a blank"],
        ),
        (
            "trouble",
            503,
            json!({"message": "Service Unavailable"}),
            OutcomeUnknown,
            vec!["GitHub has trouble"],
        ),
        (
            "an old server",
            404,
            json!({"message": "Not Found", "documentation_url": old}),
            NotFound,
            vec!["the token may not see it", "set method = \"ssh\" in [bootstrap]"],
        ),
    ] {
        let (server, github) = github(move |_, _| json(status, body.clone())).await;
        let error = github.jit_config(&config("org:mona-org", None)).await.expect_err(situation);
        assert_eq!(error.call().kind, kind, "{situation}: {error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{situation}: {part:?} is not in {error}");
        }
        assert_eq!(server.requests().len(), 1, "{situation}");
    }
}

#[tokio::test]
async fn an_installation_that_may_not_do_it_says_so() {
    let said = "The permissions requested are not granted to this installation.";
    let (_server, github) = as_app(move |_, _| json(422, json!({"message": said}))).await;
    let error = github.runners(&"org:mona-org".parse().expect("a scope")).await.expect_err(said);
    assert!(error.to_string().contains(said), "{error}");
    let (_server, github) = as_app(|_, _| crate::page(200)).await;
    let error = github.runners(&"org:mona-org".parse().expect("a scope")).await.expect_err("a page");
    assert!(error.kind == Unavailable && error.to_string().contains("sign in as a GitHub App"), "{error}");
}

#[tokio::test]
async fn check_tells_why_and_not_only_that_it_is_denied() {
    let org = "org:mona-org".parse().expect("a scope");
    for (headers, body, expected) in [
        (
            vec![("x-accepted-github-permissions", "a=read")],
            "{\"message\": \"no\"}",
            Ok(Access::Denied(Some("a=read".into()))),
        ),
        (
            vec![("x-github-sso", "required; url=https://github.com/sso")],
            "{\"message\": \"no\"}",
            Err("https://github.com/sso"),
        ),
        (vec![], "{\"message\": \"an IP allow list is enabled\"}", Err("IP allow list")),
        (vec![], "make sure your request has a User-Agent header", Err("User-Agent")),
        (vec![], "<html>Blocked</html>", Err("whether a proxy answers")),
    ] {
        let (_server, github) = github(move |_, _| told(403, &headers, body)).await;
        for found in [github.may_read_runners(&org).await, github.may_administer_runners(&org).await] {
            match (found, &expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, *expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expected) => panic!("{found:?}, expected: {expected:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_list_that_single_sign_on_shortens_is_no_list() {
    let (_server, github) =
        github(|_, _| told(200, &[("x-github-sso", "partial-results; organizations=81,82")], "[]")).await;
    let error = github.repositories(&"mona-org".parse().expect("valid")).await.expect_err("not whole");
    assert_eq!(error.kind, NotPermitted);
    for part in ["left out a part of the list (organizations=81,82)", "single sign-on"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
