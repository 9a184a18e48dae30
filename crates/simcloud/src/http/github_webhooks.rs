//! Webhooks in GitHub's REST API: of a repository, and of an organisation.

use azlin_fleet::model::Scope;
use serde_json::{Value, json};

use super::github::{linked, page};
use super::github_json as shape;
use super::message::{SimRequest, SimResponse};
use crate::webhooks::{SimDelivery, SimWebhook};
use crate::world::World;

/// Answers a request below `/hooks`. Returns the route, for the statistics, and the answer.
pub(super) fn answer(
    world: &mut World,
    request: &SimRequest,
    scope: &Scope,
    rest: &[&str],
) -> (&'static str, SimResponse) {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let hook =
        rest.first().and_then(|id| world.webhooks.all.get(&number(id))).filter(|hook| hook.scope == *scope);
    let hook = hook.map(|hook| hook.id);
    match (request.method.as_str(), rest, hook) {
        ("GET", [], _) => ("/hooks", list(world, request, scope)),
        ("POST", [], _) => ("/hooks", make(world, request, scope)),
        (_, [_, ..], None) => ("/hooks/{hook_id}", SimResponse::json(404, &shape::not_found())),
        ("GET", [_], Some(id)) => ("/hooks/{hook_id}", one(world, request, id, 200)),
        ("PATCH", [_], Some(id)) => ("/hooks/{hook_id}", change(world, request, id)),
        ("DELETE", [_], Some(id)) => {
            world.webhooks.all.remove(&id);
            ("/hooks/{hook_id}", SimResponse::empty(204))
        }
        ("POST", [_, "pings"], Some(id)) => {
            world.ping_webhook(id);
            ("/hooks/{hook_id}/pings", SimResponse::empty(204))
        }
        ("GET", [_, "deliveries"], Some(id)) => {
            ("/hooks/{hook_id}/deliveries", deliveries(world, request, id))
        }
        ("POST", [_, "deliveries", delivery, "attempts"], Some(id)) => {
            let answer = if world.deliver_again(id, number(delivery)) {
                SimResponse::json(202, &json!({}))
            } else {
                SimResponse::json(404, &shape::not_found())
            };
            ("/hooks/{hook_id}/deliveries/{delivery_id}/attempts", answer)
        }
        _ => ("", SimResponse::json(404, &shape::not_found())),
    }
}

fn list(world: &World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let own: Vec<&SimWebhook> = world.webhooks.all.values().filter(|hook| hook.scope == *scope).collect();
    let (webhooks, link) = page(request, own, 30);
    let webhooks: Vec<Value> = webhooks.into_iter().map(|hook| shape_of(request, hook)).collect();
    linked(SimResponse::json(200, &json!(webhooks)), link)
}

fn one(world: &World, request: &SimRequest, id: u64, status: u16) -> SimResponse {
    let found = world.webhooks.all.get(&id).map(|hook| shape_of(request, hook));
    found.map_or_else(|| SimResponse::json(404, &shape::not_found()), |hook| SimResponse::json(status, &hook))
}

fn make(world: &mut World, request: &SimRequest, scope: &Scope) -> SimResponse {
    let Some(body) = request.json() else {
        return SimResponse::json(400, &shape::error(400, "Problems parsing JSON"));
    };
    let events = strings(&body["events"]).unwrap_or_else(|| vec!["push".to_owned()]);
    let Some(url) = body["config"]["url"].as_str().filter(|url| url.starts_with("http")) else {
        return SimResponse::json(422, &shape::error(422, "Validation Failed"));
    };
    let is_there = |hook: &SimWebhook| hook.scope == *scope && hook.url == url && hook.events == events;
    if world.webhooks.all.values().any(is_there) {
        let message = "Validation Failed: Hook already exists on this repository";
        return SimResponse::json(422, &shape::error(422, message));
    }
    let secret = body["config"]["secret"].as_str().map(str::to_owned);
    let id = world.make_webhook(scope.clone(), url, secret, events);
    one(world, request, id, 201)
}

fn change(world: &mut World, request: &SimRequest, id: u64) -> SimResponse {
    let Some(body) = request.json() else {
        return SimResponse::json(400, &shape::error(400, "Problems parsing JSON"));
    };
    let now = world.now();
    if let Some(hook) = world.webhooks.all.get_mut(&id) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        hook.events = strings(&body["events"]).unwrap_or(std::mem::take(&mut hook.events));
        hook.active = body["active"].as_bool().unwrap_or(hook.active);
        if body["config"].is_object() {
            // GitHub replaces the whole configuration: a secret that is not given again is gone.
            hook.url = text(&body["config"]["url"]).unwrap_or(std::mem::take(&mut hook.url));
            hook.secret = text(&body["config"]["secret"]);
        }
        hook.updated_at = now;
    }
    one(world, request, id, 200)
}

/// A page of deliveries, the newest first. The next page starts after the id that `cursor` names.
fn deliveries(world: &World, request: &SimRequest, id: u64) -> SimResponse {
    let all = world.webhooks.all.get(&id).map(|hook| &hook.deliveries).into_iter().flatten();
    let size = request.number("per_page", 30).clamp(1, 100);
    let before =
        request.parameter("cursor").and_then(|cursor| cursor.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let mut rest = all.filter(|delivery| delivery.id < before);
    let page: Vec<&SimDelivery> = rest.by_ref().take(size).collect();
    let next = page.last().filter(|_| rest.next().is_some()).map(|last| {
        format!("<{}{}?per_page={size}&cursor={}>; rel=\"next\"", request.base, request.numbered, last.id)
    });
    let page: Vec<Value> = page.into_iter().map(delivery).collect();
    linked(SimResponse::json(200, &json!(page)), next)
}

fn delivery(delivery: &SimDelivery) -> Value {
    let request = &delivery.request;
    json!({
        "id": delivery.id, "guid": request.guid, "delivered_at": delivery.at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        "redelivery": request.redelivery, "duration": delivery.took.as_secs_f64(), "status": delivery.status,
        "status_code": delivery.code, "event": request.event, "action": request.action, "installation_id": null,
        "repository_id": request.repository, "throttled_at": null,
    })
}

fn shape_of(request: &SimRequest, hook: &SimWebhook) -> Value {
    let (kind, at) = match &hook.scope {
        Scope::Repo(repo) => ("Repository", format!("{}/repos/{repo}/hooks/{}", request.base, hook.id)),
        Scope::Org(org) => ("Organization", format!("{}/orgs/{org}/hooks/{}", request.base, hook.id)),
        Scope::Enterprise(name) => {
            ("Enterprise", format!("{}/enterprises/{name}/hooks/{}", request.base, hook.id))
        }
    };
    let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut config = json!({"url": hook.url, "content_type": "json", "insecure_ssl": "0"});
    if hook.secret.is_some() {
        config["secret"] = json!("********");
    }
    let last = hook.deliveries.front();
    let mut shape = json!({
        "type": kind, "id": hook.id, "name": "web", "active": hook.active, "events": hook.events, "config": config,
        "updated_at": time(hook.updated_at), "created_at": time(hook.created_at), "url": at,
        "ping_url": format!("{at}/pings"), "deliveries_url": format!("{at}/deliveries"),
    });
    if kind == "Repository" {
        shape["test_url"] = json!(format!("{at}/test"));
        shape["last_response"] = json!({
            "code": last.map(|last| last.code), "status": last.map_or("unused", |last| if last.code < 300 { "active" } else { "misconfigured" }),
            "message": last.map(|last| last.status.clone()),
        });
    }
    shape
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let all = value.as_array()?.iter().filter_map(|one| one.as_str().map(str::to_owned));
    Some(all.collect())
}
