//! 401: the token is dropped with the credential that holds it in its cache, and one more try has another token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use azlin_azure::AzureClient;
use azlin_fleet::model::CallErrorKind;
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Request, ScriptedServer, json};
use serde_json::json;

use crate::{arm_requests, group, name, refusal, settings, spec, vm};

/// A server that accepts tokens from the `good`th on, and its client. Each token is another one.
async fn accepts_from(good: usize) -> (ScriptedServer, AzureClient) {
    let given = Arc::new(AtomicUsize::new(0));
    let server = ScriptedServer::start(move |request: &Request, _| {
        if request.path() == "/msi/token" {
            let number = given.fetch_add(1, Ordering::Relaxed) + 1;
            return json(
                200,
                json!({
                    "access_token": format!("t0ken-{number}"), "expires_on": "4102444800", "token_type": "Bearer",
                    "resource": "https://management.azure.com"
                }),
            );
        }
        let token = request.header("authorization").and_then(|text| text.strip_prefix("Bearer t0ken-"));
        let number: usize = token.and_then(|number| number.parse().ok()).expect("a token");
        match request.method.as_str() {
            _ if number < good => refusal(401, "ExpiredAuthenticationToken", "The access token has expired."),
            "PUT" => json(201, vm(name(7).as_str(), &json!(spec().tags), "Creating")),
            _ => json(200, json!({"value": []})),
        }
    })
    .await;
    let client = AzureClient::new(settings(&server)).expect("a client");
    (server, client)
}

/// Requests for tokens, and requests to the resource manager.
fn counts(server: &ScriptedServer) -> (usize, usize) {
    let all = server.requests().len();
    let arm = arm_requests(server).len();
    (all - arm, arm)
}

#[tokio::test]
async fn a_token_that_azure_refuses_is_replaced() {
    let (server, azure) = accepts_from(2).await;
    azure.vms(&group()).await.expect("a list");
    azure.create(&spec()).await.expect("a VM");
    assert_eq!(counts(&server), (2, 3));
    let (server, azure) = accepts_from(2).await;
    azure.create(&spec()).await.expect("a refused request makes nothing, so it is sent again");
    assert_eq!(counts(&server), (2, 2));
}

#[tokio::test]
async fn many_calls_replace_a_refused_token_once() {
    let (server, azure) = accepts_from(2).await;
    let group = group();
    for list in futures::future::join_all((0..10).map(|_| azure.vms(&group))).await {
        list.expect("a list");
    }
    assert_eq!(counts(&server).0, 2);
}

#[tokio::test]
async fn an_identity_that_azure_refuses_is_told_and_not_asked_for_tokens_without_end() {
    let (server, azure) = accepts_from(usize::MAX).await;
    let error = azure.vms(&group()).await.expect_err("refused");
    assert_eq!(error.kind, CallErrorKind::NotPermitted, "{error}");
    assert_eq!(counts(&server), (2, 2));
    for _ in 0..3 {
        azure.vms(&group()).await.expect_err("refused");
    }
    assert_eq!(counts(&server), (2, 5), "a new token at most once a minute");
}
