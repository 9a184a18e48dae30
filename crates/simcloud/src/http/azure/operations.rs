//! The addresses to which `Azure-AsyncOperation` and `Location` lead.

use serde_json::json;

use super::error;
use super::shown::time;
use crate::http::message::{SimRequest, SimResponse};
use crate::operations::{OperationEnd, OperationKind};
use crate::world::World;

/// The name of an operation, in the form of a GUID.
fn name(number: u64) -> String {
    format!("0a210000-0000-4000-8000-{number:012x}")
}

/// Adds to a 201 or 202 the addresses of its operation. `by_location` adds `Location`, which a PUT lacks.
pub(in crate::http) fn leading_to(
    answer: SimResponse,
    world: &World,
    request: &SimRequest,
    (provider, region): (&str, &str),
    number: u64,
    by_location: bool,
) -> SimResponse {
    let subscription = request.segments().get(1).copied().unwrap_or_default().to_owned();
    let version = request.parameter("api-version").unwrap_or_else(|| "2025-04-01".to_owned());
    let address = |more: &str| {
        format!(
            "{}/subscriptions/{subscription}/providers/{provider}/locations/{region}/operations/{}?p=00000000-0000-0000-\
             0000-000000000000{more}&api-version={version}",
            request.base,
            name(number)
        )
    };
    let answer = answer
        .header("azure-asyncnotification", "Enabled")
        .header("azure-asyncoperation", address(""))
        .header("retry-after", retry_after(world));
    if by_location { answer.header("location", address("&monitor=true")) } else { answer }
}

fn retry_after(world: &World) -> String {
    world.settings.operation_wait.as_secs().to_string()
}

/// What became of an operation. With `monitor=true` the status of the answer says it, without it the body.
pub(super) fn answer(world: &World, request: &SimRequest, id: &str) -> SimResponse {
    if request.method != "GET" {
        return error(405, "MethodNotAllowed", "Not allowed here.");
    }
    let number = id.rsplit('-').next().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let found = number.filter(|number| name(*number).eq_ignore_ascii_case(id));
    let Some(operation) = found.and_then(|number| world.operations.get(number)) else {
        return error(404, "NotFound", &format!("The entity was not found: operation '{id}'."));
    };
    if request.parameter("monitor").as_deref() == Some("true") {
        return match &operation.ended {
            None => SimResponse::empty(202)
                .header("retry-after", retry_after(world))
                .header("location", format!("{}{}?{}", request.base, request.path, request.query)),
            Some((_, OperationEnd::Succeeded)) if operation.kind == OperationKind::Delete => {
                SimResponse::empty(204)
            }
            Some((_, OperationEnd::Succeeded)) => SimResponse::empty(200),
            Some((_, OperationEnd::Failed(code, message))) => error(409, code, message),
        };
    }
    let mut body = json!({"startTime": time(operation.began_at), "status": "InProgress", "name": id});
    let Some((at, end)) = &operation.ended else {
        return SimResponse::json(200, &body).header("retry-after", retry_after(world));
    };
    body["endTime"] = json!(time(*at));
    body["status"] = json!("Succeeded");
    if let OperationEnd::Failed(code, message) = end {
        body["status"] = json!("Failed");
        body["error"] = json!({"code": code, "message": message});
    }
    SimResponse::json(200, &body)
}
