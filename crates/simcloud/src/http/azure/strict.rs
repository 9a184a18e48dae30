//! What Azure checks in a request for a VM: the version of the API, the form of the body, and then whether what is asked
//! for exists and fits together.

mod key;
mod machine;
mod schema;

use serde_json::{Value, json};

use super::At;
use crate::http::message::{SimRequest, SimResponse};
use crate::world::World;

/// A refusal of a request's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StrictRefusal {
    status: u16,
    code: &'static str,
    message: String,
    /// The parameter that is wrong.
    target: Option<String>,
}

impl StrictRefusal {
    /// A refusal with status 400.
    fn bad(code: &'static str, message: String) -> Self {
        StrictRefusal { status: 400, code, message, target: None }
    }

    /// A parameter has a value that Azure does not take.
    fn parameter(target: &str, message: String) -> Self {
        let target = Some(target.to_owned());
        StrictRefusal { target, ..StrictRefusal::bad("InvalidParameter", message) }
    }

    /// The answer to the request.
    pub(super) fn answer(&self) -> SimResponse {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(target) = &self.target {
            error["target"] = json!(target);
        }
        SimResponse::json(self.status, &json!({"error": error})).header("x-ms-error-code", self.code)
    }
}

/// Checks a request to create a VM.
pub(super) fn check(
    world: &World,
    request: &SimRequest,
    (_, _, name): At<'_>,
    body: &Value,
) -> Result<(), StrictRefusal> {
    let version = request.parameter("api-version").ok_or_else(|| {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        StrictRefusal::bad("MissingApiVersionParameter", message.to_owned())
    })?;
    known_version(world, &version, body["location"].as_str().unwrap_or_default())?;
    schema::check(body, &version)?;
    machine::check(world, name, body)
}

/// Checks that this cloud knows VMs in a version of the API.
pub(super) fn known_version(world: &World, version: &str, location: &str) -> Result<(), StrictRefusal> {
    let known = &world.settings.vm_versions;
    if known.iter().any(|one| one == version) {
        return Ok(());
    }
    let message = format!(
        "No registered resource provider found for location '{location}' and API version '{version}' for type \
         'virtualMachines'. The supported api-versions are '{}'. The supported locations are '{}'.",
        known.join(", "),
        world.account.location
    );
    Err(StrictRefusal::bad("NoRegisteredProviderFound", message))
}

#[cfg(test)]
mod tests;
