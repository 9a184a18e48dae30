//! Azure Resource Manager and the managed identity endpoint over the simulated world.

use serde_json::{Value, json};

use super::about;
use super::azure_preflight;
use super::message::{SimRequest, SimResponse};
use super::parts;
use crate::azure::{SimVm, SimVmState, key};
use crate::fault::Lag;
use crate::world::World;

/// The value of `X-IDENTITY-HEADER` that the identity endpoint requires.
pub const IDENTITY_HEADER: &str = "simcloud-identity-header";

/// Answers a request to the managed identity endpoint (App Service form).
pub(crate) fn identity(world: &mut World, request: &SimRequest) -> SimResponse {
    if request.identity_header.as_deref() != Some(IDENTITY_HEADER) {
        return SimResponse::json(
            403,
            &json!({"error": "invalid_request", "error_description": "wrong X-IDENTITY-HEADER"}),
        );
    }
    let Some(resource) = request.parameter("resource") else {
        return SimResponse::json(
            400,
            &json!({"error": "invalid_request", "error_description": "resource is missing"}),
        );
    };
    let (token, expires_at) = world.issue_token();
    let token = json!({
        "access_token": token, "expires_on": expires_at.as_second().to_string(), "resource": resource, "token_type": "Bearer",
        "client_id": "00000000-0000-0000-0000-000000000001",
    });
    SimResponse { route: "/msi/token".to_owned(), ..SimResponse::json(200, &token) }
}

pub(super) fn error(status: u16, code: &str, message: &str) -> SimResponse {
    let body = json!({"error": {"code": code, "message": message}});
    SimResponse::json(status, &body).header("x-ms-error-code", code)
}

/// Answers a request to Azure Resource Manager. Lists lag as `stale` says.
pub(crate) fn answer(world: &mut World, request: &SimRequest, stale: Lag) -> SimResponse {
    if request.path.starts_with("/_blob/") {
        return about::serial_log(world, request);
    }
    let token = request.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer "));
    match token.and_then(|token| world.token_expires_at(token)) {
        None => return error(401, "InvalidAuthenticationToken", "The access token is invalid."),
        Some(at) if at <= world.now() => {
            return error(401, "ExpiredAuthenticationToken", "The access token has expired.");
        }
        Some(_) => {}
    }
    let segments: Vec<&str> = request.segments();
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    if let Some((route, action, found)) = azure_preflight::answer(world, request, &words) {
        let found = if world.account.grants(action) { found } else { denied(action) };
        return with_headers(SimResponse { route: route.to_owned(), ..found });
    }
    if let Some(action) = action(&request.method, &words).filter(|action| !world.account.grants(action)) {
        return with_headers(denied(&action));
    }
    if let ["subscriptions", _, "resourcegroups", group, ..] = words.as_slice()
        && !world.account.has(group)
    {
        let message = format!("Resource group '{group}' could not be found.");
        return with_headers(error(404, "ResourceGroupNotFound", &message));
    }
    let (route, mut found) = match words.as_slice() {
        ["subscriptions", subscription, "providers", "microsoft.compute", "virtualmachines"] => {
            ("/subscriptions/{id}/virtualMachines", list(world, request, subscription, None, stale))
        }
        [
            "subscriptions",
            subscription,
            "resourcegroups",
            group,
            "providers",
            "microsoft.compute",
            "virtualmachines",
        ] => {
            ("/resourceGroups/{name}/virtualMachines", list(world, request, subscription, Some(group), stale))
        }
        ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.compute", "virtualmachines", _] => {
            ("/virtualMachines/{name}", one(world, request, (segments[1], segments[3], segments[7])))
        }
        [
            "subscriptions",
            _,
            "resourcegroups",
            _,
            "providers",
            "microsoft.compute",
            "virtualmachines",
            _,
            "retrievebootdiagnosticsdata",
        ] => (
            "/virtualMachines/{name}/retrieveBootDiagnosticsData",
            about::boot_diagnostics(world, request, (segments[1], segments[3], segments[7])),
        ),
        ["subscriptions", _, "resourcegroups", _, "providers", _, resource, ..]
            if parts::kind(resource).is_some() && (words.len() == 7 || request.method == "DELETE") =>
        {
            parts::answer(world, request, &words)
        }
        [
            "subscriptions",
            _,
            "resourcegroups",
            _,
            "providers",
            "microsoft.network",
            "networkinterfaces",
            _,
        ] => {
            ("/networkInterfaces/{name}", about::nic(world, request, (segments[1], segments[3], segments[7])))
        }
        _ => ("", error(404, "NotFound", "No such resource type here.")),
    };
    found.route = route.to_owned();
    with_headers(found)
}

/// The action that a request on VMs and their resources needs.
fn action(method: &str, words: &[&str]) -> Option<String> {
    let verb = match method {
        "PUT" | "PATCH" => "write",
        "DELETE" => "delete",
        _ => "read",
    };
    match words {
        [.., "microsoft.compute", "virtualmachines", _, "retrievebootdiagnosticsdata"] => {
            Some("Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action".to_owned())
        }
        [.., "microsoft.compute", "virtualmachines"] | [.., "microsoft.compute", "virtualmachines", _] => {
            Some(format!("Microsoft.Compute/virtualMachines/{verb}"))
        }
        [_, _, _, _, _, _, resource] | [_, _, _, _, _, _, resource, _] => {
            parts::kind(resource).map(|(_, resource)| format!("{resource}/{verb}"))
        }
        _ => None,
    }
}

fn denied(action: &str) -> SimResponse {
    let message =
        format!("The client does not have authorization to perform action '{action}' over this scope.");
    error(403, "AuthorizationFailed", &message)
}

fn with_headers(answer: SimResponse) -> SimResponse {
    answer
        .header("x-ms-ratelimit-remaining-subscription-reads", "11999")
        .header("x-ms-request-id", "simcloud")
}

fn one(
    world: &mut World,
    request: &SimRequest,
    (subscription, group, name): (&str, &str, &str),
) -> SimResponse {
    let absent = || {
        let message = format!(
            "The Resource 'Microsoft.Compute/virtualMachines/{name}' under resource group '{group}' was not found."
        );
        error(404, "ResourceNotFound", &message)
    };
    match request.method.as_str() {
        "PUT" => {
            let Some(body) = request.json() else {
                return error(400, "InvalidRequestContent", "The request is not JSON.");
            };
            let only_if_absent = request.if_none_match.as_deref() == Some("*");
            match world.put_vm(subscription, group, name, body, only_if_absent) {
                Ok(vm) => SimResponse::json(201, &vm_json(&vm, false))
                    .header("azure-asyncoperation", format!("{}/operations/{}", request.base, vm.uid)),
                Err(refusal) => error(refusal.status, refusal.code, &refusal.message),
            }
        }
        "GET" => {
            let with_view =
                request.parameter("$expand").is_some_and(|what| what.eq_ignore_ascii_case("instanceView"));
            let vm = world.state.azure.vms.get(&key(subscription, group, name));
            vm.map_or_else(absent, |vm| SimResponse::json(200, &vm_json(vm, with_view)))
        }
        "PATCH" => {
            let Some(body) = request.json() else {
                return error(400, "InvalidRequestContent", "The request is not JSON.");
            };
            let text = body["properties"]["userData"].as_str();
            if text.is_some_and(|text| !world.set_user_data(subscription, group, name, text)) {
                return absent();
            }
            let vm = world.state.azure.vms.get(&key(subscription, group, name));
            vm.map_or_else(absent, |vm| SimResponse::json(200, &vm_json(vm, false)))
        }
        "DELETE" if world.delete_vm(subscription, group, name) => {
            SimResponse::empty(202).header("location", format!("{}/operations/delete", request.base))
        }
        "DELETE" => SimResponse::empty(204),
        _ => error(405, "MethodNotAllowed", "Not allowed here."),
    }
}

fn list(
    world: &World,
    request: &SimRequest,
    subscription: &str,
    group: Option<&str>,
    stale: Lag,
) -> SimResponse {
    let state = &world.seen(stale).azure;
    let vms: Vec<&SimVm> = match group {
        Some(group) => state.of_group(subscription, group),
        None => state.of_subscription(subscription),
    };
    let status_only = group.is_none() && request.parameter("statusOnly").as_deref() == Some("true");
    let skip = request.number("$skiptoken", 0);
    let page = world.settings.vm_page;
    let item = |vm: &&SimVm| if status_only { status_json(vm) } else { vm_json(vm, false) };
    let mut body = json!({"value": vms.iter().skip(skip).take(page).map(item).collect::<Value>()});
    if vms.len() > skip + page {
        let kept =
            url::form_urlencoded::parse(request.query.as_bytes()).filter(|(key, _)| key != "$skiptoken");
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        body["nextLink"] =
            json!(format!("{}{}?{query}&$skiptoken={}", request.base, request.path, skip + page));
    }
    SimResponse::json(200, &body)
}

/// A VM as Azure shows it: its request without secrets, and its state.
fn vm_json(vm: &SimVm, with_view: bool) -> Value {
    let mut shown = Value::clone(&vm.body);
    shown["id"] = json!(vm.id());
    shown["name"] = json!(vm.name);
    shown["type"] = json!("Microsoft.Compute/virtualMachines");
    shown["properties"]["provisioningState"] = json!(vm.state.as_str());
    shown["properties"]["vmId"] = json!(format!("00000000-0000-0000-0000-{:012}", vm.uid));
    shown["properties"]["networkProfile"]["networkInterfaces"] = json!([{"id": vm.nic_id()}]);
    shown["properties"]["timeCreated"] = json!(vm.created_at.to_string());
    if let Some(profile) = shown["properties"]["osProfile"].as_object_mut() {
        profile.remove("customData");
        profile.remove("adminPassword");
    }
    if with_view {
        shown["properties"]["instanceView"] = view(vm);
    }
    shown
}

/// A VM in a list of statuses, which has no tags.
fn status_json(vm: &SimVm) -> Value {
    json!({
        "id": vm.id(), "name": vm.name, "type": "Microsoft.Compute/virtualMachines", "location": vm.body["location"],
        "properties": {"provisioningState": vm.state.as_str(), "instanceView": view(vm)},
    })
}

/// Azure's message for an operation that failed with this code.
pub(crate) fn failure_message(code: &str, size: &str) -> String {
    match code {
        "QuotaExceeded" | "OperationNotAllowed" => {
            format!("The operation for {size} results in exceeding approved Total Regional Cores quota.")
        }
        _ => format!("The operation for {size} failed. Try later, or another size or zone."),
    }
}

fn view(vm: &SimVm) -> Value {
    let mut statuses = vec![match vm.state {
        SimVmState::Creating => {
            json!({"code": "ProvisioningState/creating", "level": "Info", "displayStatus": "Creating"})
        }
        SimVmState::Succeeded => {
            json!({"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"})
        }
        SimVmState::Failed => {
            let code = vm.failure.as_deref().unwrap_or("InternalExecutionError");
            json!({
                "code": format!("ProvisioningState/failed/{code}"), "level": "Error",
                "displayStatus": "Provisioning failed", "message": failure_message(code, vm.size()),
            })
        }
        SimVmState::Deleting => {
            json!({"code": "ProvisioningState/deleting", "level": "Info", "displayStatus": "Deleting"})
        }
    }];
    match vm.running {
        Some(true) => statuses
            .push(json!({"code": "PowerState/running", "level": "Info", "displayStatus": "VM running"})),
        Some(false) => statuses
            .push(json!({"code": "PowerState/stopped", "level": "Info", "displayStatus": "VM stopped"})),
        None => {}
    }
    json!({"statuses": statuses})
}
