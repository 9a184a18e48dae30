//! What Azure refuses over HTTP whatever is asked, and what a refusal or a fault looks like.

use crate::fixture::{ReadResponse, TestCloud, VMS, vm_body};
use reqwest::Method;
use serde_json::Value;

const NICS: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces";

async fn put(cloud: &TestCloud, name: &str) -> ReadResponse {
    cloud.azure(Method::PUT, &format!("{VMS}/{name}"), &[], Some(vm_body(name, ""))).await
}

async fn send(cloud: &TestCloud, method: Method, target: &str) -> ReadResponse {
    cloud.azure(method, target, &[], None).await
}

fn told(answer: &ReadResponse) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

fn fault(what: &str) -> String {
    format!("[[faults]]\nwhat = {what}\nfrom = '60s'\nuntil = '120s'\n")
}

#[tokio::test]
async fn a_lock_keeps_what_is_there_and_a_disabled_subscription_takes_no_write() {
    for (what, put_says, delete_says) in [
        ("'locked'", (201, ""), (409, "ScopeLocked")),
        (
            "'subscription_disabled'",
            (409, "ReadOnlyDisabledSubscription"),
            (409, "ReadOnlyDisabledSubscription"),
        ),
    ] {
        let cloud = TestCloud::of("", &fault(what)).await;
        put(&cloud, "vm-1").await;
        cloud.pass(60);
        assert_eq!(told(&put(&cloud, "vm-2").await), put_says, "{what}");
        assert_eq!(told(&send(&cloud, Method::DELETE, &format!("{VMS}/vm-1")).await), delete_says, "{what}");
        assert_eq!(send(&cloud, Method::GET, &format!("{VMS}/vm-1")).await.status, 200, "{what}");
        cloud.pass(60);
        assert_eq!(send(&cloud, Method::DELETE, &format!("{VMS}/vm-1")).await.status, 202, "{what}");
    }
}

#[tokio::test]
async fn a_revoked_token_stays_refused_and_a_new_one_is_taken() {
    let cloud = TestCloud::of("", "[[faults]]\nwhat = 'tokens_revoked'\nfrom = '60s'\ntimes = 1\n").await;
    let bearer = format!("Bearer {}", cloud.served.world().issue_token().0);
    let url = format!("http://{}{VMS}", cloud.served.azure);
    let with = async || cloud.call(Method::GET, &url, &[("authorization", &bearer)], None).await.unwrap();
    assert_eq!(with().await.status, 200);
    cloud.pass(60);
    for _ in 0..2 {
        assert_eq!(told(&with().await), (401, "InvalidAuthenticationToken"));
    }
    assert_eq!(send(&cloud, Method::GET, VMS).await.status, 200);
}

#[tokio::test]
async fn a_vm_that_runs_may_be_called_failed() {
    let what = "[[faults]]\nwhat = { fails_running = 'VMExtensionProvisioningError' }\n";
    let cloud = TestCloud::of("", what).await;
    let made = put(&cloud, "vm-1").await;
    cloud.pass(20);
    let vm = send(&cloud, Method::GET, &format!("{VMS}/vm-1?$expand=instanceView")).await.body;
    assert_eq!(vm["properties"]["provisioningState"], "Failed");
    let statuses = vm["properties"]["instanceView"]["statuses"].as_array().unwrap();
    let codes: Vec<&Value> = statuses.iter().map(|status| &status["code"]).collect();
    assert_eq!(codes, ["ProvisioningState/failed/VMExtensionProvisioningError", "PowerState/running"]);
    assert!(vm["properties"]["instanceView"]["extensions"][0]["name"].is_string());
    assert_eq!(
        send(&cloud, Method::GET, made.header("azure-asyncoperation").unwrap()).await.body["status"],
        "Succeeded"
    );
}

#[tokio::test]
async fn a_policy_strips_tags_or_rewrites_one() {
    for (what, expected) in [
        ("'tags_stripped'", serde_json::json!({"cost-centre": "set-by-policy"})),
        ("{ tags_stripped = 'azlin-pool' }", serde_json::json!({"azlin-pool": "set-by-policy"})),
    ] {
        let cloud = TestCloud::of("", &format!("[[faults]]\nwhat = {what}\n")).await;
        assert_eq!(put(&cloud, "vm-1").await.body["tags"], expected, "{what}");
    }
}

#[tokio::test]
async fn the_nic_of_a_failed_creation_is_kept_for_three_minutes() {
    let faults = "[[faults]]\nwhat = 'create_fails'\n[[faults]]\nwhat = 'nic_reserved'\n";
    let cloud = TestCloud::of("", faults).await;
    put(&cloud, "vm-1").await;
    cloud.pass(10);
    send(&cloud, Method::DELETE, &format!("{VMS}/vm-1")).await;
    cloud.pass(30);
    let nic = format!("{NICS}/vm-1-nic");
    assert_eq!(told(&send(&cloud, Method::DELETE, &nic).await), (400, "NicReservedForAnotherVm"));
    cloud.pass(180);
    assert_eq!(send(&cloud, Method::DELETE, &nic).await.status, 202);
    assert_eq!(send(&cloud, Method::GET, NICS).await.body["value"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn a_limit_that_is_used_up_refuses_with_its_name_and_a_wait() {
    let cloud = TestCloud::of("azure_limits = true\n", "").await;
    for _ in 0..36 {
        assert_eq!(send(&cloud, Method::GET, &format!("{VMS}/vm-1")).await.status, 404);
    }
    let refused = send(&cloud, Method::GET, &format!("{VMS}/vm-1")).await;
    assert_eq!(told(&refused), (429, "OperationNotAllowed"));
    assert_eq!(refused.body["error"]["details"][0]["target"], "LowCostGetVM");
    assert_eq!(refused.header("retry-after"), Some("5"));
    let left = refused.header("x-ms-ratelimit-remaining-resource").unwrap();
    assert!(left.ends_with("Microsoft.Compute/LowCostGetVM;0"), "{left}");
    assert_eq!(send(&cloud, Method::GET, &format!("{VMS}/vm-2")).await.status, 404, "another VM's is full");
    cloud.pass(5);
    assert_eq!(send(&cloud, Method::GET, &format!("{VMS}/vm-1")).await.status, 404);
}

#[tokio::test]
async fn a_linked_permission_is_asked_for_with_its_scope() {
    let premises = |action: &str| format!("[premises]\nazure_denies = ['{action}']\n");
    let nsg = "/subscriptions/s/resourceGroups/n/providers/Microsoft.Network/networkSecurityGroups/runners";
    let gallery =
        "/subscriptions/s/resourceGroups/i/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0";
    for (action, scope) in [
        ("Microsoft.Network/virtualNetworks/subnets/join/action", "/subnet"),
        ("Microsoft.Network/networkSecurityGroups/join/action", nsg),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "/identity"),
        ("Microsoft.Compute/galleries/images/versions/read", gallery),
    ] {
        let cloud = TestCloud::of("", &premises(action)).await;
        let mut body = vm_body("vm-1", "");
        let nic =
            &mut body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"];
        nic["networkSecurityGroup"] = serde_json::json!({"id": nsg});
        body["properties"]["storageProfile"]["imageReference"] = serde_json::json!({"id": gallery});
        body["identity"] =
            serde_json::json!({"type": "UserAssigned", "userAssignedIdentities": {"/identity": {}}});
        let answer = cloud.azure(Method::PUT, &format!("{VMS}/vm-1"), &[], Some(body)).await;
        assert_eq!(told(&answer), (403, "LinkedAuthorizationFailed"), "{action}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(action) && message.contains(scope), "{message}");
    }
}
