//! `/_runner/`: the protocol between the simulated GitHub and the stand-in for the runner's program. It is
//! our own; GitHub's real one is not public.

use serde_json::{Value, json};

use super::github_json as shape;
use super::message::{SimRequest, SimResponse};
use crate::github::{Conclusion, JobResult, SimJob};
use crate::registration::{Registration, RunnerRefusal, scope_of};
use crate::session::JobReport;
use crate::world::World;

pub(crate) fn answer(world: &mut World, request: &SimRequest) -> SimResponse {
    let segments = request.segments();
    let found = match (request.method.as_str(), segments.as_slice()) {
        ("GET" | "HEAD", ["_runner", "package", filename]) => return package(world, request, filename),
        ("POST", ["_runner", "register"]) => register(world, request),
        ("POST", ["_runner", id, what]) => match id.parse() {
            Ok(id) => of_runner(world, request, id, what),
            Err(_) => Err(RunnerRefusal { status: 404, message: "Not Found".to_owned() }),
        },
        _ => Err(RunnerRefusal { status: 404, message: "Not Found".to_owned() }),
    };
    match found {
        Ok(body) => SimResponse::json(200, &body),
        Err(refused) => SimResponse::json(refused.status, &shape::error(refused.status, &refused.message)),
    }
}

fn invalid() -> RunnerRefusal {
    RunnerRefusal { status: 400, message: "The request is wrong.".to_owned() }
}

fn register(world: &mut World, request: &SimRequest) -> Result<Value, RunnerRefusal> {
    let body = request.json().ok_or_else(invalid)?;
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    let labels = body["labels"].as_array().into_iter().flatten();
    let asked = Registration {
        scope: text("path").and_then(|path| scope_of(&path)).ok_or_else(invalid)?,
        token: text("token").ok_or_else(invalid)?,
        name: text("name").ok_or_else(invalid)?,
        labels: labels.filter_map(|label| label.as_str().map(str::to_owned)).collect(),
        group: text("group"),
        ephemeral: body["ephemeral"] == true,
        replace: body["replace"] == true,
    };
    let runner = world.register(&asked)?;
    let json = world.runner_json(&runner.scope, runner.id, &runner.name, runner.ephemeral);
    Ok(json!({"runner": json, "secret": runner.secret}))
}

fn of_runner(world: &mut World, request: &SimRequest, id: u64, what: &str) -> Result<Value, RunnerRefusal> {
    let body = request.json().ok_or_else(invalid)?;
    let secret = request.bearer().unwrap_or_default();
    let machine = request.machine.as_deref();
    match what {
        "poll" => {
            let job = world.poll(id, secret, machine, body["job"].as_u64())?;
            Ok(json!({"job": job.map(|job| job.id)}))
        }
        "acquire" => {
            let job = body["job"].as_u64().ok_or_else(invalid)?;
            let acquired = world.poll(id, secret, machine, Some(job))?.filter(|found| found.id == job);
            let refusal =
                || RunnerRefusal { status: 404, message: "The job is not this runner's.".to_owned() };
            Ok(json!({"job": job_json(world, &acquired.ok_or_else(refusal)?)}))
        }
        "done" => {
            let report = report(&body, machine).ok_or_else(invalid)?;
            world.report_job(id, secret, report)?;
            Ok(json!({}))
        }
        "bye" => world.end_session(id, secret).map(|()| json!({})),
        "remove" => {
            world.unregister(id, body["token"].as_str().unwrap_or_default())?;
            Ok(json!({}))
        }
        _ => Err(RunnerRefusal { status: 404, message: "Not Found".to_owned() }),
    }
}

fn job_json(world: &World, job: &SimJob) -> Value {
    let repo = world.state.github.runs.get(&job.run).map(|run| run.repo.clone());
    let script = job.script.clone().unwrap_or_else(|| format!("sleep {}", job.duration.as_secs_f64()));
    json!({"id": job.id, "run": job.run, "name": job.name, "repo": repo, "labels": job.labels, "script": script})
}

fn report(body: &Value, machine: Option<&str>) -> Option<JobReport> {
    let conclusion = match body["conclusion"].as_str()? {
        "success" => Conclusion::Success,
        "failure" => Conclusion::Failure,
        "cancelled" => Conclusion::Cancelled,
        _ => return None,
    };
    let result = JobResult {
        output: body["output"].as_str()?.to_owned(),
        hostname: body["hostname"].as_str()?.to_owned(),
        machine: machine.map(str::to_owned),
    };
    Some(JobReport { job: body["job"].as_u64()?, conclusion, result })
}

/// The package, or its end from a given byte on, so that a download can be resumed.
fn package(world: &World, request: &SimRequest, filename: &str) -> SimResponse {
    let Some(package) = world.package.as_ref().filter(|package| package.filename == filename) else {
        return SimResponse::json(404, &shape::not_found());
    };
    let length = package.bytes.len();
    let plain = |answer: SimResponse| {
        answer.header("content-type", "application/octet-stream").header("accept-ranges", "bytes")
    };
    let Some(range) = &request.range else {
        return plain(SimResponse { status: 200, body: package.bytes.clone(), ..SimResponse::default() });
    };
    match wanted(range, length) {
        Some((from, to)) => {
            let body = package.bytes.slice(from..to);
            let answer = SimResponse { status: 206, body, ..SimResponse::default() };
            plain(answer).header("content-range", format!("bytes {from}-{}/{length}", to - 1))
        }
        None => plain(SimResponse::empty(416)).header("content-range", format!("bytes */{length}")),
    }
}

/// The first byte of a range, and the byte after its last.
fn wanted(range: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { length } else { to.parse::<usize>().ok()?.checked_add(1)?.min(length) };
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_curl_writes_it() {
        for (range, expected) in [
            ("bytes=0-", Some((0, 100))),
            ("bytes=40-", Some((40, 100))),
            ("bytes=40-49", Some((40, 50))),
            ("bytes=40-400", Some((40, 100))),
            ("bytes=100-", None),
            ("bytes=x-", None),
            ("lines=1-", None),
        ] {
            assert_eq!(wanted(range, 100), expected, "{range}");
        }
    }
}
