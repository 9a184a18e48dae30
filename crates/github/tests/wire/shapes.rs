//! Answers of GitHub in all their forms: old and new, of github.com and of a GitHub Enterprise Server.

use azlin_fleet::model::{CallError, Deregistration, FoundJob, JobId, JobStatus, RunnerId, RunnerStatus};
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::json;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::runners::config;
use crate::{github, repo, scope, told};

fn label(id: u64, name: &str, kind: &str) -> Value {
    json!({"id": id, "name": name, "type": kind})
}

#[tokio::test]
async fn an_organisations_runners_are_followed_to_its_number() {
    let (server, github) = github(|request, _| {
        let page: u64 = request.query("page").map_or(1, |page| page.parse().expect("a page"));
        let host = request.header("host").expect("a host");
        let next = format!(
            "<http://{host}/organizations/4321/actions/runners?per_page=100&page={}>; rel=\"next\", \
             <http://{host}/organizations/4321/actions/runners?per_page=100&page=3>; rel=\"last\"",
            page + 1
        );
        let runner = |id: u64| {
            json!({"id": id, "name": format!("ci-{id}"), "os": "Linux", "status": "online", "busy": id == 1,
                   "labels": [label(0, "self-hosted", "read-only"), label(0, "builder", "custom")]})
        };
        let ids = (page - 1) * 100 + 1..=(page * 100).min(250);
        let body = json!({"total_count": 250, "runners": ids.map(runner).collect::<Vec<_>>()}).to_string();
        let link = [("link", next.as_str())];
        told(200, if page < 3 { &link } else { &[] }, &body)
    })
    .await;
    let runners = github.runners(&"org:mona-org".parse().expect("a scope")).await.expect("a list");
    assert_eq!((runners.len(), runners.iter().filter(|runner| runner.busy).count()), (250, 1));
    assert!(runners.iter().all(|runner| runner.labels == ["self-hosted", "builder"]));
    let paths: Vec<String> = server.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths[1..], ["/organizations/4321/actions/runners", "/organizations/4321/actions/runners"]);
}

#[tokio::test]
async fn runners_of_all_times_are_read() {
    let list = json!({"total_count": 4, "runners": [
        // Made a second ago, as a JIT configuration.
        {"id": 70001, "name": "ours", "os": "unknown", "status": "offline", "busy": false, "runner_group_id": 1,
         "labels": [label(0, "docker", "read-only")]},
        // A larger runner of GitHub's own.
        {"id": 70002, "name": "ubuntu-24.04-8core_1", "os": "Ubuntu 24.04.2 LTS", "status": "online", "busy": false, "labels": []},
        // Of 2020.
        {"id": 91, "name": "old", "os": "linux", "status": "offline", "busy": false,
         "labels": [label(1, "self-hosted", "read-only"), label(4, "Linux", "read-only")]},
        {"id": 92, "name": "odd", "os": "Linux", "status": "asleep", "busy": false, "labels": null},
    ]});
    let (_server, github) = github(move |_, _| json(200, list.clone())).await;
    let runners = github.runners(&scope()).await.expect("a list");
    let of = |name: &str| runners.iter().find(|runner| runner.runner_name == name).expect(name);
    assert_eq!(
        (of("ours").status, of("ours").labels.as_slice()),
        (RunnerStatus::Offline, ["docker".into()].as_slice())
    );
    assert_eq!(
        (of("ubuntu-24.04-8core_1").status, of("ubuntu-24.04-8core_1").labels.len()),
        (RunnerStatus::Online, 0)
    );
    assert_eq!(of("old").labels, ["self-hosted", "Linux"]);
    assert_eq!((of("odd").status, of("odd").labels.len()), (RunnerStatus::Offline, 0));
}

#[tokio::test]
async fn a_removal_is_known_by_its_status_and_not_by_its_text() {
    for (status, body, expected) in [
        (204, String::new(), Deregistration::Removed),
        (
            422,
            json!({"message": "Bad request - Runner \"ci-9\" is still running a job\""}).to_string(),
            Deregistration::Busy,
        ),
        (422, json!({"message": "anything"}).to_string(), Deregistration::Busy),
        (404, json!({"message": "Not Found", "status": "404"}).to_string(), Deregistration::NotFound),
    ] {
        let (_server, github) = github(move |_, _| told(status, &[], &body)).await;
        assert_eq!(github.deregister(&scope(), RunnerId(9)).await, Ok(expected), "{status}");
    }
}

#[tokio::test]
async fn a_jit_configuration_of_any_server_is_read() {
    let labels = json!([label(0, "self-hosted", "read-only"), label(0, "docker", "read-only")]);
    for group in [json!({"runner_group_id": 1}), json!({})] {
        let mut runner = json!({"id": 88, "name": "ci-1", "os": "unknown", "status": "offline", "busy": false, "labels": labels});
        runner.as_object_mut().expect("an object").extend(group.as_object().expect("an object").clone());
        let (_server, github) =
            github(move |_, _| json(201, json!({"runner": runner, "encoded_jit_config": "c2VjcmV0"}))).await;
        let made = github.jit_config(&config("repo:o/r", None)).await.expect("a configuration");
        assert_eq!((made.runner_id, made.encoded_jit_config.expose_secret()), (RunnerId(88), "c2VjcmV0"));
    }
}

#[tokio::test]
async fn downloads_keep_their_architectures_apart_and_may_have_no_checksum() {
    let one = |os: &str, architecture: &str| {
        let filename = format!("actions-runner-{os}-{architecture}-2.999.0.tar.gz");
        json!({"os": os, "architecture": architecture, "download_url": format!("https://h/{filename}"),
               "filename": filename, "sha256_checksum": "ab12"})
    };
    let mut of_a_server = one("linux", "x64");
    let fields = of_a_server.as_object_mut().expect("an object");
    fields.remove("sha256_checksum");
    fields.insert("temp_download_token".to_owned(), json!("t0ken"));
    let all = json!([
        one("osx", "x64"),
        one("linux", "x64"),
        one("linux", "arm"),
        one("win", "x64"),
        one("linux", "arm64"),
        of_a_server
    ]);
    let (_server, github) = github(move |_, _| json(200, all.clone())).await;
    let found = github.downloads(&scope()).await.expect("downloads");
    let linux: Vec<&str> =
        found.iter().filter(|one| one.os == "linux").map(|one| one.architecture.as_str()).collect();
    assert_eq!(linux, ["x64", "arm", "arm64", "x64"]);
    assert_eq!((found[5].sha256.as_deref(), found[5].version()), (None, Some("2.999.0")));
}

fn job(id: u64, status: &str) -> Value {
    json!({
        "id": id, "run_id": 5, "run_attempt": 3, "name": format!("job {id}"), "status": status, "conclusion": null,
        "created_at": "2026-11-28T10:00:00Z", "started_at": "2026-11-28T10:00:00Z", "completed_at": null,
        "labels": ["self-hosted", "docker"], "runner_id": 0, "runner_name": "", "runner_group_id": 0,
        "runner_group_name": "", "steps": []
    })
}

#[tokio::test]
async fn jobs_of_every_state_are_told_apart() {
    let (_server, github) = github(|request, _| {
        if request.path().ends_with("/jobs") {
            let states =
                ["queued", "in_progress", "waiting", "requested", "pending", "completed", "some_day_new"];
            let mut jobs: Vec<Value> = (10..).zip(states).map(|(id, status)| job(id, status)).collect();
            jobs[0]["runner_id"] = Value::Null;
            jobs[0]["runner_name"] = Value::Null;
            // As a GitHub Enterprise Server of 2021 has it.
            let mut old = job(20, "queued");
            for name in ["created_at", "run_attempt", "runner_group_id"] {
                old.as_object_mut().expect("an object").remove(name);
            }
            old["labels"] = Value::Null;
            jobs.push(old);
            return json(200, json!({"total_count": jobs.len(), "jobs": jobs}));
        }
        let runs = match request.query("status").as_deref() {
            Some("queued") => json!([{"id": 5, "status": "queued", "run_attempt": 3, "head_branch": null}]),
            _ => json!([]),
        };
        json(200, json!({"total_count": runs.as_array().map_or(0, Vec::len), "workflow_runs": runs}))
    })
    .await;
    let queue = github.queue(&repo()).await.expect("a queue");
    let count = |status| queue.jobs.iter().filter(|job| job.status == status).count();
    assert_eq!(
        [
            JobStatus::Queued,
            JobStatus::InProgress,
            JobStatus::Waiting,
            JobStatus::Requested,
            JobStatus::Pending
        ]
        .map(count),
        [2, 1, 1, 1, 1]
    );
    assert!(queue.jobs.iter().all(|job| job.runner_name.is_none()));
    let old = queue.jobs.iter().find(|job| job.id == JobId(20)).expect("the old one");
    assert_eq!((old.created_at.to_string().as_str(), old.labels.len()), ("2026-11-28T10:00:00Z", 0));
    assert_eq!(queue.missing, ["job 16 has a status that is not known here"]);
}

#[tokio::test]
async fn completed_jobs_are_no_demand_and_name_whose_runner_ran_them() {
    for (runner_id, name, group) in
        [(1, "Hosted Agent", 2), (1_000_000_123_u64, "GitHub Actions 1000000123", 0)]
    {
        let mut done = job(30, "completed");
        done["conclusion"] = json!("success");
        done["completed_at"] = json!("2026-11-28T10:05:00Z");
        done["labels"] = json!(["ubuntu-latest"]);
        done["runner_id"] = json!(runner_id);
        done["runner_name"] = json!(name);
        done["runner_group_id"] = json!(group);
        let (_server, github) = github(move |request, _| match request.path() {
            "/repos/o/r/actions/jobs/30" => json(200, done.clone()),
            path if path.ends_with("/jobs") => json(200, json!({"total_count": 1, "jobs": [done]})),
            _ => json(200, json!({"total_count": 1, "workflow_runs": [{"id": 5}]})),
        })
        .await;
        assert_eq!(github.queue(&repo()).await.expect("a queue").jobs, []);
        match github.job(&repo(), JobId(30)).await.expect("an answer") {
            Some(FoundJob::Completed(job)) => assert_eq!(job.runner_name.as_deref(), Some(name)),
            other => panic!("completed: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_list_that_is_cut_off_shows_no_runner_as_gone() {
    let (_server, github) = github(|_, _| told(200, &[], r#"{"total_count":1,"runners":[{"id":1,"na"#)).await;
    let error = github.runners(&scope()).await.expect_err("cut off");
    assert_eq!(error.kind, azlin_fleet::model::CallErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_list_that_leads_in_a_circle_is_an_error_or_ends_where_nothing_new_comes() {
    let (server, github) = github(|request, _| {
        let host = request.header("host").expect("a host");
        let is_second = request.query("page").as_deref() == Some("2");
        let next = format!("<http://{host}{}?per_page=100&page={}>; rel=\"next\"", request.path(), if is_second { 1 } else { 2 });
        let id = if is_second { 2 } else { 1 };
        let body = match request.path() {
            path if path.ends_with("/hooks") => json!([{"id": id, "config": {"url": "https://h/x"}}]),
            path if path.ends_with("/deliveries") => json!([{
                "id": id, "guid": "g", "delivered_at": "2026-11-28T10:00:00Z", "redelivery": false, "duration": 0.1,
                "status": "OK", "status_code": 200, "event": "workflow_job", "action": "queued"
            }]),
            path if path.ends_with("/repos") => json!([{"id": id, "full_name": format!("o/r{id}")}]),
            _ => json!({"total_count": 2, "runners": [
                {"id": id, "name": format!("ci-{id}"), "status": "online", "busy": false}]}),
        };
        told(200, &[("link", &next)], &body.to_string())
    })
    .await;
    let lists = [
        github.runners(&scope()).await.map(|list| list.len()),
        github.repositories(&"o".parse().expect("valid")).await.map(|list| list.len()),
        github.webhooks(&scope()).await.map(|list| list.len()),
        github.attempts(&scope(), 1, jiff::Timestamp::UNIX_EPOCH, 1000).await.map(|list| list.len()),
    ];
    let is_circle = |list: &Result<usize, CallError>| {
        list.as_ref().is_err_and(|error| error.to_string().contains("lead in a circle"))
    };
    assert!(lists[..2].iter().all(is_circle), "the daemon works with whole lists alone: {lists:?}");
    assert!(lists[2..].iter().all(|count| *count == Ok(2)), "{lists:?}");
    assert_eq!(server.requests().len(), 4 * 3);
}
