//! Runners: complete lists, and what each answer to a change means.

use azlin_fleet::model::{
    CallErrorKind, Deregistration, RunnerConfig, RunnerId, RunnerName, RunnerStatus, Scope,
};
use azlin_fleet::ports::GitHub;
use azlin_fleet::ports::preflight::GitHubPreflight;
use azlin_simcloud::scripted::{Reply, Request, json};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{github, hasty, scope};

fn runner(id: u64) -> Value {
    json!({
        "id": id, "name": format!("ci-{id}"), "os": "linux", "status": if id.is_multiple_of(2) { "online" } else { "offline" },
        "busy": id.is_multiple_of(4), "labels": [{"id": 1, "name": "self-hosted", "type": "read-only"}, {"name": "linux"}]
    })
}

/// A page of `all`, with the link to the next.
fn page(request: &Request, all: &[u64], total: usize) -> Reply {
    let page: usize = request.query("page").map_or(1, |page| page.parse().expect("a page"));
    let host = request.header("host").expect("a host");
    let link = (page * 100 < all.len()).then(|| {
        ("link", format!("<http://{host}{}?per_page=100&page={}>; rel=\"next\"", request.path(), page + 1))
    });
    let runners: Vec<Value> = all.iter().skip((page - 1) * 100).take(100).map(|id| runner(*id)).collect();
    Reply::Answer(
        200,
        link.into_iter().collect(),
        json!({"total_count": total, "runners": runners}).to_string(),
    )
}

#[tokio::test]
async fn all_pages_of_all_scopes_are_read() {
    for (scope, path) in [
        ("repo:o/r", "/repos/o/r/actions/runners"),
        ("org:o", "/orgs/o/actions/runners"),
        ("enterprise:e", "/enterprises/e/actions/runners"),
    ] {
        let (server, github) = github(move |request, _| {
            assert_eq!(request.path(), path);
            page(request, &(1..=250).collect::<Vec<_>>(), 250)
        })
        .await;
        let runners = github.runners(&scope.parse().expect("a scope")).await.expect("a list");
        assert_eq!(runners.len(), 250);
        assert_eq!(runners[3].runner_id, RunnerId(4));
        assert_eq!(runners[3].status, RunnerStatus::Online);
        assert!(runners[3].busy);
        assert_eq!(runners[3].labels, ["self-hosted", "linux"]);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_read_is_read_again() {
    // An entry of the first page is removed before the second page is read, so number 101 is on neither.
    let all: Vec<u64> = (1..=150).collect();
    let without: Vec<u64> = (2..=150).collect();
    let (server, moving_once) = github(move |request, before| match before {
        0 => page(request, &all, 150),
        1 => page(request, &without, 149),
        _ => page(request, &without, 149),
    })
    .await;
    let runners = moving_once.runners(&scope()).await.expect("a list");
    assert_eq!(runners.len(), 149);
    assert!(runners.iter().any(|runner| runner.runner_id == RunnerId(101)));
    assert_eq!(server.requests().len(), 4);

    let (_server, moving_always) = github(|request, before| {
        let total = 150 - before;
        page(request, &(1..=150).collect::<Vec<_>>(), total)
    })
    .await;
    let runners = moving_always.runners(&scope()).await.expect("what two looks found");
    assert_eq!(runners.len(), 150);

    let (_server, short) = github(|request, _| page(request, &[1, 2], 3)).await;
    let error = short.runners(&scope()).await.expect_err("one is missing");
    assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn one_runner() {
    let (_server, github) = github(|request, _| match request.path() {
        "/repos/o/r/actions/runners/7" => json(200, runner(7)),
        _ => json(404, json!({"message": "Not Found"})),
    })
    .await;
    let found = github.runner(&scope(), RunnerId(7)).await.expect("an answer");
    assert_eq!(found.map(|runner| runner.runner_name).as_deref(), Some("ci-7"));
    assert_eq!(github.runner(&scope(), RunnerId(8)).await.expect("an answer"), None);
}

#[tokio::test]
async fn what_an_answer_to_a_removal_means() {
    for (status, message, expected) in [
        (204, "", Ok(Deregistration::Removed)),
        (404, "Not Found", Ok(Deregistration::NotFound)),
        (422, "Runner \"ci-7\" is currently running a job and cannot be deleted.", Ok(Deregistration::Busy)),
        (403, "Must have admin rights to Repository.", Err(CallErrorKind::NotPermitted)),
        (500, "Server Error", Err(CallErrorKind::OutcomeUnknown)),
    ] {
        let (server, github) = github(move |_, _| json(status, json!({"message": message}))).await;
        let found = github.deregister(&scope(), RunnerId(7)).await.map_err(|error| error.call().kind);
        assert_eq!(found, expected, "{status}");
        let request = &server.requests()[0];
        assert_eq!((request.method.as_str(), request.path()), ("DELETE", "/repos/o/r/actions/runners/7"));
    }
}

#[tokio::test]
async fn tokens_and_downloads() {
    let (server, github) = github(|request, _| match request.path() {
        "/repos/o/r/actions/runners/registration-token" => {
            json(201, json!({"token": "AABF3JGZDX3P5PMEXLND6TS6FCWO6", "expires_at": "2026-01-02T04:04:05Z"}))
        }
        _ => json(
            200,
            json!([{"os": "linux", "architecture": "x64", "download_url": "https://h/a.tar.gz",
                    "filename": "a.tar.gz", "sha256_checksum": "abc"}]),
        ),
    })
    .await;
    let token = github.registration_token(&scope()).await.expect("a token");
    assert_eq!(token.token.expose_secret(), "AABF3JGZDX3P5PMEXLND6TS6FCWO6");
    assert_eq!(token.expires_at.to_string(), "2026-01-02T04:04:05Z");
    assert_eq!(server.requests()[0].method, "POST");
    let downloads = github.downloads(&scope()).await.expect("downloads");
    assert_eq!(downloads[0].sha256.as_deref(), Some("abc"));
}

pub(super) fn config(scope: &str, group: Option<&str>) -> RunnerConfig {
    let at = "2026-01-02T03:04:05Z".parse().expect("a time");
    RunnerConfig {
        scope: scope.parse().expect("a scope"),
        runner_name: RunnerName::new(&"ci".parse().expect("valid"), at, 7),
        labels: vec!["linux".parse().expect("valid")],
        runner_group: group.map(str::to_owned),
        scale_set: None,
    }
}

fn jit() -> Reply {
    json(201, json!({"runner": runner(23), "encoded_jit_config": "abc123=="}))
}

#[tokio::test]
async fn a_jit_configuration_is_asked_for_in_the_right_group() {
    let groups = json!({"total_count": 2, "runner_groups": [
        {"id": 1, "name": "Default", "default": true}, {"id": 9, "name": "big", "default": false}]});
    for (scope, group, expected) in
        [("repo:o/r", None, 1), ("repo:o/r", Some("big"), 1), ("org:o", None, 1), ("org:o", Some("Big"), 9)]
    {
        let groups = groups.clone();
        let (server, github) = github(move |request, _| match request.method.as_str() {
            "GET" => json(200, groups.clone()),
            _ => jit(),
        })
        .await;
        for _ in 0..2 {
            let made = github.jit_config(&config(scope, group)).await.expect("a configuration");
            assert_eq!(made.runner_id, RunnerId(23));
            assert_eq!(made.encoded_jit_config.expose_secret(), "abc123==");
        }
        let requests = server.requests();
        let asked = requests.last().expect("a request");
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        assert!(asked.path().ends_with("/actions/runners/generate-jitconfig"));
        assert_eq!(body["runner_group_id"], expected);
        assert_eq!(body["labels"], json!(["linux"]));
        assert_eq!(body["work_folder"], "_work");
        assert!(requests.len() <= 3, "the groups are read once");
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_is_named_with_those_that_are() {
    let (_server, github) = github(|_, _| {
        json(200, json!({"total_count": 1, "runner_groups": [{"id": 1, "name": "Default", "default": true}]}))
    })
    .await;
    let error = github.jit_config(&config("org:o", Some("big"))).await;
    let error = error.expect_err("no such group");
    assert_eq!(
        error.to_string(),
        "runner not registered: org:o has no runner group \"big\"; it has: Default"
    );
}

#[tokio::test]
async fn making_a_runner_is_not_repeated_when_the_outcome_is_unknown() {
    for (situation, reply, expected) in [
        ("name taken", json(409, json!({"message": "Already exists"})), CallErrorKind::NameTaken),
        ("bad request", json(422, json!({"message": "Validation Failed"})), CallErrorKind::Invalid),
        ("server error", json(502, json!({"message": "Bad Gateway"})), CallErrorKind::OutcomeUnknown),
        ("connection ends", Reply::HangUp, CallErrorKind::OutcomeUnknown),
        ("half an answer", Reply::Half, CallErrorKind::OutcomeUnknown),
        ("no answer", Reply::Silence, CallErrorKind::OutcomeUnknown),
    ] {
        let silent = matches!(reply, Reply::Silence);
        let answer = move |_: &Request, _| reply.clone();
        let (server, github) = if silent { hasty(answer).await } else { github(answer).await };
        let error = github.jit_config(&config("repo:o/r", None)).await.expect_err(situation);
        assert_eq!(error.call().kind, expected, "{situation}: {error}");
        assert_eq!(server.requests().len(), 1, "{situation}");
    }
}

#[tokio::test]
async fn a_total_that_is_off_by_the_same_number_for_three_looks_is_told_and_the_list_is_used() {
    let (_server, github) = github(|request, _| {
        assert!(request.path().ends_with("/actions/runners"), "{}", request.target);
        json(200, json!({"total_count": 4, "runners": [runner(3), runner(8)]}))
    })
    .await;
    let scope: Scope = "org:o".parse().expect("valid");
    for look in 1..=4 {
        let listed = github.runners(&scope).await.map(|runners| runners.len());
        let uncounted = github.uncounted_runners(&scope);
        if look < 3 {
            let error = listed.expect_err("two are not listed");
            assert_eq!((error.kind, uncounted), (CallErrorKind::Unavailable, None), "look {look}");
        } else {
            assert_eq!((listed.expect("believed"), uncounted), (2, Some(2)), "look {look}");
        }
    }
    assert_eq!(github.runners_not_listed(&scope).await.expect("it can be read"), 2);
}

#[tokio::test]
async fn what_a_runner_group_permits_is_read_with_the_list() {
    use azlin_fleet::model::{GroupRepositories, RunnerGroup};
    let (_server, github) = github(|request, _| match request.path() {
        "/orgs/o/actions/runner-groups" | "/enterprises/e/actions/runner-groups" => {
            let group = |id: u64, name: &str, visibility: &str, public: bool, files: Option<&[&str]>| {
                json!({
                    "id": id, "name": name, "visibility": visibility, "default": id == 1, "inherited": false,
                    "allows_public_repositories": public, "restricted_to_workflows": files.is_some(),
                    "selected_workflows": files.unwrap_or_default(), "workflow_restrictions_read_only": false
                })
            };
            let all = [
                group(1, "Everybody", "all", false, None),
                group(4, "few", "selected", true, None),
                group(6, "ship", "private", true, Some(&["o/r/.github/workflows/ship.yml@v2"])),
                json!({"id": 9, "name": "old"}),
            ];
            json(200, json!({"total_count": all.len(), "runner_groups": all}))
        }
        "/orgs/o/actions/runner-groups/4/repositories" => {
            json(200, json!({"total_count": 1, "repositories": [{"id": 5, "full_name": "O/Chosen"}]}))
        }
        "/enterprises/e/actions/runner-groups/4/organizations" => {
            json(200, json!({"total_count": 1, "organizations": [{"id": 5, "login": "p"}]}))
        }
        other => panic!("{other} is not asked for"),
    })
    .await;
    let group = |name: &str, repositories, allows_public, workflows: Option<&str>| RunnerGroup {
        name: name.into(),
        repositories,
        allows_public,
        workflows: workflows.map(|file| vec![file.into()]),
    };
    let selected = |pattern: &str| GroupRepositories::Selected(vec![pattern.parse().expect("valid")]);
    for (scope, name, expected) in [
        ("org:o", None, Some(group("Everybody", GroupRepositories::All, false, None))),
        ("org:o", Some("Default"), Some(group("Everybody", GroupRepositories::All, false, None))),
        ("org:o", Some("FEW"), Some(group("few", selected("o/chosen"), true, None))),
        ("enterprise:e", Some("few"), Some(group("few", selected("p/*"), true, None))),
        (
            "org:o",
            Some("ship"),
            Some(group("ship", GroupRepositories::Private, true, Some("o/r/.github/workflows/ship.yml@v2"))),
        ),
        ("org:o", Some("old"), Some(group("old", GroupRepositories::All, true, None))),
        ("org:o", Some("none"), None),
        ("repo:o/r", None, None),
    ] {
        let found = github.runner_group(&scope.parse().expect("valid"), name).await.expect("it can be read");
        assert_eq!(found, expected, "{scope} {name:?}");
    }
}
