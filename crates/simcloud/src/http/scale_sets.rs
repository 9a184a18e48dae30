//! The service of runner scale sets, as the Actions service of GitHub has it: below `/_actions/rest/` with an admin token,
//! and the messages at `/_actions/scalesets/message` with the token of a session.

use azlin_fleet::model::Scope;
use serde_json::{Value, json};

use super::message::{SimRequest, SimResponse};
use crate::github::SimRunner;
use crate::registration::scope_of;
use crate::scale_set_fault::ScaleSetFault;
use crate::scale_sets::{AskedScaleSet, PolledMessage, ServiceRefusal, SimScaleSet};
use crate::world::World;

/// Where messages are polled.
const QUEUE: &str = "/_actions/scalesets/message";

/// Whether a request is for the service.
pub(crate) fn is_for_service(path: &str) -> bool {
    path.starts_with("/_actions/")
}

/// The token of a request that polls for a message, and may be held.
pub(crate) fn poll_token(request: &SimRequest) -> Option<&str> {
    if request.method == "GET" && request.path == QUEUE { request.bearer() } else { None }
}

/// Signs in to the service: the answer of `POST /actions/runner-registration`; `None` if it is another request.
pub(crate) fn sign_in(world: &mut World, request: &SimRequest) -> Option<SimResponse> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/actions/runner-registration") {
        return None;
    }
    world.count_requests(1);
    let token = request.authorization.as_deref().and_then(|text| text.strip_prefix("RemoteAuth "));
    let body = request.json().unwrap_or_default();
    let page = body["url"].as_str().and_then(|page| url::Url::parse(page).ok());
    let scope = page.and_then(|page| scope_of(page.path().trim_matches('/')));
    let signed_in = match (scope, token) {
        (Some(scope), Some(token)) => world.admin_token(&scope, token),
        _ => Err(ServiceRefusal::InvalidToken),
    };
    let answer = match signed_in {
        Ok(token) => {
            SimResponse::json(200, &json!({"url": format!("{}/_actions/rest", request.base), "token": token}))
        }
        Err(_) => SimResponse::json(401, &super::github_json::error(401, "Bad credentials")),
    };
    Some(SimResponse { route: "/actions/runner-registration".to_owned(), ..answer })
}

/// What goes wrong with a poll when it begins; `None` if nothing does.
pub(crate) fn poll_begins(world: &mut World, token: &str) -> Option<SimResponse> {
    let found = world.poll_begins(token).transpose()?;
    Some(found.map_or_else(refused, |polled| message(&polled)))
}

/// Answers a request to the service.
pub(crate) fn answer(world: &mut World, request: &SimRequest) -> SimResponse {
    let (route, found) = routed(world, request);
    let answer = found.unwrap_or_else(refused);
    SimResponse { route: route.to_owned(), ..answer }
}

fn routed(world: &mut World, request: &SimRequest) -> (&'static str, Result<SimResponse, ServiceRefusal>) {
    if world.set_fault(ScaleSetFault::PlainError) {
        return ("/_actions", Ok(plain(400, "the service is not well")));
    }
    let token = request.bearer().unwrap_or_default().to_owned();
    let segments = request.segments();
    let method = request.method.as_str();
    match (method, segments.as_slice()) {
        ("GET", ["_actions", "scalesets", "message"]) => ("/scalesets/message", poll(world, request, &token)),
        ("DELETE", ["_actions", "scalesets", "message", id]) => {
            ("/scalesets/message/{id}", acknowledge(world, &token, id))
        }
        ("POST", ["_actions", "rest", "_apis", "runtime", "runnerscalesets", _, "acquirejobs"]) => {
            ("/runnerscalesets/{id}/acquirejobs", acquire(world, request, &token))
        }
        (_, ["_actions", "rest", "_apis", rest @ ..]) => match world.admin_scope(&token) {
            Ok(scope) => of_admin(world, request, &scope, rest),
            Err(refusal) => ("/_apis", Err(refusal)),
        },
        _ => ("/_actions", Err(ServiceRefusal::NoRoute)),
    }
}

fn of_admin(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    rest: &[&str],
) -> (&'static str, Result<SimResponse, ServiceRefusal>) {
    let number = |text: &str| text.parse::<u64>().map_err(|_| ServiceRefusal::NoRoute);
    match (request.method.as_str(), rest) {
        ("GET", ["runtime", "runnergroups"]) => ("/runnergroups", Ok(groups(request, scope))),
        ("GET", ["runtime", "runnerscalesets"]) => ("/runnerscalesets", Ok(list(world, request, scope))),
        ("POST", ["runtime", "runnerscalesets"]) => ("/runnerscalesets", create(world, request, scope)),
        (_, ["runtime", "runnerscalesets", id, below @ ..]) => match number(id) {
            Ok(id) => of_set(world, request, scope, id, below),
            Err(refusal) => ("/runnerscalesets/{id}", Err(refusal)),
        },
        ("GET", ["distributedtask", "pools", "0", "agents"]) => {
            ("/agents", Ok(agents(world, request, scope)))
        }
        ("GET", ["distributedtask", "pools", "0", "agents", id]) => (
            "/agents/{id}",
            number(id).and_then(|id| {
                let found = world.one_runner(scope, id).ok_or(ServiceRefusal::NoAgent)?;
                Ok(SimResponse::json(200, &agent(&found)))
            }),
        ),
        ("DELETE", ["distributedtask", "pools", "0", "agents", id]) => (
            "/agents/{id}",
            number(id).and_then(|id| world.delete_agent(scope, id)).map(|()| SimResponse::empty(204)),
        ),
        _ => ("/_apis", Err(ServiceRefusal::NoRoute)),
    }
}

fn of_set(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    id: u64,
    below: &[&str],
) -> (&'static str, Result<SimResponse, ServiceRefusal>) {
    match (request.method.as_str(), below) {
        ("GET", []) => (
            "/runnerscalesets/{id}",
            world.scale_set(scope, id).map(|found| SimResponse::json(200, &set(world, request, found))),
        ),
        ("PATCH", []) => ("/runnerscalesets/{id}", change(world, request, scope, id)),
        ("DELETE", []) => {
            ("/runnerscalesets/{id}", world.delete_scale_set(scope, id).map(|()| SimResponse::empty(204)))
        }
        ("POST", ["sessions"]) => ("/runnerscalesets/{id}/sessions", open(world, request, scope, id)),
        ("PATCH", ["sessions", session]) => (
            "/runnerscalesets/{id}/sessions/{session}",
            world.renew_session(scope, id, session).map(|found| session_json(world, request, found)),
        ),
        ("DELETE", ["sessions", session]) => (
            "/runnerscalesets/{id}/sessions/{session}",
            world.close_session(scope, id, session).map(|()| SimResponse::empty(204)),
        ),
        ("POST", ["generatejitconfig"]) => {
            ("/runnerscalesets/{id}/generatejitconfig", jit_config(world, request, scope, id))
        }
        ("GET", ["acquirablejobs"]) => ("/runnerscalesets/{id}/acquirablejobs", acquirable(world, scope, id)),
        _ => ("/runnerscalesets/{id}", Err(ServiceRefusal::NoRoute)),
    }
}

fn refused(refusal: ServiceRefusal) -> SimResponse {
    match refusal.parts() {
        (status, Some(name)) => SimResponse::json(
            status,
            &json!({
                "typeName": format!("GitHub.Actions.Runtime.WebApi.{name}, GitHub.Actions.Runtime.WebApi"),
                "typeKey": name, "message": format!("simcloud: {name}"),
            }),
        ),
        (404, None) => plain(404, "404 page not found"),
        (status, None) => plain(status, "the request cannot be read"),
    }
}

fn plain(status: u16, text: &str) -> SimResponse {
    SimResponse::text(status, text.to_owned()).header("content-type", "text/plain")
}

fn asked(request: &SimRequest) -> Option<AskedScaleSet> {
    let body = request.json()?;
    let fields = body.as_object()?;
    // Clients differ in the case of this one.
    let setting =
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case("runnerSetting")).map(|(_, value)| value);
    let labels = body["labels"]
        .as_array()
        .map(|labels| labels.iter().filter_map(|label| label["name"].as_str().map(str::to_owned)).collect());
    Some(AskedScaleSet {
        name: body["name"].as_str().map(str::to_owned),
        group: body["runnerGroupId"].as_u64(),
        labels,
        disable_update: setting.and_then(|setting| setting["disableUpdate"].as_bool()),
    })
}

fn create(world: &mut World, request: &SimRequest, scope: &Scope) -> Result<SimResponse, ServiceRefusal> {
    let id = world.create_scale_set(scope, asked(request).ok_or(ServiceRefusal::Invalid)?)?;
    let made = world.scale_set(scope, id)?;
    Ok(SimResponse::json(200, &set(world, request, made)))
}

fn change(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    id: u64,
) -> Result<SimResponse, ServiceRefusal> {
    world.change_scale_set(scope, id, asked(request).ok_or(ServiceRefusal::Invalid)?)?;
    let changed = world.scale_set(scope, id)?;
    Ok(SimResponse::json(200, &set(world, request, changed)))
}

fn list(world: &World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let (name, group) = (request.parameter("name"), request.parameter("runnerGroupId"));
    let is_asked = |set: &&&SimScaleSet| {
        name.as_ref().is_none_or(|name| set.name.eq_ignore_ascii_case(name))
            && group.as_ref().is_none_or(|group| set.group.to_string() == *group)
    };
    let all = world.scale_sets(scope);
    counted(all.iter().filter(is_asked).map(|found| set(world, request, found)).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
fn counted(items: Vec<Value>) -> SimResponse {
    SimResponse::json(200, &json!({"count": items.len(), "value": items}))
}

fn set(world: &World, request: &SimRequest, set: &SimScaleSet) -> Value {
    let groups = World::scale_set_groups(&set.scope);
    let group = groups.iter().find(|(id, _)| *id == set.group).map(|(_, name)| *name);
    let labels: Vec<Value> = set.labels.iter().map(|name| json!({"type": "system", "name": name})).collect();
    json!({
        "id": set.id, "name": set.name, "runnerGroupId": set.group, "runnerGroupName": group, "labels": labels,
        "RunnerSetting": {"disableUpdate": set.disable_update}, "createdOn": set.created_at.to_string(),
        "runnerJitConfigUrl": format!(
            "{}/_actions/rest/_apis/runtime/runnerscalesets/{}/generatejitconfig", request.base, set.id
        ),
        "statistics": world.set_statistics(set.id).to_json(),
    })
}

fn groups(request: &SimRequest, scope: &Scope) -> SimResponse {
    let wanted = request.parameter("groupName");
    let groups = World::scale_set_groups(scope).into_iter();
    let groups =
        groups.filter(|(_, name)| wanted.as_ref().is_none_or(|wanted| name.eq_ignore_ascii_case(wanted)));
    counted(
        groups
            .map(|(id, name)| json!({"id": id, "name": name, "size": 0, "isDefaultGroup": id == 1}))
            .collect(),
    )
}

fn open(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    id: u64,
) -> Result<SimResponse, ServiceRefusal> {
    let body = request.json().unwrap_or_default();
    let owner =
        body["ownerName"].as_str().filter(|owner| !owner.is_empty()).ok_or(ServiceRefusal::Invalid)?;
    let opened = world.open_session(scope, id, owner)?;
    Ok(session_json(world, request, opened))
}

#[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
fn session_json(world: &World, request: &SimRequest, session: crate::scale_sets::OpenSession) -> SimResponse {
    let of = world.scale_sets.sets.get(&session.set).map(|found| set(world, request, found));
    let url = if session.has_url { format!("{}{QUEUE}", request.base) } else { String::new() };
    let body = json!({
        "sessionId": session.id, "ownerName": session.owner, "runnerScaleSet": of, "messageQueueUrl": url,
        "messageQueueAccessToken": session.token, "statistics": session.statistics.to_json(),
    });
    SimResponse::json(200, &body)
}

fn poll(world: &mut World, request: &SimRequest, token: &str) -> Result<SimResponse, ServiceRefusal> {
    let after = request.number("lastMessageId", 0) as u64;
    let Some(capacity) = request.max_capacity.as_deref().map_or(Some(0), |text| text.parse::<u32>().ok())
    else {
        return Ok(plain(400, "X-ScaleSetMaxCapacity must be a whole number"));
    };
    world.poll_messages(token, after, capacity).map(|polled| message(&polled))
}

fn message(polled: &PolledMessage) -> SimResponse {
    match polled {
        PolledMessage::Message(message) => SimResponse::json(
            200,
            &json!({
                "messageId": message.id, "messageType": "RunnerScaleSetJobMessages", "body": message.body,
                "statistics": message.statistics.to_json(),
            }),
        ),
        PolledMessage::Nothing => SimResponse::empty(202),
        PolledMessage::Empty => SimResponse::empty(200),
    }
}

fn acknowledge(world: &mut World, token: &str, id: &str) -> Result<SimResponse, ServiceRefusal> {
    let id = id.parse().map_err(|_| ServiceRefusal::NoRoute)?;
    let was_there = world.delete_message(token, id)?;
    Ok(SimResponse::empty(if was_there { 204 } else { 404 }))
}

fn acquire(world: &mut World, request: &SimRequest, token: &str) -> Result<SimResponse, ServiceRefusal> {
    let ids: Vec<u64> = serde_json::from_slice(&request.body).map_err(|_| ServiceRefusal::Invalid)?;
    let won = world.acquire_jobs(token, &ids)?;
    Ok(counted(won.into_iter().map(Value::from).collect()))
}

fn acquirable(world: &World, scope: &Scope, id: u64) -> Result<SimResponse, ServiceRefusal> {
    let offered = world.acquirable_jobs(scope, id)?;
    if offered.is_empty() {
        return Ok(SimResponse::empty(204));
    }
    let job = |id: u64| json!({"messageType": "JobAvailable", "runnerRequestId": id});
    Ok(counted(offered.into_iter().map(job).collect()))
}

fn jit_config(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    id: u64,
) -> Result<SimResponse, ServiceRefusal> {
    let body = request.json().ok_or(ServiceRefusal::Invalid)?;
    let (runner, jit) = world.set_jit_config(scope, id, body["name"].as_str().unwrap_or_default())?;
    let short = json!({"id": runner.id, "name": runner.name, "runnerScaleSetId": id});
    Ok(SimResponse::json(200, &json!({"runner": short, "encodedJITConfig": jit})))
}

fn agents(world: &mut World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let name = request.parameter("agentName");
    let ids: Vec<u64> = world.agents(scope, name.as_deref()).into_iter().map(|runner| runner.id).collect();
    counted(
        ids.into_iter().filter_map(|id| world.one_runner(scope, id)).map(|runner| agent(&runner)).collect(),
    )
}

fn agent(runner: &SimRunner) -> Value {
    json!({
        "id": runner.id, "name": runner.name, "runnerScaleSetId": runner.scale_set, "runnerGroupId": runner.group,
        "enabled": true, "ephemeral": runner.ephemeral, "status": if runner.online { "online" } else { "offline" },
        "busy": runner.is_busy(),
    })
}
