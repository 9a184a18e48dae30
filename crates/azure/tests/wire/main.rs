//! What only the wire shows: the client against a server with each test's answers.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod create;
mod delete;
mod groups;
mod identity;
mod list;
mod odd_lists;
mod powers;
mod preflight;
mod recorded;
mod refused_token;
mod secrets;
mod vanished;

use std::time::Duration;

use azlin_azure::{AzureClient, AzureEnvironment, AzureSettings};
use azlin_fleet::model::{ResourceGroup, RunnerId, RunnerName, VmSpec, VmTags};
use azlin_simcloud::fixture::vm_spec;
use azlin_simcloud::scripted::{Reply, Request, ScriptedServer, json};
use secrecy::SecretString;
use serde_json::{Value, json};

const BEARER: &str = "B3ar3r-0f-th3-d4y";
const HEADER: &str = "1d3ntity-h34d3r";
const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";

/// A server with a managed identity, and a client of it with short pauses. `answer` gets the number of
/// earlier requests to the resource manager.
async fn azure(
    answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (ScriptedServer, AzureClient) {
    let server = ScriptedServer::start(move |request, before| match request.path() {
        "/msi/token" => token(),
        _ => answer(request, before - 1),
    })
    .await;
    let client = AzureClient::new(settings(&server)).expect("a client");
    (server, client)
}

fn token() -> Reply {
    json(
        200,
        json!({
            "access_token": BEARER, "expires_on": "4102444800", "token_type": "Bearer",
            "resource": "https://management.azure.com"
        }),
    )
}

fn settings(server: &ScriptedServer) -> AzureSettings {
    secrets::listen();
    let environment = AzureEnvironment {
        identity_endpoint: Some(server.url.join("msi/token").expect("a URL").to_string()),
        identity_header: Some(SecretString::from(HEADER)),
        ..AzureEnvironment::default()
    };
    AzureSettings {
        retry_pause: Duration::from_millis(1),
        ..AzureSettings::new(server.url.clone(), environment)
    }
}

/// The requests to the resource manager.
fn arm_requests(server: &ScriptedServer) -> Vec<Request> {
    server.requests().into_iter().filter(|request| request.path() != "/msi/token").collect()
}

fn group() -> ResourceGroup {
    ResourceGroup { subscription_id: SUBSCRIPTION.to_owned(), name: "Ci-Runners".to_owned() }
}

fn name(number: u32) -> RunnerName {
    RunnerName::new(&"ci".parse().expect("valid"), "2026-01-02T03:04:05Z".parse().expect("a time"), number)
}

fn spec() -> VmSpec {
    let tags = VmTags {
        runner_name: name(7),
        github: "api.github.com".into(),
        pool: "ci".parse().expect("valid"),
        scope: "repo:o/r".parse().expect("valid"),
        created_at: "2026-01-02T03:04:05Z".parse().expect("a time"),
        config_hash: "abc".into(),
        runner_id: Some(RunnerId(23)),
        replaces: None,
        host_key: None,
        standby: None,
    };
    VmSpec {
        group: group(),
        tags: tags.to_tags(),
        custom_data: SecretString::from("#cloud-config with a JIT configuration"),
        ..vm_spec(name(7))
    }
}

/// A VM as the resource manager shows it.
fn vm(name: &str, tags: &Value, state: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/CI-RUNNERS/providers/Microsoft.Compute/virtualMachines/{name}"),
        "name": name, "type": "Microsoft.Compute/virtualMachines", "location": "westeurope", "tags": tags,
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"}, "provisioningState": state,
            "timeCreated": "2026-01-02T03:04:05.1234567+00:00", "vmId": "0"
        }
    })
}

/// A page of a proxy or a portal.
fn page(status: u16) -> Reply {
    let headers = vec![("content-type", "text/html".to_owned())];
    Reply::Answer(status, headers, "<!DOCTYPE html>\n<html><title>Sign in</title></html>".to_owned())
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    json(status, json!({"error": {"code": code, "message": message}}))
}
