//! Creating a VM: one PUT that overwrites nothing, and exactly one VM even if answers are lost.

use std::time::Duration;

use azlin_azure::{AzureClient, AzureSettings};
use azlin_fleet::model::{CallErrorKind, QuotaScope};
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, Request, ScriptedServer, json};
use serde_json::{Value, json};

use crate::{BEARER, SUBSCRIPTION, arm_requests, azure, name, page, refusal, settings, spec, token, vm};

fn made() -> Reply {
    json(201, vm(name(7).as_str(), &json!(spec().tags), "Creating"))
}

fn taken() -> Reply {
    refusal(412, "PreconditionFailed", "The resource exists already.")
}

#[tokio::test]
async fn one_put_makes_a_vm_and_nobody_waits_for_it() {
    let (server, azure) = azure(|_, _| made()).await;
    azure.create(&spec()).await.expect("a VM");
    let requests = arm_requests(&server);
    assert_eq!(requests.len(), 1);
    let put = &requests[0];
    assert_eq!(put.method, "PUT");
    let path = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/Ci-Runners/providers/Microsoft.Compute/virtualMachines/{}",
        name(7)
    );
    assert_eq!(put.path(), path);
    assert_eq!(put.query("api-version").as_deref(), Some("2025-04-01"));
    assert_eq!(put.header("if-none-match"), Some("*"));
    assert_eq!(put.header("authorization"), Some(format!("Bearer {BEARER}").as_str()));
    let body: Value = serde_json::from_str(&put.body).expect("JSON");
    assert_eq!(body["tags"]["azlin-pool"], "ci");
    assert_eq!(
        body["properties"]["osProfile"]["customData"],
        "I2Nsb3VkLWNvbmZpZyB3aXRoIGEgSklUIGNvbmZpZ3VyYXRpb24="
    );
}

#[tokio::test]
async fn a_cloud_without_the_newest_version_gets_an_older_one_from_then_on() {
    for (code, message) in [
        (
            "NoRegisteredProviderFound",
            "No registered resource provider found for location 'chinanorth3' and API version '2025-04-01' for type \
             'virtualMachines'. The supported api-versions are '2016-03-30, 2024-11-01'.",
        ),
        (
            "InvalidResourceType",
            "The resource type 'virtualMachines' could not be found in the namespace 'Microsoft.Compute' for api version \
             '2025-04-01'. The supported api-versions are '2024-07-01,2024-11-01'.",
        ),
        (
            "invalidApiVersionParameter",
            "The api-version '2025-04-01' is invalid. The supported versions are '2024-11-01'.",
        ),
    ] {
        let (server, azure) = azure(move |request, _| match request.query("api-version").as_deref() {
            Some("2025-04-01") => refusal(400, code, message),
            _ => made(),
        })
        .await;
        for _ in 0..2 {
            azure.create(&spec()).await.expect(code);
        }
        let requests = arm_requests(&server);
        let versions: Vec<String> =
            requests.iter().filter_map(|request| request.query("api-version")).collect();
        assert_eq!(versions, ["2025-04-01", "2024-11-01", "2024-11-01"], "{code}");
        let body: Value = serde_json::from_str(&requests[1].body).expect("JSON");
        let nic = &body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0];
        assert_eq!((&nic["tags"], &body["tags"]["azlin-pool"]), (&Value::Null, &json!("ci")));
    }
}

#[tokio::test]
async fn a_region_that_does_not_exist_says_nothing_of_versions() {
    let (server, azure) = azure(|request, _| {
        let version = request.query("api-version").expect("a version");
        let message =
            format!("No registered resource provider found for location 'mars' and API version '{version}'.");
        refusal(400, "NoRegisteredProviderFound", &message)
    })
    .await;
    for _ in 0..2 {
        azure.create(&spec()).await.expect_err("no such region");
    }
    assert_eq!(arm_requests(&server).len(), 4, "the newest version is tried again");
}

#[tokio::test]
async fn nothing_but_the_documented_answer_is_a_vm() {
    for (situation, answer) in [
        ("a captive portal", page(200)),
        ("a portal that creates pages", page(201)),
        ("accepted", json(202, json!({}))),
        ("without a body", Reply::Answer(204, Vec::new(), String::new())),
        ("a redirect", Reply::Answer(307, vec![("location", "/elsewhere".to_owned())], String::new())),
        ("JSON of another form", json(201, json!({"ok": true}))),
        ("a page of a proxy", page(404)),
    ] {
        let (server, azure) = azure(move |_, _| answer.clone()).await;
        let error = azure.create(&spec()).await.expect_err(situation);
        assert_eq!(error.kind, CallErrorKind::OutcomeUnknown, "{situation}: {error}");
        assert!(arm_requests(&server).iter().all(|request| request.method == "PUT"), "{situation}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_one_vm_and_a_success() {
    for (situation, lost) in [
        ("connection ends", Reply::HangUp),
        ("half an answer", Reply::Half),
        ("a gateway gives up", refusal(504, "GatewayTimeout", "")),
    ] {
        // The server creates the VM, and the answer to the first PUT is lost.
        let (server, azure) = azure(move |request, before| match (request.method.as_str(), before) {
            ("PUT", 0) => lost.clone(),
            ("PUT", _) => taken(),
            _ => json(200, vm(name(7).as_str(), &json!(spec().tags), "Creating")),
        })
        .await;
        azure.create(&spec()).await.expect(situation);
        let methods: Vec<String> = arm_requests(&server).into_iter().map(|request| request.method).collect();
        assert_eq!(methods, ["PUT", "PUT", "GET"], "{situation}");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_success_only_when_it_is_the_vm_that_was_asked_for() {
    let mut others = json!(spec().tags);
    others["azlin-runner-id"] = json!("99");
    for (situation, tags, expected) in [
        ("made by an earlier call", json!(spec().tags), Ok(())),
        ("somebody else's", json!({"owner": "somebody"}), Err(CallErrorKind::NameTaken)),
        ("ours, for another runner", others, Err(CallErrorKind::NameTaken)),
    ] {
        for conflict in [taken(), refusal(409, "Conflict", "The resource already exists.")] {
            let tags = tags.clone();
            let (_server, azure) = azure(move |request, _| match request.method.as_str() {
                "PUT" => conflict.clone(),
                _ => json(200, vm(name(7).as_str(), &tags, "Succeeded")),
            })
            .await;
            let found = azure.create(&spec()).await.map_err(|error| error.kind);
            assert_eq!(found, expected, "{situation}");
        }
    }
}

#[tokio::test]
async fn what_refusals_mean_and_how_often_they_are_asked_for() {
    for (status, code, message, expected, requests) in [
        (409, "AllocationFailed", "no room", CallErrorKind::NoCapacity, 1),
        (409, "SkuNotAvailable", "not in this region", CallErrorKind::NoCapacity, 1),
        (500, "OverconstrainedZonalAllocationRequest", "no room", CallErrorKind::NoCapacity, 1),
        (
            409,
            "OperationNotAllowed",
            "exceeding approved Total Regional Cores quota",
            CallErrorKind::NoQuota(QuotaScope::Region),
            1,
        ),
        (403, "AuthorizationFailed", "no permission", CallErrorKind::NotPermitted, 1),
        (404, "ResourceGroupNotFound", "could not be found", CallErrorKind::NotFound, 1),
        (400, "InvalidParameter", "osDisk", CallErrorKind::Invalid, 1),
        (409, "AnotherOperationInProgress", "later", CallErrorKind::Unavailable, 1),
        (503, "ServerBusy", "later", CallErrorKind::Unavailable, 3),
        (500, "InternalServerError", "oops", CallErrorKind::OutcomeUnknown, 3),
    ] {
        let (server, azure) = azure(move |_, _| refusal(status, code, message)).await;
        let error = azure.create(&spec()).await.expect_err(code);
        assert_eq!(error.kind, expected, "{code}: {error}");
        assert!(error.to_string().contains(code) && error.to_string().contains(message), "{error}");
        assert!(
            error.to_string().starts_with(&format!("create VM {} in {SUBSCRIPTION}/Ci-Runners: ", name(7)))
        );
        assert_eq!(arm_requests(&server).len(), requests, "{code}");
    }
}

#[tokio::test]
async fn throttling_is_obeyed_for_creating_and_leaves_deleting_alone() {
    let (server, azure) = azure(|request, _| match request.method.as_str() {
        "PUT" => Reply::Answer(429, vec![("retry-after", "17".to_owned())], String::new()),
        _ => Reply::Answer(202, Vec::new(), String::new()),
    })
    .await;
    for _ in 0..2 {
        let error = azure.create(&spec()).await.expect_err("throttled");
        let (CallErrorKind::Throttled, Some(wait)) = (error.kind, error.retry_after) else {
            panic!("{error}")
        };
        assert!(wait > Duration::from_secs(7) && wait <= Duration::from_secs(17), "{wait:?}");
    }
    azure.delete(&spec().group, name(7).as_str()).await.expect("deleting has a budget of its own");
    let methods: Vec<String> = arm_requests(&server).into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["PUT", "DELETE"]);
}

#[tokio::test]
async fn a_provider_that_throttles_one_operation_holds_back_that_one_alone() {
    for (of_provider, requests) in [(true, 2), (false, 1)] {
        let (server, azure) = azure(move |request, _| {
            let is_one = request.path().ends_with(name(7).as_str());
            let mut headers = vec![("retry-after", "17".to_owned())];
            if of_provider {
                headers
                    .push(("x-ms-ratelimit-remaining-resource", "Microsoft.Compute/GetVM3Min;0".to_owned()));
            }
            if is_one { Reply::Answer(429, headers, String::new()) } else { json(200, json!({"value": []})) }
        })
        .await;
        let (group, name) = (spec().group, name(7));
        let refused = azure.failure(&group, name.as_str()).await.expect_err("throttled");
        assert!(matches!(refused.kind, CallErrorKind::Throttled), "{refused}");
        assert_eq!(
            azure.vms(&group).await.is_ok(),
            of_provider,
            "a subscription's budget is for all that reads"
        );
        assert_eq!(arm_requests(&server).len(), requests);
        let left = azure.remaining().operations.get("Microsoft.Compute/GetVM3Min").copied();
        assert_eq!(left, of_provider.then_some(0));
    }
}

#[tokio::test]
async fn no_answer_leaves_the_outcome_unknown() {
    let server = ScriptedServer::start(|request: &Request, _| match request.path() {
        "/msi/token" => token(),
        _ => Reply::Silence,
    })
    .await;
    // Long enough for the token to arrive on a busy machine.
    let hasty = AzureSettings { request_timeout: Duration::from_secs(2), ..settings(&server) };
    let azure = AzureClient::new(hasty).expect("a client");
    let error = azure.create(&spec()).await.expect_err("no answer");
    assert_eq!(error.kind, CallErrorKind::OutcomeUnknown);
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn a_name_that_would_lead_elsewhere_is_not_sent() {
    let (server, azure) = azure(|_, _| made()).await;
    for group in ["", "..", "a/b", "a?b", "a%2fb", "ends."] {
        let mut spec = spec();
        spec.group.name = group.to_owned();
        let error = azure.create(&spec).await.expect_err(group);
        assert_eq!(error.kind, CallErrorKind::Invalid, "{group}");
    }
    assert!(server.requests().is_empty());
}
