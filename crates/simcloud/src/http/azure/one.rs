//! One VM: it is created, shown, changed, started, stopped and deleted.

use serde_json::Value;

use super::operations::leading_to;
use super::shown::{VmView, view, vm_json};
use super::{At, error, no_vm, strict};
use crate::azure::{AzureRefusal, SimVm, key};
use crate::http::message::{SimRequest, SimResponse};
use crate::operations::{OperationKind, PowerOrder};
use crate::world::World;

const COMPUTE: &str = "Microsoft.Compute";

pub(super) fn answer(world: &mut World, request: &SimRequest, at: At<'_>) -> SimResponse {
    match request.method.as_str() {
        "PUT" => put(world, request, at),
        "GET" => {
            let expand = request.parameter("$expand").unwrap_or_default();
            let wants =
                if expand.eq_ignore_ascii_case("instanceView") { VmView::Expanded } else { VmView::Model };
            let Some(vm) = of(world, at) else { return no_vm(at) };
            let mut shown = vm_json(world, vm, wants);
            if expand.eq_ignore_ascii_case("userData") {
                shown["properties"]["userData"] = vm.body["properties"]["userData"].clone();
            }
            SimResponse::json(200, &shown)
        }
        "PATCH" => patch(world, request, at),
        "DELETE" => delete(world, request, at),
        _ => error(405, "MethodNotAllowed", "Not allowed here."),
    }
}

fn of<'w>(world: &'w World, (subscription, group, name): At<'_>) -> Option<&'w SimVm> {
    world.state.azure.vms.get(&key(subscription, group, name))
}

pub(super) fn refused(refusal: &AzureRefusal) -> SimResponse {
    error(refusal.status, refusal.code, &refusal.message)
}

fn not_json() -> SimResponse {
    error(400, "InvalidRequestContent", "The request is not JSON.")
}

/// An answer with the address of the latest operation on a VM.
fn with_operation(
    answer: SimResponse,
    world: &World,
    request: &SimRequest,
    (uid, region): (u64, &str),
    by_location: bool,
) -> SimResponse {
    match world.operations.latest(uid) {
        Some(number) => leading_to(answer, world, request, (COMPUTE, region), number, by_location),
        None => answer,
    }
}

fn put(world: &mut World, request: &SimRequest, (subscription, group, name): At<'_>) -> SimResponse {
    let Some(body) = request.json() else { return not_json() };
    if world.settings.strict
        && let Err(refusal) = strict::check(world, request, (subscription, group, name), &body)
    {
        return refusal.answer();
    }
    let only_if_absent = request.if_none_match.as_deref() == Some("*");
    match world.put_vm(subscription, group, name, body, only_if_absent) {
        Ok(vm) => {
            let answer = SimResponse::json(201, &vm_json(world, &vm, VmView::Model));
            with_operation(answer, world, request, (vm.uid, vm.location()), false)
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Changes tags and user data. Nothing else of a VM can be changed here.
fn patch(world: &mut World, request: &SimRequest, at: At<'_>) -> SimResponse {
    let Some(body) = request.json() else { return not_json() };
    let (subscription, group, name) = at;
    if let Some(text) = body["properties"]["userData"].as_str() {
        world.set_user_data(subscription, group, name, text);
    }
    if let Some(tags) = body["tags"].as_object() {
        world.set_tags(subscription, group, name, &Value::Object(tags.clone()));
    }
    let Some(uid) = of(world, at).map(|vm| vm.uid) else { return no_vm(at) };
    world.done_at_once(OperationKind::Change, uid);
    let Some(vm) = of(world, at) else { return no_vm(at) };
    let answer = SimResponse::json(200, &vm_json(world, vm, VmView::Model));
    with_operation(answer, world, request, (vm.uid, vm.location()), false)
}

fn delete(world: &mut World, request: &SimRequest, at: At<'_>) -> SimResponse {
    let (subscription, group, name) = at;
    if !world.delete_vm(subscription, group, name) {
        return SimResponse::empty(204);
    }
    let Some(vm) = of(world, at) else { return SimResponse::empty(204) };
    with_operation(SimResponse::empty(202), world, request, (vm.uid, vm.location()), true)
}

/// Starts, stops or deallocates a VM.
pub(super) fn power(world: &mut World, request: &SimRequest, at: At<'_>, order: PowerOrder) -> SimResponse {
    if request.method != "POST" {
        return error(405, "MethodNotAllowed", "Not allowed here.");
    }
    match world.order_power(at, order) {
        Err(refusal) => return refused(&refusal),
        Ok(None) => return no_vm(at),
        Ok(Some(_)) => {}
    }
    let Some(vm) = of(world, at) else { return no_vm(at) };
    with_operation(SimResponse::empty(202), world, request, (vm.uid, vm.location()), true)
}

pub(super) fn instance_view(world: &World, request: &SimRequest, at: At<'_>) -> SimResponse {
    if request.method != "GET" {
        return error(405, "MethodNotAllowed", "Not allowed here.");
    }
    of(world, at).map_or_else(|| no_vm(at), |vm| SimResponse::json(200, &view(vm)))
}
