//! What of a job and a run counts.

use super::*;

fn api() -> ApiUrl {
    ApiUrl::new(&"https://api.github.com".parse().expect("a URL")).expect("good")
}

fn job(status: &str) -> wire::JobJson {
    let json = format!(
        r#"{{"id":7,"name":"build","status":"{status}","labels":["self-hosted"],
            "created_at":"2026-01-02T03:04:05Z","started_at":"2026-01-02T03:05:00Z","runner_name":""}}"#
    );
    serde_json::from_str(&json).expect("a job")
}

#[test]
fn jobs_of_every_status() {
    let repo: RepoSlug = "o/r".parse().expect("valid");
    for (status, expected) in [
        ("queued", Some(JobStatus::Queued)),
        ("waiting", Some(JobStatus::Waiting)),
        ("pending", Some(JobStatus::Pending)),
        ("requested", Some(JobStatus::Requested)),
        ("in_progress", Some(JobStatus::InProgress)),
        ("completed", None),
    ] {
        let found = known(job(status), &repo, &api()).expect("a known status");
        assert_eq!(found.as_ref().map(|job| job.status), expected, "{status}");
        assert!(found.is_none_or(|job| job.runner_name.is_none()));
    }
    assert!(known(job("dreaming"), &repo, &api()).expect_err("an unknown status").contains("job 7"));
}

#[test]
fn a_job_without_a_time_of_creation_takes_that_of_its_start() {
    let repo: RepoSlug = "o/r".parse().expect("valid");
    let without = wire::JobJson { created_at: None, ..job("queued") };
    let job = known(without, &repo, &api()).expect("known").expect("not completed");
    assert_eq!(job.created_at.to_string(), "2026-01-02T03:05:00Z");
}

#[test]
fn a_queued_job_may_have_a_runner_and_no_labels() {
    let repo: RepoSlug = "o/r".parse().expect("valid");
    for (name, id, expected) in [
        ("null", "null", None),
        ("\"\"", "0", None),
        ("\"ci-4\"", "4", Some("ci-4")),
        ("null", "4", Some("#4")),
        ("\"\"", "4", Some("#4")),
    ] {
        let json = format!(
            r#"{{"id":9,"run_id":2,"name":"lint","status":"queued","labels":null,
                "created_at":"2026-03-04T05:06:07Z","runner_name":{name},"runner_id":{id}}}"#
        );
        let json: wire::JobJson = serde_json::from_str(&json).expect("a job");
        let job = known(json, &repo, &api()).expect("known").expect("not completed");
        assert_eq!(job.runner_name.as_deref(), expected, "{name} {id}");
        assert!(job.labels.is_empty(), "null is none");
    }
}

#[test]
fn a_job_has_its_page_only_if_that_is_a_page_of_this_github() {
    let page = "https://github.com/o/r/actions/runs/2/job/7";
    for (at, page, is_taken) in [
        ("https://api.github.com", page, true),
        ("https://api.octo.ghe.com", "https://octo.ghe.com/o/r/actions/runs/2/job/7", true),
        ("https://ghes.example/api/v3", "https://ghes.example/o/r/runs/7", true),
        ("https://api.octo.ghe.com", page, false),
        ("https://api.github.com", "https://evil.example/o/r/actions/runs/2/job/7", false),
        ("https://api.github.com", "javascript:alert(1)", false),
        ("https://api.github.com", "http://github.com/o/r", false),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/o/r", false),
    ] {
        let api = ApiUrl::new(&at.parse().expect("a URL")).expect("good");
        let json = || wire::JobJson {
            html_url: Some(page.into()),
            workflow_name: Some("CI\u{1b}[2J".into()),
            ..job("queued")
        };
        let repo = "o/r".parse().expect("valid");
        let open = known(json(), &repo, &api).expect("known").expect("not completed");
        assert_eq!(open.link.as_ref().map(WebLink::as_str), is_taken.then_some(page), "{at} {page}");
        assert_eq!(open.workflow.as_deref(), Some("CI\u{fffd}[2J"));
        let done = wire::JobJson { status: "completed".into(), ..json() };
        let Ok(FoundJob::Completed(done)) = found(done, &repo, &api) else { panic!("completed") };
        assert_eq!((done.link, done.workflow), (open.link, open.workflow), "{at} {page}");
    }
    assert_eq!(
        known(job("queued"), &"o/r".parse().expect("valid"), &api()).expect("known").expect("open").link,
        None
    );
}

#[test]
fn a_run_shows_its_repository_and_its_workflow_files() {
    let run = |text: &str| serde_json::from_str::<wire::RunJson>(text).expect("a run");
    let shown = r#"{"id":5,"status":"queued","run_attempt":2,"path":".github/workflows/ship.yml","head_branch":null,
        "referenced_workflows":[{"path":"o/shared/.github/workflows/build.yml@v1","sha":"0"}],
        "repository":{"id":3,"full_name":"o/new","private":false}}"#;
    let (repo, mut known) = ("o/r".parse::<RepoSlug>().expect("valid"), KnownQueue::default());
    let runs = BTreeMap::from([(5, run(shown)), (6, run(r#"{"id":6,"status":"waiting"}"#))]);
    known.watched.saw(0, vec![6, 7]);
    let active = known.saw(&runs, &repo);
    let has_state = active.iter().map(|(id, state)| (*id, state.is_some())).collect::<Vec<_>>();
    assert_eq!(has_state, [(5, true), (6, true), (7, false)], "a held run that no list of this look shows");
    let repository = known.repository.clone().expect("a run shows it");
    assert_eq!((repository.name.as_str(), repository.is_public), ("o/new", true));
    let files = ["o/new/.github/workflows/ship.yml", "o/shared/.github/workflows/build.yml@v1"];
    assert_eq!(known.workflows[&5], files);
    assert_eq!(known.workflows[&6], Vec::<String>::new(), "unknown");
    known.saw(&BTreeMap::new(), &repo);
    assert!(known.repository.is_some(), "it is remembered");
    assert_eq!(known.workflows.len(), 1, "of runs that are active");
}
