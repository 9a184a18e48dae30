//! Managed identity through azure_identity, and the error when there is no token.

use std::time::Duration;

use azlin_azure::{AzureClient, AzureSettings, CredentialKind, SettingsError};
use azlin_fleet::model::CallErrorKind;
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, ScriptedServer, json};
use serde_json::json;
use url::Url;

use crate::{HEADER, azure, group, page, settings, token};

#[tokio::test]
async fn the_identity_endpoint_is_asked_once_for_many_calls() {
    let (server, azure) = azure(|_, _| json(200, json!({"value": []}))).await;
    assert_eq!(azure.credential(), CredentialKind::AppServiceIdentity);
    let group = group();
    let calls = (0..10).map(|_| azure.vms(&group));
    for list in futures::future::join_all(calls).await {
        list.expect("a list");
    }
    let asked: Vec<_> =
        server.requests().into_iter().filter(|request| request.path() == "/msi/token").collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("x-identity-header"), Some(HEADER));
    assert_eq!(asked[0].query("resource").as_deref(), Some("https://management.azure.com"));
    assert_eq!(asked[0].query("api-version").as_deref(), Some("2019-08-01"));
    assert_eq!(asked[0].query("client_id"), None);
}

#[tokio::test]
async fn a_user_assigned_identity_is_asked_for_by_its_client_id() {
    let server = ScriptedServer::start(|request, _| match request.path() {
        "/msi/token" => token(),
        _ => json(200, json!({"value": []})),
    })
    .await;
    let mut settings = settings(&server);
    settings.environment.client_id = Some("66666666-7777".to_owned());
    AzureClient::new(settings).expect("a client").vms(&group()).await.expect("a list");
    assert_eq!(server.requests()[0].query("client_id").as_deref(), Some("66666666-7777"));
}

#[tokio::test]
async fn no_token_is_told_with_its_cure() {
    let server = ScriptedServer::start(|_, _| json(400, json!({"message": "no identity"}))).await;
    let azure = AzureClient::new(settings(&server)).expect("a client");
    let error = azure.vms(&group()).await.expect_err("no identity");
    assert_eq!(error.kind, CallErrorKind::NotPermitted, "{error}");
    for part in
        ["no Azure token by managed identity (IDENTITY_ENDPOINT)", "not been assigned", "AZURE_CLIENT_ID"]
    {
        assert!(error.to_string().contains(part), "{part:?} is not in {error}");
    }
    assert!(!error.to_string().contains('\n'));
}

#[tokio::test]
async fn a_portal_instead_of_a_token_passes_by_itself() {
    let to_login = || Reply::Answer(302, vec![("location", "/login".to_owned())], String::new());
    for (situation, answer) in [("a page", page(200)), ("a login page", to_login())] {
        let server = ScriptedServer::start(move |_, _| answer.clone()).await;
        let hasty = AzureSettings { request_timeout: Duration::from_secs(5), ..settings(&server) };
        let error = AzureClient::new(hasty).expect("a client").vms(&group()).await.expect_err(situation);
        assert_eq!(error.kind, CallErrorKind::Unavailable, "{situation}: {error}");
        assert!(server.requests().iter().all(|request| request.path() == "/msi/token"), "{situation}");
    }
}

#[tokio::test]
async fn an_identity_endpoint_in_trouble_is_waited_for_no_longer_than_a_request() {
    let server = ScriptedServer::start(|_, _| json(500, json!({}))).await;
    let hasty = AzureSettings { request_timeout: Duration::from_millis(200), ..settings(&server) };
    let error = AzureClient::new(hasty).expect("a client").vms(&group()).await.expect_err("no token");
    assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("within 0.2 s"), "{error}");
}

#[tokio::test]
async fn all_who_wait_for_a_token_hear_of_its_failure_together() {
    let server = ScriptedServer::start(|_, _| Reply::Silence).await;
    let hasty = AzureSettings { request_timeout: Duration::from_millis(500), ..settings(&server) };
    let azure = AzureClient::new(hasty).expect("a client");
    let group = group();
    for failed in futures::future::join_all((0..20).map(|_| azure.vms(&group))).await {
        assert_eq!(failed.expect_err("no token").kind, CallErrorKind::Unavailable);
    }
    let asked = server.requests().len();
    assert!(asked < 5, "one after the other they ask twenty times: {asked}");
}

#[tokio::test]
async fn settings_that_are_refused() {
    let server = ScriptedServer::start(|_, _| token()).await;
    let good = settings(&server);
    for (root, part) in [
        ("http://management.azure.com", "plain HTTP is allowed to a loopback address alone"),
        ("https://management.azure.com/subscriptions", "a host alone"),
        ("https://user:hunter2@management.azure.com", "a user name or password"),
    ] {
        let resource_manager_url = Url::parse(root).expect("a URL");
        let error = AzureClient::new(AzureSettings { resource_manager_url, ..good.clone() }).expect_err(root);
        assert!(matches!(error, SettingsError::ResourceManagerUrl(..)));
        assert!(error.to_string().contains(part), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let mut remote = good;
    remote.environment.identity_endpoint = Some("http://10.0.0.1/msi".to_owned());
    let error = AzureClient::new(remote).expect_err("plain HTTP to another machine");
    assert!(error.to_string().contains("IDENTITY_ENDPOINT"), "{error}");
}
