//! `/_sim/`: reads and changes the world, for tests that run simcloud as a separate program.

use std::time::Duration;

use serde_json::{Value, json};

use super::message::{SimRequest, SimResponse};
use crate::github::JobState;
use crate::world::World;

pub(crate) fn answer(world: &mut World, request: &SimRequest) -> SimResponse {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_sim/report") => {
            SimResponse::json(200, &serde_json::to_value(world.report()).unwrap_or_default())
        }
        ("GET", "/_sim/state") => SimResponse::json(200, &state(world)),
        ("GET", "/_sim/jobs") => SimResponse::json(200, &jobs(world)),
        ("GET", "/_sim/machines") => SimResponse::json(200, &machines(world)),
        ("POST", "/_sim/runs") => match request.json().as_ref().and_then(|body| submit(world, body)) {
            Some(ids) => SimResponse::json(201, &json!({"jobs": ids})),
            None => SimResponse::json(
                400,
                &json!({"message": "wanted: {repo, jobs: [{labels, duration_s, name}], then: [jobs that follow once those succeed]}"}),
            ),
        },
        _ => SimResponse::json(
            404,
            &json!({"message": "the paths are /_sim/report, /_sim/state, /_sim/jobs, /_sim/machines and /_sim/runs"}),
        ),
    }
}

fn submit(world: &mut World, body: &Value) -> Option<Vec<u64>> {
    let repo = body["repo"].as_str()?.to_owned();
    let scripts: Vec<Option<String>> =
        body["jobs"].as_array()?.iter().map(|job| job["script"].as_str().map(str::to_owned)).collect();
    let job = |job: &Value| {
        let labels = job["labels"].as_array()?.iter().map(|label| Some(label.as_str()?.to_owned()));
        let is_scripted = job["script"].is_string();
        let seconds = job["duration_s"].as_f64().or(is_scripted.then_some(1.0))?;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        Some((labels.collect::<Option<Vec<_>>>()?, duration))
    };
    let jobs = body["jobs"].as_array()?.iter().map(job).collect::<Option<Vec<_>>>()?;
    let then = body["then"].as_array().into_iter().flatten().map(job).collect::<Option<Vec<_>>>()?;
    let ids = world.submit_scripts(&repo, jobs, then, scripts);
    for (id, job) in ids.iter().zip(body["jobs"].as_array()?) {
        if let (Some(name), Some(sim)) = (job["name"].as_str(), world.state.github.jobs.get_mut(id)) {
            sim.name = name.to_owned();
        }
    }
    Some(ids)
}

fn jobs(world: &World) -> Value {
    let jobs = world.state.github.jobs.values().map(|job| {
        let conclusion =
            if let JobState::Completed(conclusion) = job.state { Some(conclusion.as_str()) } else { None };
        let result = job.result.as_ref();
        json!({
            "id": job.id, "run": job.run, "name": job.name, "labels": job.labels, "state": job.state.as_str(),
            "conclusion": conclusion, "script": job.script,
            "runner_id": job.runner.as_ref().map(|(id, _)| id),
            "runner_name": job.runner.as_ref().map(|(_, name)| name),
            "queued_at": job.queued_at.to_string(), "started_at": job.started_at.map(|at| at.to_string()),
            "completed_at": job.completed_at.map(|at| at.to_string()),
            "output": result.map(|result| &result.output), "hostname": result.map(|result| &result.hostname),
            "machine": result.and_then(|result| result.machine.as_ref()),
        })
    });
    jobs.collect()
}

fn machines(world: &World) -> Value {
    let machines = world.state.azure.vms.values().filter_map(|vm| {
        let machine = vm.machine.as_ref()?;
        Some(json!({
            "vm": vm.name, "address": machine.address.map(|address| address.to_string()),
            "netns": machine.netns, "console": machine.console.display().to_string(),
            "nspawn": machine.nspawn, "leader": machine.leader, "state": machine.state(),
        }))
    });
    machines.collect()
}

fn state(world: &World) -> Value {
    let vms = world.state.azure.vms.values().map(|vm| {
        json!({"name": vm.name, "tags": vm.body["tags"], "state": vm.state.as_str(), "running": vm.power.map(|_| vm.is_running())})
    });
    let jobs =
        |is: fn(JobState) -> bool| world.state.github.jobs.values().filter(|job| is(job.state)).count();
    let runners = world.state.github.runners.values().map(|runner| {
        json!({"id": runner.id, "name": runner.name, "online": runner.online, "busy": runner.is_busy()})
    });
    json!({
        "vms": vms.collect::<Value>(),
        "runners": runners.collect::<Value>(),
        "jobs": {
            "waiting": jobs(JobState::is_held),
            "queued": jobs(|state| state == JobState::Queued),
            "in_progress": jobs(|state| state == JobState::InProgress),
            "completed": jobs(|state| matches!(state, JobState::Completed(_))),
        },
        "at_rest": world.is_at_rest(),
    })
}
