//! A VM that Azure could not make and removed by itself: the reason is with the operation that should have made it.

use azlin_fleet::model::{CallErrorKind, ProvisioningState};
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, Request, json};
use serde_json::json;

use crate::{SUBSCRIPTION, arm_requests, azure, group, name, refusal, spec, vm};

const OPERATION: &str = "/providers/Microsoft.Compute/locations/westeurope/operations/7";

fn accepted(request: &Request) -> Reply {
    let host = request.header("host").unwrap_or_default();
    let operation = format!("http://{host}/subscriptions/{SUBSCRIPTION}{OPERATION}?api-version=2025-04-01");
    let body = vm(name(7).as_str(), &json!(spec().tags), "Creating").to_string();
    Reply::Answer(201, vec![("azure-asyncoperation", operation), ("retry-after", "10".to_owned())], body)
}

fn list(vms: &[serde_json::Value]) -> Reply {
    json(200, json!({"value": vms}))
}

#[tokio::test]
async fn the_reason_of_a_creation_is_learnt_although_the_vm_is_gone() {
    let (server, azure) = azure(|request, before| match (request.method.as_str(), request.path()) {
        ("PUT", _) => accepted(request),
        ("DELETE", _) => refusal(404, "ResourceNotFound", "gone"),
        (_, path) if path.ends_with("/operations/7") => json(
            200,
            json!({
                "startTime": "2026-05-06T07:08:09.1+00:00", "status": "Failed", "name": "7",
                "error": {"code": "ZonalAllocationFailed", "message": "no room in zone 1"},
            }),
        ),
        (_, path) if path.ends_with("/virtualMachines") && before < 2 => {
            list(&[vm(name(7).as_str(), &json!(spec().tags), "Creating")])
        }
        (_, path) if path.ends_with("/virtualMachines") => list(&[]),
        _ => refusal(404, "ResourceNotFound", "gone"),
    })
    .await;
    azure.create(&spec()).await.expect("it is taken");
    let vms = azure.vms(&group()).await.expect("a list");
    assert_eq!(vms[0].provisioning, ProvisioningState::Creating);
    for _ in 0..3 {
        let vms = azure.vms(&group()).await.expect("a list");
        assert_eq!((vms.len(), vms[0].provisioning), (1, ProvisioningState::Failed), "as any VM that failed");
        assert_eq!(vms[0].tags.config_hash, "abc");
        let why =
            azure.failure(&group(), name(7).as_str()).await.expect("an answer").failure.expect("a reason");
        assert_eq!(why.kind, CallErrorKind::NoCapacity, "{why}");
    }
    let asked =
        arm_requests(&server).iter().filter(|request| request.path().ends_with("/operations/7")).count();
    assert_eq!(asked, 1, "it is asked once, beside the view of the VM that is gone");
    azure.delete(&group(), name(7).as_str()).await.expect("gone is gone");
    assert_eq!(azure.vms(&group()).await.expect("a list"), []);
}

#[tokio::test]
async fn a_vm_that_was_deleted_is_not_looked_up() {
    let (server, azure) = azure(|request, _| match request.method.as_str() {
        "PUT" => accepted(request),
        "DELETE" => Reply::Answer(202, Vec::new(), String::new()),
        _ => list(&[]),
    })
    .await;
    azure.create(&spec()).await.expect("it is taken");
    azure.delete(&group(), name(7).as_str()).await.expect("it is taken");
    assert_eq!(azure.vms(&group()).await.expect("a list"), []);
    assert!(arm_requests(&server).iter().all(|request| !request.path().contains("operations")));
}

#[tokio::test]
async fn a_busy_resource_holds_back_itself_alone() {
    let (server, azure) = azure(|request, _| match request.path() {
        path if path.ends_with("/busy") => {
            let body = json!({"error": {"code": "RetryableErrorDueToAnotherOperation", "message": "busy"}});
            Reply::Answer(429, vec![("retry-after", "600".to_owned())], body.to_string())
        }
        _ => Reply::Answer(202, Vec::new(), String::new()),
    })
    .await;
    for kind in [CallErrorKind::Unavailable, CallErrorKind::Throttled] {
        let error = azure.delete(&group(), "busy").await.expect_err("it is busy");
        assert_eq!(error.kind, kind, "{error}");
    }
    azure.delete(&group(), "idle").await.expect("another VM is deleted");
    assert_eq!(arm_requests(&server).len(), 2, "the second removal of the busy one was not sent");
}
