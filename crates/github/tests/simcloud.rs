//! The client against the simulated GitHub: kept connections, several pages, and a world that changes.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{
    CallErrorKind, Deregistration, FoundJob, JobId, JobStatus, RepoSlug, RunnerConfig, RunnerId, RunnerName,
    RunnerStatus, Scope, TokenAccess,
};
use azlin_fleet::ports::GitHub;
use azlin_github::{App, GitHubClient, GitHubSettings, Token};
use azlin_simcloud::github::Conclusion;
use azlin_simcloud::{APP_ID, APP_PRIVATE_KEY, INSTALLATION_ID, Served, Workload, World};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

async fn world(workload: &str) -> (Served, GitHubClient) {
    let workload = Workload::parse(workload).expect("a workload");
    let world = World::new(&workload, Timestamp::now());
    let token = world.settings.token.clone();
    let served = Served::start(world, Arc::new(Timestamp::now)).await.expect("two ports");
    let client = client(&served, &token);
    (served, client)
}

fn client(served: &Served, token: &str) -> GitHubClient {
    let url = format!("http://{}", served.github).parse().expect("a URL");
    let token = Token::new(&SecretString::from(token)).expect("a token");
    let settings =
        GitHubSettings { retry_pause: Duration::from_millis(1), ..GitHubSettings::new(url, token) };
    GitHubClient::new(settings).expect("a client")
}

fn repo() -> RepoSlug {
    "o/r".parse().expect("valid")
}

fn scope() -> Scope {
    Scope::Repo(repo())
}

fn config(number: u32) -> RunnerConfig {
    let name = RunnerName::new(&"ci".parse().expect("valid"), Timestamp::UNIX_EPOCH, number);
    RunnerConfig {
        scope: scope(),
        runner_name: name,
        labels: vec!["docker".parse().expect("valid")],
        runner_group: None,
        scale_set: None,
    }
}

fn submit(served: &Served, runs: usize, jobs: usize) {
    for _ in 0..runs {
        let jobs = (0..jobs).map(|_| (vec!["self-hosted".to_owned(), "docker".to_owned()], HOUR)).collect();
        served.world().submit("o/r", jobs, Vec::new());
    }
}

#[tokio::test]
async fn a_queue_of_many_runs_and_pages_is_read_whole_and_cheaply() {
    let (served, github) = world("repositories = ['o/r']").await;
    submit(&served, 130, 1);
    submit(&served, 1, 230);
    let first = github.queue(&repo()).await.expect("a queue");
    assert_eq!(first.jobs.len(), 130 + 230);
    assert!(first.missing.is_empty() && first.jobs.iter().all(|job| job.status == JobStatus::Queued));

    let before = github.counts();
    assert_eq!(github.queue(&repo()).await.expect("a queue"), first);
    let after = github.counts();
    let (runs, further_pages) = (131, 1 + 2);
    assert_eq!(after.requests - before.requests, 3 + runs + further_pages);
    assert_eq!(after.not_modified - before.not_modified, after.requests - before.requests);
}

#[tokio::test]
async fn a_job_is_found_by_its_number_completed_or_not() {
    let (served, github) = world("repositories = ['o/r', 'o/other']").await;
    submit(&served, 1, 2);
    let queued = github.queue(&repo()).await.expect("a queue").jobs;
    for job in &queued {
        let found = github.job(&repo(), job.id).await.expect("an answer");
        assert_eq!(found, Some(FoundJob::Open(job.clone())), "as the queue has it, with its run");
    }
    let id = queued[0].id;
    let now = served.world().now();
    served.world().state.github.complete(id.0, Conclusion::Cancelled, now);
    match github.job(&repo(), id).await.expect("an answer") {
        Some(FoundJob::Completed(job)) => {
            assert_eq!((job.conclusion.as_str(), job.runner_name), ("cancelled", None));
            assert!(job.completed_at.is_some());
        }
        other => panic!("completed: {other:?}"),
    }
    assert_eq!(github.job(&repo(), JobId(5)).await, Ok(None));
    let other = "o/other".parse().expect("valid");
    assert_eq!(github.job(&other, id).await, Ok(None), "it is in another repository");
}

#[tokio::test]
async fn a_runner_is_prepared_listed_and_removed() {
    let (_served, github) = world("repositories = ['o/r']").await;
    let made = github.jit_config(&config(1)).await.expect("a configuration");
    assert!(!made.encoded_jit_config.expose_secret().is_empty());
    let again = github.jit_config(&config(1)).await.expect_err("the name is taken");
    assert_eq!(again.call().kind, CallErrorKind::NameTaken);

    let list = github.runners(&scope()).await.expect("a list");
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0].runner_id, list[0].status, list[0].busy),
        (made.runner_id, RunnerStatus::Offline, false)
    );
    assert_eq!(github.runner(&scope(), made.runner_id).await.expect("an answer").as_ref(), Some(&list[0]));
    let by_name = github.runner_named(&scope(), &config(1).runner_name).await;
    assert_eq!(by_name.expect("an answer").as_ref(), Some(&list[0]));
    assert_eq!(github.runner_named(&scope(), &config(2).runner_name).await, Ok(None));

    for expected in [Deregistration::Removed, Deregistration::NotFound] {
        assert_eq!(github.deregister(&scope(), made.runner_id).await, Ok(expected));
    }
    assert_eq!(github.runner(&scope(), made.runner_id).await, Ok(None));
    let token = github.registration_token(&scope()).await.expect("a token");
    assert!(token.expires_at > Timestamp::now());
    assert!(token.url.starts_with("http://127.0.0.1:") && token.url.ends_with("/o/r"), "{}", token.url);
    assert!(github.downloads(&scope()).await.expect("downloads").iter().any(|one| one.os == "linux"));
}

#[tokio::test]
async fn more_than_two_pages_of_runners_of_an_organisation_in_a_group() {
    let (served, github) = world("repositories = ['o/r']").await;
    let org: Scope = "org:o".parse().expect("valid");
    for number in 0..5 {
        let group = Some("Builders".to_owned());
        let config = RunnerConfig { scope: org.clone(), runner_group: group, ..config(number) };
        github.jit_config(&config).await.expect("a configuration");
    }
    // Made in the world directly: the client's limit on creations would make this slow.
    for number in 5..215 {
        let labels = vec!["docker".to_owned()];
        served.world().jit_config(&org, &format!("other-{number}"), 1, labels).expect("a configuration");
    }
    assert_eq!(github.runners(&org).await.expect("a list").len(), 215);
}

#[tokio::test]
async fn a_wrong_token_a_wrong_repository_and_an_empty_budget() {
    let (served, github) = world("repositories = ['o/r']\nsettings = { rate_limit = 8 }").await;
    let nowhere = "o/other".parse().expect("valid");
    let error = github.queue(&nowhere).await.expect_err("no such repository");
    assert_eq!(error.kind, CallErrorKind::NotFound);

    let stranger = client(&served, "ghp_Str4nger");
    let error = stranger.runners(&scope()).await.expect_err("a wrong token");
    assert_eq!(error.kind, CallErrorKind::NotPermitted);

    let mut last = None;
    for id in 0..8 {
        last = github.runner(&scope(), RunnerId(id)).await.err();
    }
    let error = last.expect("the budget is used up");
    assert!(error.kind == CallErrorKind::Throttled && error.retry_after.is_some(), "{error}");
    assert_eq!(github.budget().map(|budget| budget.remaining), Some(0));
}

#[tokio::test]
async fn faults_on_kept_connections_are_not_seen() {
    for what in ["'reset'", "'truncated'", "'lost_answer'", "{ status = [502] }", "{ status = [429, 1] }"] {
        let what = what.replace("[502]", "[502, 0]");
        let fault = format!("[[faults]]\nwhat = {what}\nside = 'github'\ntimes = 1\nmethod = 'GET'\n");
        let (served, github) = world(&format!("repositories = ['o/r']\n{fault}")).await;
        submit(&served, 3, 2);
        for _ in 0..2 {
            let queue = github.queue(&repo()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!((queue.jobs.len(), queue.missing.len()), (6, 0), "{what}");
        }
    }
}

#[tokio::test]
async fn a_configuration_whose_answer_is_lost_is_made_once_and_its_outcome_is_unknown() {
    let fault = "[[faults]]\nwhat = 'lost_answer'\nmethod = 'POST'\ntimes = 1\n";
    let (_served, github) = world(&format!("repositories = ['o/r']\n{fault}")).await;
    let error = github.jit_config(&config(1)).await.expect_err("no answer");
    assert_eq!(error.call().kind, CallErrorKind::OutcomeUnknown);
    assert_eq!(github.runners(&scope()).await.expect("a list").len(), 1);
}

#[tokio::test]
async fn an_app_outlives_its_tokens() {
    let workload = "repositories = ['o/r', 'o/r2']\n[settings]\napp_token_life = '2s'\n";
    let (served, _) = world(workload).await;
    let of = |id: &str, installation_id| {
        let url = format!("http://{}", served.github).parse().expect("a URL");
        let app = App::new(id, installation_id, &SecretString::from(APP_PRIVATE_KEY)).expect("a key");
        let settings =
            GitHubSettings { retry_pause: Duration::from_millis(1), ..GitHubSettings::new(url, app) };
        GitHubClient::new(settings).expect("a client")
    };
    let github = of(APP_ID, INSTALLATION_ID);
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        github.runners(&scope()).await.expect("it is signed in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let repos = github.repositories(&"o".parse().expect("valid")).await.expect("a list");
    assert_eq!(repos, ["o/r".parse().expect("valid"), "o/r2".parse().expect("valid")]);
    let credential =
        azlin_fleet::ports::preflight::GitHubPreflight::credential(&github).await.expect("it is told");
    assert_eq!(credential.login.as_deref(), Some("azlin-runners"));
    for (id, installation_id, cure) in [("4712", INSTALLATION_ID, "app_id"), (APP_ID, 7, "installation_id")] {
        let error = of(id, installation_id).runners(&scope()).await.expect_err(cure);
        assert!(error.kind == CallErrorKind::NotPermitted && error.to_string().contains(cure), "{error}");
    }
}

/// A client that signs in as an app. From here on its requests are recorded.
fn as_app(served: &Served) -> GitHubClient {
    served.record();
    let url = format!("http://{}", served.github).parse().expect("a URL");
    let app = App::new(APP_ID, INSTALLATION_ID, &SecretString::from(APP_PRIVATE_KEY)).expect("a key");
    let settings = GitHubSettings { retry_pause: Duration::from_millis(1), ..GitHubSettings::new(url, app) };
    GitHubClient::new(settings).expect("a client")
}

/// How many tokens were issued, and the bodies that they were asked for with.
fn tokens(served: &Served) -> Vec<serde_json::Value> {
    let asked = served.recorded().into_iter().filter(|exchange| exchange.path.ends_with("/access_tokens"));
    asked.map(|exchange| serde_json::from_slice(&exchange.request).unwrap_or_default()).collect()
}

fn of_repository(repo: &str) -> TokenAccess {
    TokenAccess::of_request(&format!("repos/{repo}/actions/runs"))
        .and(&TokenAccess::of_request(&format!("repos/{repo}/actions/runners")))
}

#[tokio::test]
async fn an_app_s_token_is_for_the_fleets_and_widened_by_what_they_come_to_need() {
    let (served, _) = world("repositories = ['o/r', 'o/r2']\n").await;
    let github = as_app(&served);
    github.serve_access(&Arc::new(of_repository("o/r")));
    github.runners(&scope()).await.expect("it is permitted");
    github.queue(&"o/r".parse().expect("valid")).await.expect("it is permitted");
    let permissions = json!({"actions": "read", "administration": "write", "metadata": "read"});
    assert_eq!(tokens(&served), [json!({"permissions": permissions, "repositories": ["r"]})]);

    // A fleet of another repository comes: one more token, for both.
    github.serve_access(&Arc::new(of_repository("o/r").and(&of_repository("o/r2"))));
    for repo in ["o/r", "o/r2"] {
        github.queue(&repo.parse().expect("valid")).await.expect("it is permitted");
    }
    assert_eq!(tokens(&served)[1..], [json!({"permissions": permissions, "repositories": ["r", "r2"]})]);

    // A runner of a scope that no fleet names any more is still found.
    let org: Scope = "org:o".parse().expect("valid");
    assert_eq!(github.runners(&org).await.expect("it is permitted"), []);
    let last = tokens(&served).pop().expect("one more");
    assert_eq!(last["permissions"]["organization_self_hosted_runners"], "write");
    assert_eq!(tokens(&served).len(), 3);
}

#[tokio::test]
async fn where_an_app_has_less_the_token_has_all_of_it_and_check_says_so() {
    for (premises, expected, said) in [
        ("app_permissions = ['administration=write', 'metadata=read']\n", 3, "permissions requested"),
        ("", 2, "at least one repository"),
    ] {
        let (served, _) = world(&format!("repositories = ['o/r']\n[premises]\n{premises}")).await;
        let github = as_app(&served);
        let gone = if premises.is_empty() { "o/gone" } else { "o/r" };
        github.serve_access(&Arc::new(of_repository("o/r").and(&of_repository(gone))));
        github.runners(&scope()).await.expect("what worked goes on");
        assert_eq!(tokens(&served).len(), expected, "{said}");
        let credential =
            azlin_fleet::ports::preflight::GitHubPreflight::credential(&github).await.expect("it is told");
        let refusal = credential.narrow_refused.expect("GitHub refused it");
        assert!(refusal.contains(said), "{refusal}");
        assert_eq!(tokens(&served).len(), expected, "{said}: no other token");
    }
}

#[tokio::test]
async fn a_token_does_no_more_than_it_was_asked_for_with() {
    let (served, _) = world("repositories = ['o/r', 'o/r2']\n").await;
    let github = as_app(&served);
    github.serve_access(&Arc::new(of_repository("o/r")));
    github.runners(&scope()).await.expect("it is permitted");
    let token = served.recorded().into_iter().find(|exchange| exchange.path.ends_with("/access_tokens"));
    let body: serde_json::Value = serde_json::from_slice(&token.expect("one").response).expect("JSON");
    let thief = client(&served, body["token"].as_str().expect("a token"));
    thief.queue(&"o/r".parse().expect("valid")).await.expect("this is what it is for");
    thief.queue(&"o/r2".parse().expect("valid")).await.expect_err("another repository");
    thief.runners(&"org:o".parse().expect("valid")).await.expect_err("the organisation");
}

#[tokio::test]
async fn what_two_daemons_on_one_token_register_beyond_githubs_minute_is_refused_once_and_waited_for() {
    let (served, first) = world("").await;
    submit(&served, 1, 1);
    let second = client(&served, &served.world().settings.token.clone());
    // 180 registrations of five points are the 900 of a minute.
    for number in 0..179 {
        let client = if number < 100 { &first } else { &second };
        client.jit_config(&config(number)).await.expect("within the limit");
    }
    let beyond = || served.world().statistics.requests_beyond_secondary_limits;
    second.jit_config(&config(179)).await.expect("the last");
    assert_eq!(beyond(), 0);
    for number in [180, 181] {
        let error = second.jit_config(&config(number)).await.expect_err("beyond the limit");
        let error = error.call();
        assert_eq!(error.kind, CallErrorKind::Throttled, "{error}");
        assert!(error.retry_after.is_some_and(|wait| wait <= Duration::from_secs(61)), "{error:?}");
        assert_eq!(beyond(), 1, "the second is not sent");
    }
}
