//! The simulated Azure over HTTP, as Azure's documentation and the real client library expect it.

use crate::fixture::{ReadResponse, TestCloud, VMS, vm_body};
use azlin_simcloud::IDENTITY_HEADER;
use reqwest::Method;
use serde_json::{Value, json};

const OF_SUBSCRIPTION: &str = "/subscriptions/s/providers/Microsoft.Compute/virtualMachines";

async fn put(cloud: &TestCloud, name: &str) -> ReadResponse {
    let only_new = [("if-none-match", "*")];
    cloud.azure(Method::PUT, &format!("{VMS}/{name}"), &only_new, Some(vm_body(name, "#cloud-config"))).await
}

async fn look(cloud: &TestCloud, target: &str) -> ReadResponse {
    cloud.azure(Method::GET, target, &[], None).await
}

/// The codes of a VM's instance view: `PowerState/running` and so on.
fn codes(vm: &Value) -> Vec<&str> {
    let statuses = vm["properties"]["instanceView"]["statuses"].as_array();
    statuses.into_iter().flatten().filter_map(|status| status["code"].as_str()).collect()
}

#[tokio::test]
async fn a_vm_is_made_step_by_step_and_removed_step_by_step() {
    let cloud = TestCloud::start().await;
    let made = put(&cloud, "vm-1").await;
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &"Creating".into()));
    assert!(made.header("azure-asyncoperation").is_some());
    assert_eq!(made.body["properties"]["osProfile"].get("customData"), None, "a secret is never shown again");

    let one = format!("{VMS}/VM-1?$expand=instanceView");
    assert_eq!(codes(&look(&cloud, &one).await.body), ["ProvisioningState/creating"]);
    cloud.pass(10);
    let vm = look(&cloud, &one).await.body;
    assert_eq!(vm["properties"]["provisioningState"], "Succeeded");
    assert_eq!(codes(&vm), ["ProvisioningState/succeeded", "PowerState/running"]);
    assert!(codes(&look(&cloud, &format!("{VMS}/vm-1")).await.body).is_empty(), "only where it is asked for");

    let removed = cloud.azure(Method::DELETE, &format!("{VMS}/vm-1"), &[], None).await;
    assert_eq!((removed.status, removed.header("location").is_some()), (202, true));
    let vm = look(&cloud, &format!("{VMS}/vm-1")).await.body;
    assert_eq!(vm["properties"]["provisioningState"], "Deleting");
    cloud.pass(30);
    let gone = look(&cloud, &format!("{VMS}/vm-1")).await;
    assert_eq!((gone.status, &gone.body["error"]["code"]), (404, &"ResourceNotFound".into()));
    let again = cloud.azure(Method::DELETE, &format!("{VMS}/vm-1"), &[], None).await;
    assert_eq!(again.status, 204, "gone is gone");
}

#[tokio::test]
async fn a_name_is_taken_once_unless_the_request_says_nothing_of_it() {
    let cloud = TestCloud::start().await;
    assert_eq!(put(&cloud, "vm-1").await.status, 201);
    let refused = put(&cloud, "VM-1").await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (412, &"PreconditionFailed".into()));
    assert_eq!(refused.header("x-ms-error-code"), Some("PreconditionFailed"));
    let over = cloud.azure(Method::PUT, &format!("{VMS}/vm-1"), &[], Some(vm_body("vm-1", "x"))).await;
    assert_eq!(over.status, 201);
    assert_eq!(cloud.served.world().report().overwrites, 1, "the trap is there to be seen");
}

#[tokio::test]
async fn lists_come_in_pages_and_tell_power_states_to_a_subscription_alone() {
    let cloud = TestCloud::of("vm_page = 2\n", "").await;
    for number in 0..5 {
        assert_eq!(put(&cloud, &format!("vm-{number}")).await.status, 201);
    }
    cloud.pass(10);
    for (target, tells_power, expected) in [
        (VMS.to_owned(), false, 3),
        // One of them is empty.
        (format!("{OF_SUBSCRIPTION}?statusOnly=true"), true, 4),
        (
            format!(
                "{}?x=1",
                OF_SUBSCRIPTION.replace("virtualMachines", "locations/westeurope/virtualMachines")
            ),
            false,
            4,
        ),
    ] {
        let (mut pages, mut names, mut next) = (0, Vec::new(), Some(target));
        while let Some(target) = next {
            let page = look(&cloud, &target).await;
            for vm in page.body["value"].as_array().unwrap() {
                names.push(vm["name"].as_str().unwrap().to_owned());
                assert_eq!(codes(vm).contains(&"PowerState/running"), tells_power);
                assert_eq!(vm.get("tags").is_some(), !tells_power);
            }
            pages += 1;
            next = page.body["nextLink"].as_str().map(str::to_owned);
        }
        assert_eq!((pages, names), (expected, (0..5).map(|number| format!("vm-{number}")).collect()));
    }
    let elsewhere = VMS.replace("/g/", "/other/");
    assert_eq!(look(&cloud, &elsewhere).await.body["value"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn a_page_of_a_subscription_has_some_vms_of_each_region_and_a_list_may_break_off() {
    let cloud = TestCloud::of("vm_page = 2\n", "[[faults]]\nwhat = 'list_breaks'\nfrom = '10s'\n").await;
    for (number, region) in ["westeurope", "westeurope", "westeurope", "eastus"].iter().enumerate() {
        let name = format!("vm-{number}");
        let mut body = vm_body(&name, "");
        body["location"] = json!(region);
        assert_eq!(cloud.azure(Method::PUT, &format!("{VMS}/{name}"), &[], Some(body)).await.status, 201);
    }
    let (mut sizes, mut next) = (Vec::new(), Some(OF_SUBSCRIPTION.to_owned()));
    while let Some(target) = next {
        let page = look(&cloud, &target).await.body;
        sizes.push(page["value"].as_array().unwrap().len());
        let id = page["value"][0]["id"].as_str().unwrap_or("/resourceGroups/G/");
        assert!(id.contains("/resourceGroups/G/"), "in capitals: {id}");
        next = page["nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(sizes, [3, 0, 1]);
    cloud.pass(10);
    let first = look(&cloud, OF_SUBSCRIPTION).await;
    assert_eq!(first.status, 200);
    let second = look(&cloud, first.body["nextLink"].as_str().unwrap()).await;
    assert_eq!((second.status, &second.body["error"]["code"]), (502, &"ProviderError".into()));
}

#[tokio::test]
async fn what_azure_refuses_bears_a_code_and_a_message() {
    let faults = "[[faults]]\nwhat = 'no_capacity'\nfrom = '10s'\nuntil = '20s'\n\
        [[faults]]\nwhat = { status = [429, 17] }\nside = 'azure'\nfrom = '20s'\nuntil = '30s'\n";
    let cloud = TestCloud::of("vcpu_quota = 4\n", faults).await;
    assert_eq!(put(&cloud, "vm-1").await.status, 201);
    let told = |answer: &ReadResponse| {
        let error = &answer.body["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:?}");
        (answer.status, error["code"].as_str().unwrap_or_default().to_owned())
    };
    let over_quota = put(&cloud, "vm-2").await;
    assert_eq!(told(&over_quota), (409, "OperationNotAllowed".to_owned()));
    assert!(over_quota.body["error"]["message"].as_str().unwrap().contains("quota"));
    cloud.pass(10);
    assert_eq!(told(&put(&cloud, "vm-2").await), (409, "AllocationFailed".to_owned()));
    cloud.pass(10);
    let throttled = put(&cloud, "vm-2").await;
    assert_eq!((told(&throttled).0, throttled.header("retry-after")), (429, Some("17")));
    cloud.pass(10);
    let nonsense =
        cloud.azure(Method::GET, "/subscriptions/s/providers/Microsoft.Web/sites", &[], None).await;
    assert_eq!(told(&nonsense), (404, "NotFound".to_owned()));
    let method = cloud.azure(Method::POST, &format!("{VMS}/vm-1"), &[], None).await;
    assert_eq!(told(&method), (405, "MethodNotAllowed".to_owned()));
}

#[tokio::test]
async fn a_vm_has_a_nic_and_a_console() {
    let cloud = TestCloud::start().await;
    let mut body = vm_body("vm-1", "#cloud-config");
    body["properties"]["diagnosticsProfile"]["bootDiagnostics"]["enabled"] = true.into();
    let nics = &mut body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"];
    *nics = json!({"deleteOption": "Delete", "ipConfigurations": [
        {"name": "ip", "properties": {"publicIPAddressConfiguration": {"name": "vm-1-ip"}}},
    ]});
    cloud.azure(Method::PUT, &format!("{VMS}/vm-1"), &[], Some(body)).await;
    put(&cloud, "vm-2").await;
    let nic = async |vm: &str, more: &str| {
        let vm = look(&cloud, &format!("{VMS}/{vm}")).await.body;
        let id =
            vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
        look(&cloud, &format!("{id}?api-version=1{more}")).await
    };
    assert_eq!(nic("vm-1", "").await.status, 404, "it has no address yet");
    cloud.pass(20);
    let ip = |answer: &ReadResponse| answer.body["properties"]["ipConfigurations"][0]["properties"].clone();
    let expand = "&$expand=ipConfigurations/publicIPAddress";
    let (plain, full, other) = (nic("vm-1", "").await, nic("vm-1", expand).await, nic("vm-2", expand).await);
    assert_eq!(ip(&plain)["privateIPAddress"], "10.0.0.5");
    assert_eq!(ip(&other)["privateIPAddress"], "10.0.0.6");
    assert_eq!(ip(&plain)["publicIPAddress"].get("properties"), None, "only where it is asked for");
    assert_eq!(ip(&full)["publicIPAddress"]["properties"]["ipAddress"], "10.0.0.5");
    assert_eq!(ip(&other).get("publicIPAddress"), None);

    let diagnose = async |vm: &str| {
        let path = format!("{VMS}/{vm}/retrieveBootDiagnosticsData?api-version=1");
        cloud.azure(Method::POST, &path, &[], None).await
    };
    let refused = diagnose("vm-2").await;
    assert_eq!((refused.status, &refused.body["error"]["code"]), (409, &"BootDiagnosticsNotEnabled".into()));
    let blobs = diagnose("vm-1").await;
    let url = blobs.body["serialConsoleLogBlobUri"].as_str().unwrap();
    let (status, text) = cloud.text(url).await;
    assert_eq!((status, text.contains("vm-1 login:")), (200, true), "{text}");
    let (unsigned, _) = url.split_once('?').unwrap();
    assert_eq!(cloud.text(unsigned).await.0, 403);
}

#[tokio::test]
async fn a_vm_that_cannot_be_made_stays_and_counts() {
    let cloud = TestCloud::of("vcpu_quota = 4\n", "[[faults]]\nwhat = 'create_fails'\ntimes = 1\n").await;
    assert_eq!(put(&cloud, "vm-1").await.status, 201);
    cloud.pass(10);
    let vm = look(&cloud, &format!("{VMS}/vm-1")).await.body;
    assert_eq!(vm["properties"]["provisioningState"], "Failed");
    assert_eq!(put(&cloud, "vm-2").await.status, 409, "it uses up the quota");
}

#[tokio::test]
async fn tokens_come_from_the_identity_endpoint_and_end() {
    let cloud = TestCloud::of("token_life = '1h'\n", "").await;
    for header in [None, Some("wrong")] {
        assert_eq!(cloud.identity(header).await.status, 403, "{header:?}");
    }
    let bare = cloud.served.identity_endpoint();
    let headers = [("x-identity-header", IDENTITY_HEADER)];
    assert_eq!(cloud.call(Method::GET, &bare, &headers, None).await.unwrap().status, 400, "for what?");

    let token = cloud.signed_in().await.body;
    assert_eq!(token["token_type"], "Bearer");
    let ends: i64 = token["expires_on"].as_str().unwrap().parse().unwrap();
    assert_eq!(ends - cloud.served.world().now().as_second(), 3600);

    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let url = format!("http://{}{VMS}", cloud.served.azure);
    let with = async |authorization: &str| {
        let answer = cloud.call(Method::GET, &url, &[("authorization", authorization)], None).await.unwrap();
        (answer.status, answer.body["error"]["code"].as_str().map(str::to_owned))
    };
    assert_eq!(with(&bearer).await, (200, None));
    assert_eq!(with("Bearer x").await, (401, Some("InvalidAuthenticationToken".to_owned())));
    cloud.pass(3600);
    assert_eq!(with(&bearer).await, (401, Some("ExpiredAuthenticationToken".to_owned())));
}
