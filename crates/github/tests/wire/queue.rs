//! Reading a queue: how many requests it costs, and how unreadable parts are reported.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use azlin_fleet::model::{CallErrorKind, JobStatus, RunId};
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::{Reply, Request, json};
use serde_json::{Value, json};

use crate::{github, repo};

fn runs(ids: &[u64]) -> Value {
    let runs: Vec<Value> = ids.iter().map(|id| json!({"id": id, "status": "queued"})).collect();
    json!({"total_count": runs.len(), "workflow_runs": runs})
}

fn job(id: u64, status: &str) -> Value {
    json!({
        "id": id, "run_id": id / 10, "name": format!("job {id}"), "status": status, "labels": ["self-hosted", "Linux"],
        "created_at": "2026-01-02T03:04:05Z", "started_at": "2026-01-02T03:04:05Z", "runner_name": null
    })
}

#[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
fn jobs(jobs: Vec<Value>) -> Value {
    json!({"total_count": jobs.len(), "jobs": jobs})
}

/// The run id in `/repos/o/r/actions/runs/<id>/jobs`.
fn run_of(request: &Request) -> Option<u64> {
    request.path().strip_prefix("/repos/o/r/actions/runs/")?.strip_suffix("/jobs")?.parse().ok()
}

/// Runs 1 to 3 queued, 4 in progress. Each has one job of each status that counts, and one that does not
/// count.
fn four_runs(request: &Request) -> Reply {
    if let Some(run) = run_of(request) {
        assert_eq!(request.query("filter").as_deref(), Some("latest"));
        let statuses = ["queued", "in_progress", "waiting", "completed"];
        return json(200, jobs((0..).zip(statuses).map(|(i, status)| job(run * 10 + i, status)).collect()));
    }
    assert_eq!(request.query("per_page").as_deref(), Some("100"));
    assert_eq!(request.query("exclude_pull_requests").as_deref(), Some("true"));
    json(
        200,
        match request.query("status").as_deref() {
            Some("queued") => runs(&[1, 2, 3]),
            Some("in_progress") => runs(&[3, 4]),
            _ => runs(&[]),
        },
    )
}

#[tokio::test]
async fn jobs_of_all_active_runs_are_read_once_each() {
    let (server, github) = github(|request, _| four_runs(request)).await;
    let queue = github.queue(&repo()).await.expect("a queue");
    assert_eq!(queue.missing, Vec::<String>::new());
    let count = |status| queue.jobs.iter().filter(|job| job.status == status).count();
    assert_eq!(
        [JobStatus::Queued, JobStatus::InProgress, JobStatus::Waiting].map(count),
        [4, 4, 4],
        "run 3 is in both lists and counts once"
    );
    let request = &server.requests()[0];
    for (name, value) in [
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
        ("user-agent", concat!("azlin-github-runner/", env!("CARGO_PKG_VERSION"))),
        ("authorization", concat!("Bearer ", "ghp_N0tARealT0kenButShapedLikeOne")),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
}

#[tokio::test]
async fn a_poll_costs_three_requests_and_one_for_each_active_run() {
    let (server, idle) = github(|_, _| json(200, runs(&[]))).await;
    let mut before = 0;
    for (poll, expected) in [(1, 5), (2, 3), (3, 3), (4, 3), (5, 3)] {
        idle.queue(&repo()).await.expect("a queue");
        assert_eq!(server.requests().len() - before, expected, "poll {poll} of an idle repository");
        before = server.requests().len();
    }

    let (server, active) = github(|request, _| four_runs(request)).await;
    active.queue(&repo()).await.expect("a queue");
    let before = server.requests().len();
    active.queue(&repo()).await.expect("a queue");
    assert_eq!(server.requests().len() - before, 3 + 4, "four active runs");
    assert_eq!(active.counts().requests as usize, server.requests().len());
}

#[tokio::test]
async fn every_page_of_runs_and_jobs_is_read() {
    let (_server, github) = github(|request, _| {
        let page: u64 = request.query("page").map_or(1, |page| page.parse().expect("a page"));
        let link = |pages: u64| {
            let host = request.header("host").expect("a host");
            let target = request.target.split("&page=").next().expect("a target");
            (page < pages).then(|| format!("<http://{host}{target}&page={}>; rel=\"next\"", page + 1))
        };
        let (link, body) = match (run_of(request), request.query("status").as_deref()) {
            (Some(run), _) => {
                // Two pages that overlap by one: a job finished between the two reads.
                let first = run * 1000 + (page - 1) * 2;
                (link(2), json!({"total_count": 5, "jobs": (first..first + 3).map(|id| job(id, "queued")).collect::<Vec<_>>()}))
            }
            (None, Some("queued")) => {
                let ids: Vec<u64> = ((page - 1) * 100..page * 100).map(|id| id + 1).collect();
                let mut body = runs(&ids);
                body["total_count"] = json!(1_234);
                (link(3), body)
            }
            _ => (None, runs(&[])),
        };
        Reply::Answer(200, link.map(|link| ("link", link)).into_iter().collect(), body.to_string())
    })
    .await;
    let queue = github.queue(&repo()).await.expect("a queue");
    assert_eq!(queue.jobs.len(), 300 * 5);
    assert_eq!(queue.missing, ["GitHub lists at most 1,000 of 1234 runs with status queued"]);
}

/// 150 queued runs. The first `gone(look)` of them start while the pages of that look are read.
async fn moving(gone: fn(u64) -> u64) -> Vec<String> {
    let looks = AtomicU64::new(0);
    let (_server, github) = github(move |request, _| {
        if run_of(request).is_some() {
            return json(200, jobs(Vec::new()));
        }
        if request.query("status").as_deref() != Some("queued") {
            return json(200, runs(&[]));
        }
        let is_second = request.query("page").as_deref() == Some("2");
        let look = if is_second { looks.load(Relaxed) } else { looks.fetch_add(1, Relaxed) + 1 };
        let before: u64 = (1..look).map(gone).sum();
        let first = before + if is_second { gone(look) } else { 0 } + 1;
        let all: Vec<u64> = (first..=150).collect();
        let page = if is_second { &all[100..] } else { &all[..100] };
        let host = request.header("host").expect("a host");
        let link =
            (!is_second).then(|| ("link", format!("<http://{host}{}&page=2>; rel=\"next\"", request.target)));
        let mut body = runs(page);
        body["total_count"] = json!(all.len());
        Reply::Answer(200, link.into_iter().collect(), body.to_string())
    })
    .await;
    github.queue(&repo()).await.expect("a queue").missing
}

#[tokio::test]
async fn runs_that_move_while_they_are_read_are_read_again_and_never_lost_without_a_word() {
    assert_eq!(moving(|_| 0).await, Vec::<String>::new());
    assert_eq!(moving(|look| if look == 1 { 5 } else { 0 }).await, Vec::<String>::new(), "once");
    let told = moving(|_| 5).await;
    assert_eq!(
        told,
        ["the runs with status queued changed while their pages were read, so some may be missing"]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_is_kept() {
    let (_server, github) = github(|request, _| match run_of(request) {
        Some(2) => json(500, json!({"message": "Server Error"})),
        Some(3) => json(404, json!({"message": "Not Found"})),
        _ if request.query("status").as_deref() == Some("pending") => json(502, json!({})),
        _ => four_runs(request),
    })
    .await;
    let queue = github.queue(&repo()).await.expect("a queue");
    assert_eq!(queue.jobs.len(), 2 * 3, "runs 1 and 4");
    assert_eq!(queue.missing.len(), 2, "{:?}", queue.missing);
    assert!(queue.missing[0].starts_with("pending runs could not be read"), "{:?}", queue.missing);
    assert!(
        queue.missing[1].starts_with("the jobs of 1 of 4 active runs could not be read"),
        "a run that is gone has no jobs: {:?}",
        queue.missing
    );
}

#[tokio::test]
async fn nothing_known_is_an_error() {
    for (situation, lists, of_runs) in [("no list of queued runs", 500, 200), ("no run's jobs", 200, 500)] {
        let (_server, github) = github(move |request, _| {
            let status = if run_of(request).is_some() { of_runs } else { lists };
            if status == 200 { four_runs(request) } else { json(status, json!({"message": "Server Error"})) }
        })
        .await;
        let error = github.queue(&repo()).await.expect_err(situation);
        assert_eq!(error.kind, CallErrorKind::Unavailable, "{situation}: {error}");
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let (server, github) = github(|request, _| {
        let etag = format!("W/\"{}\"", request.target.len());
        if request.header("if-none-match") == Some(etag.as_str()) {
            return Reply::Answer(304, vec![("etag", etag)], String::new());
        }
        match four_runs(request) {
            Reply::Answer(status, _, body) => Reply::Answer(status, vec![("etag", etag)], body),
            other => other,
        }
    })
    .await;
    let first = github.queue(&repo()).await.expect("a queue");
    let received = github.counts().bytes_received;
    let second = github.queue(&repo()).await.expect("a queue");
    assert_eq!(first, second);
    assert_eq!(github.counts().not_modified, 7);
    assert_eq!(github.counts().bytes_received, received);
    assert_eq!(server.requests().len(), 9 + 7);
}

/// A repository with many queued runs of hosted jobs, and run 7 with a job for us. Returns how often run 7's jobs were
/// read, and how often those of others, in each look.
async fn flooded(count: u64, looks: usize) -> Vec<(usize, usize)> {
    let (server, github) = github(move |request, _| match run_of(request) {
        Some(run) => {
            let mut of_run = job(run, "queued");
            of_run["labels"] = json!([if run == 7 { "docker" } else { "ubuntu-latest" }]);
            json(200, jobs(vec![of_run]))
        }
        None if request.query("status").as_deref() == Some("queued") => {
            let page: u64 = request.query("page").and_then(|page| page.parse().ok()).unwrap_or(1);
            let ids: Vec<u64> = (1..=count).skip(100 * (page as usize - 1)).take(100).collect();
            let mut body = runs(&ids);
            body["total_count"] = count.into();
            let host = request.header("host").expect("a host");
            let next = format!("<http://{host}{}?status=queued&per_page=100&exclude_pull_requests=true&page={}>; rel=\"next\"", request.path(), page + 1);
            let links = if page * 100 < count { vec![("link", next)] } else { Vec::new() };
            Reply::Answer(200, links, body.to_string())
        }
        None => json(200, runs(&[])),
    })
    .await;
    github.serve_labels(&Arc::new(["self-hosted", "docker"].map(str::to_owned).into()));
    let (mut read, mut before) = (Vec::new(), 0);
    for _ in 0..looks {
        let queue = github.queue(&repo()).await.expect("a queue");
        assert!(queue.jobs.iter().any(|job| job.labels == ["docker"]), "ours is always known");
        let requests = server.requests();
        let of_runs: Vec<u64> = requests[before..].iter().filter_map(run_of).collect();
        let ours = of_runs.iter().filter(|run| **run == 7).count();
        read.push((ours, of_runs.len() - ours));
        let is_partial = queue.missing.iter().any(|missing| missing.contains("are read in later looks"));
        assert_eq!(is_partial, queue.jobs.len() as u64 != count, "{:?}", queue.missing);
        before = requests.len();
    }
    read
}

#[tokio::test]
async fn runs_without_a_job_for_us_are_read_once() {
    assert_eq!(flooded(20, 3).await, [(1, 19), (1, 0), (1, 0)]);
}

#[tokio::test]
async fn of_a_flood_of_runs_a_look_reads_some() {
    let read = flooded(900, 3).await;
    assert_eq!((read[0], read[1].0, read[2].0), ((1, 299), 1, 1), "{read:?}");
    assert!(read[1].1 + read[2].1 < 20, "the rest at a steady rate: {read:?}");
}

#[tokio::test]
async fn after_an_event_only_the_jobs_of_its_run_are_read_and_the_rest_is_as_it_was() {
    let has_ended = AtomicU64::new(0);
    let (server, github) = github(move |request, number| match run_of(request) {
        // Run 5 is not in the lists yet; the jobs of run 1 end.
        Some(5) => json(200, jobs(vec![job(50, "queued")])),
        Some(1) if number > 9 => json(200, jobs(vec![job(10, "completed")])),
        Some(2) if has_ended.fetch_add(1, Relaxed) > 0 => json(503, json!({"message": "Unavailable"})),
        _ => four_runs(request),
    })
    .await;
    let ids = |queue: &azlin_fleet::model::Queue| -> Vec<u64> {
        queue.jobs.iter().map(|job| job.id.0).filter(|id| id % 10 == 0).collect()
    };
    let after = |runs: &[u64]| runs.iter().map(|run| RunId(*run)).collect::<BTreeSet<RunId>>();
    let whole = github.queue_after(&repo(), &after(&[5])).await.expect("a queue");
    assert_eq!(ids(&whole), [10, 20, 30, 40], "what was never read is read as a whole");
    assert_eq!(github.event_reads(), 0);
    let before = server.requests().len();
    let new = github.queue_after(&repo(), &after(&[5])).await.expect("a queue");
    assert_eq!((ids(&new), server.requests().len() - before), (vec![10, 20, 30, 40, 50], 1));
    let ended = github.queue_after(&repo(), &after(&[1])).await.expect("a queue");
    assert_eq!((ids(&ended), server.requests().len() - before), (vec![20, 30, 40, 50], 2));
    assert_eq!((github.event_reads(), github.burst_reads()), (2, 2));
    let unread = github.queue_after(&repo(), &after(&[2])).await.expect("the rest is known");
    assert_eq!(ids(&unread), [20, 30, 40, 50], "as it was");
    assert!(unread.missing[0].starts_with("the jobs of 1 of 1 active runs could not be read"), "{unread:?}");
    let all = github.queue(&repo()).await;
    assert!(all.is_ok_and(|queue| !ids(&queue).contains(&50)), "the lists have no run 5 yet");
}
