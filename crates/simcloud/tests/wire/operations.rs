//! Azure's long operations over HTTP, as any client of Azure follows them.

use crate::fixture::{ReadResponse, TestCloud, VMS, vm_body};
use reqwest::Method;
use serde_json::{Value, json};

async fn put(cloud: &TestCloud, name: &str) -> ReadResponse {
    let answer = cloud.azure(Method::PUT, &format!("{VMS}/{name}"), &[], Some(vm_body(name, ""))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

async fn get(cloud: &TestCloud, target: &str) -> ReadResponse {
    cloud.azure(Method::GET, target, &[], None).await
}

async fn post(cloud: &TestCloud, target: &str) -> ReadResponse {
    cloud.azure(Method::POST, target, &[], None).await
}

fn operation(answer: &ReadResponse) -> String {
    answer.header("azure-asyncoperation").expect("the address of an operation").to_owned()
}

/// The provisioning state and the power state of a VM.
async fn states(cloud: &TestCloud, name: &str) -> Vec<String> {
    let view = get(cloud, &format!("{VMS}/{name}/instanceView")).await.body;
    let statuses = view["statuses"].as_array().expect("statuses");
    statuses.iter().map(|status| status["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_creation_can_be_followed_to_its_end() {
    let cloud = TestCloud::start().await;
    let made = put(&cloud, "vm-1").await;
    assert_eq!((made.header("retry-after"), made.header("location")), (Some("10"), None));
    let address = operation(&made);
    let first = get(&cloud, &address).await;
    assert_eq!((&first.body["status"], first.header("retry-after")), (&"InProgress".into(), Some("10")));
    assert_eq!(first.body["startTime"], "2026-03-01T12:00:00.0000000+00:00");
    cloud.pass(10);
    let last = get(&cloud, &address).await.body;
    assert_eq!(last["status"], "Succeeded");
    assert_eq!(last["endTime"], "2026-03-01T12:00:10.0000000+00:00");
    let unknown = get(&cloud, &address.replace("operations/0a21", "operations/ffff")).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn an_operation_reports_why_it_failed_also_once_its_vm_is_gone() {
    let cloud = TestCloud::of("", "[[faults]]\nwhat = { create_fails = 'AllocationFailed' }\n").await;
    let address = operation(&put(&cloud, "vm-1").await);
    cloud.pass(10);
    cloud.azure(Method::DELETE, &format!("{VMS}/vm-1"), &[], None).await;
    cloud.pass(60);
    assert_eq!(get(&cloud, &format!("{VMS}/vm-1")).await.status, 404);
    let body = get(&cloud, &address).await.body;
    assert_eq!((&body["status"], &body["error"]["code"]), (&"Failed".into(), &"AllocationFailed".into()));

    let again = operation(&put(&cloud, "vm-2").await);
    cloud.azure(Method::DELETE, &format!("{VMS}/vm-2"), &[], None).await;
    assert_eq!(get(&cloud, &again).await.body["error"]["code"], "OperationPreempted");
}

#[tokio::test]
async fn a_deletion_has_two_addresses_and_both_lead_to_its_end() {
    let cloud = TestCloud::start().await;
    put(&cloud, "vm-1").await;
    cloud.pass(10);
    let removed = cloud.azure(Method::DELETE, &format!("{VMS}/vm-1"), &[], None).await;
    let (address, monitor) =
        (operation(&removed), removed.header("location").expect("a location").to_owned());
    assert_eq!(get(&cloud, &address).await.body["status"], "InProgress");
    assert_eq!(get(&cloud, &monitor).await.status, 202);
    cloud.pass(30);
    assert_eq!(get(&cloud, &address).await.body["status"], "Succeeded");
    assert_eq!(get(&cloud, &monitor).await.status, 204);
}

#[tokio::test]
async fn the_addresses_have_the_name_that_the_client_used() {
    let cloud = TestCloud::start().await;
    let bearer = format!("Bearer {}", cloud.served.world().issue_token().0);
    let headers = [("authorization", bearer.as_str()), ("host", "management.example:8443")];
    let url = format!("http://{}{VMS}/vm-1?{}", cloud.served.azure, crate::fixture::VERSION);
    let made = cloud.call(Method::PUT, &url, &headers, Some(vm_body("vm-1", ""))).await.unwrap();
    assert!(operation(&made).starts_with("http://management.example:8443/subscriptions/s/"), "{made:?}");
}

#[tokio::test]
async fn a_vm_stops_deallocates_and_starts_again() {
    let cloud = TestCloud::start().await;
    put(&cloud, "vm-1").await;
    assert_eq!(post(&cloud, &format!("{VMS}/vm-1/deallocate")).await.status, 409, "it is being created");
    cloud.pass(10);
    for (order, before, after) in [
        ("deallocate", "PowerState/deallocating", "PowerState/deallocated"),
        ("start", "PowerState/starting", "PowerState/running"),
        ("powerOff", "PowerState/stopping", "PowerState/stopped"),
        ("start", "PowerState/starting", "PowerState/running"),
        ("restart", "PowerState/running", "PowerState/running"),
    ] {
        let answer = post(&cloud, &format!("{VMS}/vm-1/{order}")).await;
        assert_eq!((answer.status, answer.header("location").is_some()), (202, true), "{order}");
        assert_eq!(states(&cloud, "vm-1").await, ["ProvisioningState/updating", before], "{order}");
        cloud.pass(30);
        assert_eq!(get(&cloud, &operation(&answer)).await.body["status"], "Succeeded", "{order}");
        assert_eq!(states(&cloud, "vm-1").await, ["ProvisioningState/succeeded", after], "{order}");
    }
    assert_eq!(post(&cloud, &format!("{VMS}/nobody/start")).await.status, 404);
    assert_eq!(post(&cloud, &format!("{VMS}/vm-1/explode")).await.status, 404);
}

#[tokio::test]
async fn a_vm_is_shown_with_what_azure_added_and_without_how_its_parts_were_asked_for() {
    let cloud = TestCloud::start().await;
    let mut body = vm_body("vm-1", "secret");
    let storage = &mut body["properties"]["storageProfile"];
    storage["imageReference"] = json!({"publisher": "p", "offer": "o", "sku": "s", "version": "latest"});
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {"/identity": {}}});
    let made = cloud.azure(Method::PUT, &format!("{VMS}/vm-1"), &[], Some(body)).await.body;
    let properties = &made["properties"];
    let disk = &properties["storageProfile"]["osDisk"];
    let name = "vm-1_OsDisk_1_00000000000000000000000000000001";
    assert_eq!((&disk["name"], disk["managedDisk"].get("id")), (&name.into(), None), "no id yet");
    assert_eq!(properties["storageProfile"]["imageReference"]["exactVersion"], "24.04.202601010");
    assert_eq!(properties["timeCreated"], "2026-03-01T12:00:00.0000000+00:00");
    assert!(made["etag"].is_string() && properties["vmId"].is_string());
    assert!(made["identity"]["userAssignedIdentities"]["/identity"]["principalId"].is_string());
    assert_eq!(properties["networkProfile"].get("networkInterfaceConfigurations"), None);
    assert_eq!(properties["osProfile"].get("customData"), None);
    cloud.pass(20);
    let shown = get(&cloud, &format!("{VMS}/vm-1?$expand=instanceView")).await.body;
    let disk = shown["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"].as_str();
    assert_eq!(disk.and_then(|id| id.rsplit('/').next()), Some(name));
    let view = &shown["properties"]["instanceView"];
    assert_eq!(view["vmAgent"]["statuses"][0]["displayStatus"], "Ready");
    assert!(view["statuses"][0]["time"].is_string() && view["statuses"][1].get("time").is_none());
}

#[tokio::test]
async fn tags_are_replaced_by_a_patch() {
    let cloud = TestCloud::start().await;
    put(&cloud, "vm-1").await;
    let tags = json!({"tags": {"team": "ci"}});
    let patched = cloud.azure(Method::PATCH, &format!("{VMS}/vm-1"), &[], Some(tags)).await;
    assert_eq!((patched.status, &patched.body["tags"]), (200, &json!({"team": "ci"})));
    assert_eq!(get(&cloud, &operation(&patched)).await.body["status"], "Succeeded");
    let absent = cloud.azure(Method::PATCH, &format!("{VMS}/nobody"), &[], Some(Value::Null)).await;
    assert_eq!(absent.status, 404);
}
