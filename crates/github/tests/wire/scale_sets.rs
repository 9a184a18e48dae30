//! Runner scale sets: their common life against the simulated GitHub, and what only a scripted server shows.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{
    CallErrorKind, JobNewsKind, MessageId, RunnerConfig, RunnerInfo, RunnerName, ScaleSetConfig, Scope,
    SessionError, SetDeletion,
};
use azlin_fleet::ports::GitHub;
use azlin_github::{GitHubClient, GitHubSettings, Token};
use azlin_simcloud::scripted::{Reply, Request, json};
use azlin_simcloud::{Served, Workload, World};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{github, page, told};

fn org() -> Scope {
    "org:o".parse().expect("a scope")
}

fn config(labels: &[&str]) -> ScaleSetConfig {
    let labels = labels.iter().map(|label| label.parse().expect("a label")).collect();
    ScaleSetConfig { scope: org(), name: "lin x&y".to_owned(), runner_group: None, labels }
}

/// A runner of the set.
fn runner(number: u32) -> RunnerConfig {
    RunnerConfig {
        scope: org(),
        runner_name: RunnerName::new(&"ci".parse().expect("valid"), Timestamp::UNIX_EPOCH, number),
        labels: Vec::new(),
        runner_group: None,
        scale_set: Some("lin x&y".to_owned()),
    }
}

async fn cloud(settings: &str) -> (Served, GitHubClient) {
    let text = format!("repositories = ['o/r']\n[settings]\npoll_hold = '50ms'\n{settings}\n");
    let world = World::new(&Workload::parse(&text).expect("a workload"), Timestamp::now());
    let token = Token::new(&SecretString::from(world.settings.token.as_str())).expect("a token");
    let served = Served::start(world, Arc::new(Timestamp::now)).await.expect("two ports");
    let url = format!("http://{}", served.github).parse().expect("a URL");
    let settings =
        GitHubSettings { retry_pause: Duration::from_millis(1), ..GitHubSettings::new(url, token) };
    (served, GitHubClient::new(settings).expect("a client"))
}

fn submit(served: &Served, jobs: usize) {
    let jobs = (0..jobs).map(|_| (vec!["docker".to_owned()], Duration::from_secs(3600))).collect();
    served.world().submit("o/r", jobs, Vec::new());
}

#[tokio::test]
async fn the_life_of_a_set() {
    let (served, github) = cloud("").await;
    let sets = github.scale_sets();
    let wanted = config(&["lin", "docker"]);
    assert_eq!(sets.find(&wanted).await.expect("an answer"), None);
    let made = sets.create(&wanted).await.expect("a set");
    assert_eq!((made.name.as_str(), made.labels.len()), ("lin x&y", 2));
    let taken = sets.create(&wanted).await.expect_err("it is there");
    assert_eq!(taken.kind, CallErrorKind::NameTaken, "{taken}");
    assert_eq!(sets.find(&wanted).await.expect("an answer").map(|set| set.id), Some(made.id));
    let other = config(&["docker", "gpu", "lin"]);
    assert_eq!(sets.relabel(made.id, &other).await.expect("relabelled").labels, ["docker", "gpu", "lin"]);

    let mut session = sets.open(&org(), made.id, "here").await.expect("a session");
    let second = sets.open(&org(), made.id, "here").await.expect_err("one at a time");
    assert!(matches!(second, SessionError::Taken(_)), "{second}");
    assert_eq!(sets.next(&mut session, None, 10).await.expect("a poll"), None);
    submit(&served, 2);
    let message = sets.next(&mut session, None, 10).await.expect("a poll").expect("a message");
    assert_eq!(message.level.map(|level| (level.assigned, level.running)), Some((2, 0)));
    assert!(message.news.iter().all(|news| news.kind == JobNewsKind::Assigned), "{message:?}");
    assert_eq!(sets.next(&mut session, Some(message.id), 10).await.expect("a poll"), None);
    for _ in 0..2 {
        sets.acknowledge(&mut session, message.id).await.expect("deleted, or gone");
    }
    let nowhere = sets.acquire(&mut session, &[1]).await.expect_err("nothing is offered here");
    assert_eq!(nowhere.call().kind, CallErrorKind::NotFound, "{nowhere}");

    let made_runner = github.jit_config(&runner(1)).await.expect("a runner");
    assert!(made_runner.encoded_jit_config.expose_secret().len() > 1000);
    let again = github.jit_config(&runner(1)).await.expect_err("the name is taken");
    assert_eq!(again.call().kind, CallErrorKind::NameTaken);
    let listed = github.runners(&org()).await.expect("a list");
    assert_eq!(listed[0].runner_id, made_runner.runner_id, "the REST API shows it");
    let of_service = sets.runners(&org()).await.expect("a list");
    let unlabelled: Vec<_> =
        listed.into_iter().map(|runner| RunnerInfo { labels: Vec::new(), ..runner }).collect();
    assert_eq!(of_service, unlabelled, "the service lists the same");

    sets.close(&org(), &session.key).await.expect("closed");
    sets.close(&org(), &session.key).await.expect("it is closed");
    assert_eq!(sets.delete(&org(), made.id).await, Ok(SetDeletion::Deleted));
    assert_eq!(sets.delete(&org(), made.id).await, Ok(SetDeletion::NotFound));
    let gone = sets.open(&org(), made.id, "here").await.expect_err("it is gone");
    assert!(matches!(gone, SessionError::SetGone(_)), "{gone}");
}

#[tokio::test]
async fn an_offer_is_acquired() {
    let (served, github) = cloud("scale_set_offers = true").await;
    let sets = github.scale_sets();
    let made = sets.create(&config(&["docker"])).await.expect("a set");
    let mut session = sets.open(&org(), made.id, "here").await.expect("a session");
    assert_eq!(sets.next(&mut session, None, 10).await.expect("a poll"), None);
    submit(&served, 1);
    let message = sets.next(&mut session, None, 10).await.expect("a poll").expect("a message");
    let JobNewsKind::Offered(id) = message.news[0].kind else { panic!("{message:?}") };
    assert_eq!(sets.offered(&org(), made.id).await, Ok(vec![id]), "also without its message");
    assert_eq!(sets.acquire(&mut session, &[id, 7]).await, Ok(vec![id]));
    assert_eq!(sets.offered(&org(), made.id).await, Ok(Vec::new()));
    let next = sets.next(&mut session, Some(message.id), 10).await.expect("a poll").expect("a message");
    assert_eq!(next.news[0].kind, JobNewsKind::Assigned);
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart_and_the_token_of_a_queue_is_renewed() {
    for (fault, expected) in [
        ("queue_token_dies", "a message"),
        ("session_ended", "over"),
        ("deleted", "gone"),
        ("empty_message", "call"),
    ] {
        let (served, github) = cloud("").await;
        let sets = github.scale_sets();
        let made = sets.create(&config(&["docker"])).await.expect("a set");
        let mut session = sets.open(&org(), made.id, "here").await.expect("a session");
        sets.next(&mut session, None, 10).await.expect("a poll");
        submit(&served, 1);
        let text = format!("[[faults]]\nwhat = {{ scale_set = '{fault}' }}\ntimes = 1");
        let faults = Workload::parse(&text).expect("a workload").faults;
        served.world().faults = azlin_simcloud::fault::Faults::new(faults);
        let found = match sets.next(&mut session, None, 10).await {
            Ok(Some(_)) => "a message",
            Ok(None) => "nothing",
            Err(SessionError::Over(_)) => "over",
            Err(SessionError::SetGone(_)) => "gone",
            Err(SessionError::Taken(_)) => "taken",
            Err(SessionError::Call(_)) => "call",
        };
        assert_eq!(found, expected, "{fault}");
    }
}

/// GitHub's answers to signing in; the token of the service has the number of times that this was done.
fn signing_in(request: &Request, signed_in: usize) -> Option<Reply> {
    let host = request.header("host").expect("a host");
    match request.path() {
        "/orgs/o/actions/runners/registration-token" => {
            Some(json(201, json!({"token": "AREG", "expires_at": "2099-01-01T00:00:00Z"})))
        }
        "/actions/runner-registration" => {
            let body = json!({"url": format!("http://{host}/tenant/"), "token": format!("admin-token-of-the-service-{signed_in}")});
            Some(Reply::Answer(200, Vec::new(), format!("\u{feff}{body}")))
        }
        _ => None,
    }
}

fn empty_list() -> Reply {
    json(200, json!({"count": 0, "value": []}))
}

#[tokio::test]
async fn each_token_goes_where_it_belongs() {
    let (server, github) = github(|request, _| signing_in(request, 1).unwrap_or_else(empty_list)).await;
    let found = github.scale_sets().find(&config(&[])).await.expect("an answer");
    assert_eq!(found, None);
    let all: Vec<(String, String)> = server
        .requests()
        .iter()
        .map(|it| (it.target.clone(), it.header("authorization").unwrap_or_default().to_owned()))
        .collect();
    let [token, registration, list] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(token.1, format!("Bearer {}", crate::TOKEN));
    assert_eq!(
        (registration.0.as_str(), registration.1.as_str()),
        ("/actions/runner-registration", "RemoteAuth AREG")
    );
    let target =
        "/tenant/_apis/runtime/runnerscalesets?runnerGroupId=1&name=lin+x%26y&api-version=6.0-preview";
    assert_eq!((list.0.as_str(), list.1.as_str()), (target, "Bearer admin-token-of-the-service-1"));
    let body: Value = serde_json::from_str(&server.requests()[1].body).expect("JSON");
    assert!(body["url"].as_str().is_some_and(|url| url.ends_with("/o")), "{body}");
}

/// A runner that a list lacks would be taken for gone, and one whose state it lacks for idle.
#[tokio::test]
async fn a_list_of_runners_is_whole_or_an_error() {
    let full = json!({"id": 7, "name": "ci-1", "status": "online", "busy": true, "labels": null});
    for (list, expected) in [
        (json!({"count": 1, "value": [full]}), Some(1)),
        (json!({"count": 0, "value": []}), Some(0)),
        (json!({"count": 2, "value": [full]}), None),
        (json!({"count": 1}), None),
        (json!({"value": []}), None),
        (json!({"count": 1, "value": [{"id": 7, "name": "ci-1", "runnerScaleSetId": 3}]}), None),
    ] {
        let answer = list.clone();
        let (_server, github) =
            github(move |request, _| signing_in(request, 1).unwrap_or_else(|| json(200, answer.clone())))
                .await;
        let read = github.scale_sets().runners(&org()).await;
        assert_eq!(read.as_ref().ok().map(Vec::len), expected, "{list}: {read:?}");
    }
}

#[tokio::test]
async fn a_token_of_the_service_is_used_again_and_replaced_once_when_it_is_refused() {
    let (server, github) = github(|request, before| {
        let is_old = request.header("authorization") == Some("Bearer admin-token-of-the-service-1");
        signing_in(request, before).unwrap_or_else(|| {
            if is_old && before > 3 {
                json(401, json!({"typeName": "GitHub.InvalidTokenException, GitHub", "message": "expired"}))
            } else {
                empty_list()
            }
        })
    })
    .await;
    for _ in 0..3 {
        github.scale_sets().list(&org()).await.expect("a list");
    }
    let paths: Vec<String> = server.requests().iter().map(|it| it.path().to_owned()).collect();
    let signed_in = paths.iter().filter(|path| path.ends_with("/runner-registration")).count();
    assert_eq!((signed_in, paths.len()), (2, 8), "{paths:?}");
}

#[tokio::test]
async fn a_fresh_registration_token_that_is_refused_is_replaced() {
    let (server, github) = github(|request, before| {
        if request.path() == "/actions/runner-registration" && before < 2 {
            return json(403, json!({"message": "Forbidden"}));
        }
        signing_in(request, before).unwrap_or_else(empty_list)
    })
    .await;
    github.scale_sets().list(&org()).await.expect("a list");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_service_at_an_unsafe_address_gets_no_token() {
    let (server, github) = github(|request, _| match request.path() {
        "/actions/runner-registration" => {
            json(200, json!({"url": "http://elsewhere.example/", "token": "x"}))
        }
        _ => signing_in(request, 1).unwrap_or_else(empty_list),
    })
    .await;
    let error = github.scale_sets().list(&org()).await.expect_err("no address");
    assert!(error.to_string().contains("no address of the service"), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_in_doubt_and_sent_once() {
    let (server, github) = github(|request, _| signing_in(request, 1).unwrap_or_else(|| page(502))).await;
    let error = github.scale_sets().create(&config(&["docker"])).await.expect_err("a failure");
    assert_eq!(error.kind, CallErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(server.requests().len(), 3);
    let error = github.scale_sets().list(&org()).await.expect_err("a failure");
    assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
    assert_eq!(server.requests().len(), 6, "a read is tried three times");
}

#[tokio::test]
async fn a_burst_of_runners_is_told_to_wait() {
    let (_server, github) = github(|request, _| {
        signing_in(request, 1).unwrap_or_else(|| match request.method.as_str() {
            "GET" => json(200, json!({"value": [{"id": 7, "name": "lin x&y"}]})),
            _ => told(429, &[("retry-after", "30")], ""),
        })
    })
    .await;
    let error = github.jit_config(&runner(1)).await.expect_err("too many");
    assert_eq!(error.call().kind, CallErrorKind::Throttled, "{error}");
    assert_eq!(error.call().retry_after, Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn nothing_secret_is_in_an_error() {
    let (_server, github) = github(|request, _| {
        let told = request.header("authorization").unwrap_or_default().to_owned();
        match request.path() {
            "/tenant/_apis/runtime/runnerscalesets/7/sessions" => json(200, json!({
                "sessionId": "5b0c", "messageQueueUrl": format!("http://{}/queue?sessionId=5b0c", request.header("host").expect("a host")),
                "messageQueueAccessToken": "eyJqueue.secret.token",
            })),
            "/queue" | "/queue/8" => told_back(&told),
            _ => signing_in(request, 1).unwrap_or_else(|| told_back(&told)),
        }
    })
    .await;
    let sets = github.scale_sets();
    let mut session = sets.open(&org(), azlin_fleet::model::ScaleSetId(7), "here").await.expect("a session");
    let list = sets.list(&org()).await.expect_err("refused").to_string();
    let poll = sets.next(&mut session, None, 1).await.expect_err("refused").to_string();
    let gone = sets.acknowledge(&mut session, MessageId(8)).await.expect_err("refused").to_string();
    for error in [list, poll, gone] {
        assert!(!error.contains("admin-token") && !error.contains("secret"), "{error}");
    }
}

/// A refusal that gives the request's credential back.
fn told_back(credential: &str) -> Reply {
    told(400, &[("content-type", "text/plain")], &format!("what is {credential}?"))
}
