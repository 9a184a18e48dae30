//! Azure Resource Manager over the simulated world: who may ask, and who answers.

mod lists;
mod one;
mod operations;
mod shown;
mod sign_in;
mod strict;

use serde_json::json;

use super::about;
use super::azure_preflight;
use super::message::{SimRequest, SimResponse};
use super::parts;
use crate::fault::Lag;
use crate::operations::PowerOrder;
use crate::refusals::AzureThrottle;
use crate::world::World;

pub(super) use operations::leading_to;
pub(crate) use shown::failure_message;
pub use sign_in::{CLIENT_ID, CLIENT_SECRET, IDENTITY_HEADER};
pub(crate) use sign_in::{answer as sign_in, is_sign_in};

/// The subscription, the resource group and the name of a resource.
type At<'a> = (&'a str, &'a str, &'a str);

pub(super) fn error(status: u16, code: &str, message: &str) -> SimResponse {
    let body = json!({"error": {"code": code, "message": message}});
    SimResponse::json(status, &body).header("x-ms-error-code", code)
}

/// The answer where there is no such VM.
pub(super) fn no_vm((_, group, name): At<'_>) -> SimResponse {
    let message = format!(
        "The Resource 'Microsoft.Compute/virtualMachines/{name}' under resource group '{group}' was not found."
    );
    error(404, "ResourceNotFound", &message)
}

/// Answers a request to Azure Resource Manager. Lists lag as `stale` says.
pub(crate) fn answer(world: &mut World, request: &SimRequest, stale: Lag) -> SimResponse {
    if request.path.starts_with("/_blob/") {
        return about::serial_log(world, request);
    }
    world.revoke_tokens();
    match request.bearer().and_then(|token| world.token_expires_at(token)) {
        None => return unauthorized("InvalidAuthenticationToken", "The access token is invalid."),
        Some(at) if at <= world.now() => {
            return unauthorized("ExpiredAuthenticationToken", "The access token has expired.");
        }
        Some(_) => {}
    }
    let lower: Vec<String> = request.segments().iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let limits = world.count_azure(&request.method, &request.path);
    let (route, found) = match &limits.throttled {
        Some(throttled) => (String::new(), too_many(throttled)),
        None => permitted(world, request, &words, stale),
    };
    let found = SimResponse { route, ..found }.header("x-ms-request-id", "simcloud");
    limits.headers.into_iter().fold(found, |found, (name, left)| found.header(&name, left))
}

/// The refusal of a request beyond a limit: Compute's own, or the resource manager's.
fn too_many(throttled: &AzureThrottle) -> SimResponse {
    let seconds = throttled.wait.as_secs().max(1);
    let answer = if throttled.is_of_compute {
        let measured = json!({
            "operationGroup": throttled.name, "allowedRequestCount": throttled.allowed,
            "measuredRequestCount": throttled.allowed + 1.0,
        });
        let body = json!({"error": {
            "code": "OperationNotAllowed",
            "message": "The server rejected the request because too many requests have been received for this subscription.",
            "details": [{"code": "TooManyRequests", "target": throttled.name, "message": measured.to_string()}],
        }});
        SimResponse::json(429, &body)
    } else {
        let message = format!(
            "Number of requests for subscription and operation exceeded the backend storage limit. Please try again after \
             '{seconds}' seconds."
        );
        error(429, "SubscriptionRequestsThrottled", &message)
    };
    answer.header("retry-after", seconds.to_string())
}

fn unauthorized(code: &str, message: &str) -> SimResponse {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{message}\"");
    error(401, code, message).header("www-authenticate", challenge)
}

/// The route and the answer of a request whose token is good.
fn permitted(world: &mut World, request: &SimRequest, words: &[&str], stale: Lag) -> (String, SimResponse) {
    if let Some((route, action, found)) = azure_preflight::answer(world, request, words) {
        return (route.to_owned(), if world.account.grants(action) { found } else { denied(action) });
    }
    if let Some(action) = action(&request.method, words).filter(|action| !world.account.grants(action)) {
        return (String::new(), denied(&action));
    }
    if let ["subscriptions", _, "resourcegroups", group, ..] = words
        && !world.account.has(group)
    {
        let message = format!("Resource group '{group}' could not be found.");
        return (String::new(), error(404, "ResourceGroupNotFound", &message));
    }
    if let Some(refusal) = world.azure_refuses(&request.method, &request.path) {
        return (String::new(), error(refusal.status, refusal.code, &refusal.message));
    }
    let (route, found) = routed(world, request, words, stale);
    (route.to_owned(), found)
}

fn routed(
    world: &mut World,
    request: &SimRequest,
    words: &[&str],
    stale: Lag,
) -> (&'static str, SimResponse) {
    let segments = request.segments();
    match words {
        ["subscriptions", subscription, "providers", "microsoft.compute", rest @ ..] => match rest {
            ["virtualmachines"] => {
                let all = lists::VmScope { subscription, group: None, location: None };
                ("/subscriptions/{id}/virtualMachines", lists::answer(world, request, all, stale))
            }
            ["locations", location, "virtualmachines"] => {
                let there = lists::VmScope { subscription, group: None, location: Some(*location) };
                ("/locations/{name}/virtualMachines", lists::answer(world, request, there, stale))
            }
            ["locations", _, "operations", id] => {
                ("/operations/{id}", operations::answer(world, request, id))
            }
            _ => unknown(),
        },
        ["subscriptions", _, "providers", "microsoft.network", "locations", _, "operations", id] => {
            ("/operations/{id}", operations::answer(world, request, id))
        }
        ["subscriptions", subscription, "resourcegroups", group, "providers", provider, rest @ ..] => {
            match (*provider, rest) {
                ("microsoft.compute", ["virtualmachines"]) => {
                    let there = lists::VmScope { subscription, group: Some(*group), location: None };
                    ("/resourceGroups/{name}/virtualMachines", lists::answer(world, request, there, stale))
                }
                ("microsoft.compute", ["virtualmachines", _, more @ ..]) => {
                    of_vm(world, request, (segments[1], segments[3], segments[7]), more)
                }
                (_, [resource, ..])
                    if parts::kind(resource).is_some() && (rest.len() == 1 || request.method == "DELETE") =>
                {
                    parts::answer(world, request, words)
                }
                ("microsoft.network", ["networkinterfaces", _]) => (
                    "/networkInterfaces/{name}",
                    about::nic(world, request, (segments[1], segments[3], segments[7])),
                ),
                (_, [resource, _]) if parts::kind(resource).is_some() => parts::one(world, request, words),
                _ => unknown(),
            }
        }
        _ => unknown(),
    }
}

/// A request for one VM, or for something below it.
fn of_vm(world: &mut World, request: &SimRequest, at: At<'_>, more: &[&str]) -> (&'static str, SimResponse) {
    match more {
        [] => ("/virtualMachines/{name}", one::answer(world, request, at)),
        ["instanceview"] => ("/virtualMachines/{name}/instanceView", one::instance_view(world, request, at)),
        ["retrievebootdiagnosticsdata"] => (
            "/virtualMachines/{name}/retrieveBootDiagnosticsData",
            about::boot_diagnostics(world, request, at),
        ),
        [word] => match PowerOrder::of(word) {
            Some(order) => ("/virtualMachines/{name}/{action}", one::power(world, request, at, order)),
            None => unknown(),
        },
        _ => unknown(),
    }
}

fn unknown() -> (&'static str, SimResponse) {
    ("", error(404, "NotFound", "No such resource type here."))
}

/// The action that a request on VMs and their resources needs.
fn action(method: &str, words: &[&str]) -> Option<String> {
    let verb = match method {
        "PUT" | "PATCH" => "write",
        "DELETE" => "delete",
        _ => "read",
    };
    let vms = "Microsoft.Compute/virtualMachines";
    match words {
        [.., "microsoft.compute", "virtualmachines", _, "retrievebootdiagnosticsdata"] => {
            Some(format!("{vms}/retrieveBootDiagnosticsData/action"))
        }
        [.., "microsoft.compute", "virtualmachines", _, "instanceview"] => {
            Some(format!("{vms}/instanceView/read"))
        }
        [.., "microsoft.compute", "virtualmachines", _, word] => {
            PowerOrder::of(word).map(|order| format!("{vms}/{}/action", order.as_str()))
        }
        [.., "microsoft.compute", "virtualmachines"]
        | [.., "microsoft.compute", "virtualmachines", _]
        | [.., "microsoft.compute", "locations", _, "virtualmachines"] => Some(format!("{vms}/{verb}")),
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
