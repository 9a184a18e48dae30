//! GitHub's JSON shapes (specs/github-rest.json: workflow-run, job, runner).

use serde_json::{Value, json};

use crate::account::WORKFLOW;
use crate::github::{GitHubState, JobState, SimJob, SimRun, SimRunner};
use crate::package::Package;

const SHA: &str = "ce587453ced02b1526dfb4cb910479d431683101";

/// GitHub's times have no fraction of a second.
fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn not_found() -> Value {
    json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})
}

pub(crate) fn error(status: u16, message: &str) -> Value {
    json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()})
}

pub(crate) fn runner(runner: &SimRunner) -> Value {
    // GitHub knows neither the system nor the labels' ids of a JIT runner before it connects.
    let is_new = !runner.has_connected && !runner.jit.is_empty();
    let labels: Vec<Value> = (1..)
        .zip(&runner.labels)
        .map(|(id, label)| {
            let id = if is_new { 0 } else { id };
            let implicit =
                ["self-hosted", "linux", "x64", "arm64"].iter().any(|name| label.eq_ignore_ascii_case(name));
            json!({"id": id, "name": label, "type": if implicit { "read-only" } else { "custom" }})
        })
        .collect();
    json!({
        "id": runner.id, "runner_group_id": runner.group, "name": runner.name,
        "os": if runner.has_connected { "Linux" } else { "unknown" },
        "status": if runner.online { "online" } else { "offline" },
        "busy": runner.is_busy(), "ephemeral": runner.ephemeral, "labels": labels,
    })
}

pub(crate) fn job(base: &str, repo: &str, run: &SimRun, job: &SimJob, now: jiff::Timestamp) -> Value {
    let state = job.shown_state(now);
    let conclusion =
        if let JobState::Completed(conclusion) = state { json!(conclusion.as_str()) } else { Value::Null };
    let api = format!("{base}/repos/{repo}");
    let (run_id, id) = (run.id, job.id);
    json!({
        "id": id, "run_id": run_id, "run_url": format!("{api}/actions/runs/{run_id}"), "run_attempt": 1,
        "node_id": format!("CR_{id}"), "head_sha": SHA, "url": format!("{api}/actions/jobs/{id}"),
        "html_url": format!("https://github.com/{repo}/actions/runs/{run_id}/job/{id}"),
        "status": state.as_str(), "conclusion": conclusion, "created_at": time(job.created_at),
        "started_at": time(job.started_at.unwrap_or(job.created_at)),
        "completed_at": job.completed_at.map(time), "name": job.name, "steps": [],
        "check_run_url": format!("{api}/check-runs/{id}"), "labels": job.labels,
        "runner_id": job.runner.as_ref().map(|(id, _)| id), "runner_name": job.runner.as_ref().map(|(_, name)| name),
        "runner_group_id": job.runner.as_ref().map(|_| 1), "runner_group_name": job.runner.as_ref().map(|_| "Default"),
        "workflow_name": "CI", "head_branch": "main",
    })
}

/// A run. Its repository comes as text: it is the larger part of a page of runs, and the same in all.
pub(crate) fn run(base: &str, state: &GitHubState, run: &SimRun, repository: &str) -> String {
    let (repo, id, status) = (&run.repo, run.id, state.status(run));
    let api = format!("{base}/repos/{repo}/actions/runs/{id}");
    let conclusion = if status == "completed" { json!(state.conclusion(run).as_str()) } else { Value::Null };
    let own = json!({
        "id": id, "name": "CI", "node_id": format!("WFR_{id}"), "head_branch": "main", "head_sha": SHA,
        "path": WORKFLOW, "display_title": "Change something", "run_number": id, "run_attempt": 1,
        "event": "push", "status": status, "conclusion": conclusion, "workflow_id": 1, "check_suite_id": id,
        "check_suite_node_id": format!("CS_{id}"), "url": api,
        "html_url": format!("https://github.com/{repo}/actions/runs/{id}"), "pull_requests": [],
        "created_at": time(run.created_at), "updated_at": time(state.updated_at(run)), "run_started_at": time(run.created_at),
        "jobs_url": format!("{api}/jobs"), "logs_url": format!("{api}/logs"),
        "check_suite_url": format!("{base}/repos/{repo}/check-suites/{id}"), "artifacts_url": format!("{api}/artifacts"),
        "cancel_url": format!("{api}/cancel"), "rerun_url": format!("{api}/rerun"),
        "workflow_url": format!("{base}/repos/{repo}/actions/workflows/1"),
        "head_commit": {
            "id": SHA, "tree_id": SHA, "message": "Change something", "timestamp": time(run.created_at),
            "author": {"name": "Octo Cat", "email": "octocat@example.com"},
            "committer": {"name": "Octo Cat", "email": "octocat@example.com"},
        },
    });
    let own = own.to_string();
    let open = own.strip_suffix('}').unwrap_or_default();
    format!("{open},\"repository\":{repository},\"head_repository\":{repository}}}")
}

/// The download of the stand-in for the runner's program.
pub(crate) fn package(base: &str, package: &Package) -> Value {
    let Package { filename, sha256, .. } = package;
    json!([{
        "os": "linux", "architecture": "x64", "download_url": format!("{base}/_runner/package/{filename}"),
        "filename": filename, "sha256_checksum": sha256,
    }])
}

/// The downloads of the runner's program.
pub(crate) fn downloads() -> Value {
    let one = |architecture: &str, sha256: &str| {
        json!({
            "os": "linux", "architecture": architecture,
            "download_url": format!("https://downloads.example/actions-runner-linux-{architecture}-2.329.0.tar.gz"),
            "filename": format!("actions-runner-linux-{architecture}-2.329.0.tar.gz"), "sha256_checksum": sha256,
        })
    };
    json!([one("x64", &"5d".repeat(32)), one("arm64", &"a6".repeat(32))])
}
