//! What `check` requests: pages, refusals, and fields that Azure leaves out.

use azlin_fleet::model::{CallErrorKind, Image};
use azlin_fleet::ports::preflight::{Access, AzurePreflight, Grant};
use azlin_simcloud::scripted::json;
use serde_json::json;

use crate::{SUBSCRIPTION, arm_requests, azure, group, refusal};

fn grant(action: &str) -> Grant {
    Grant { actions: vec![action.into()], not_actions: Vec::new() }
}

#[tokio::test]
async fn permissions_come_in_pages_and_from_azure_alone() {
    let (server, client) = azure(|request, before| {
        let page =
            format!("http://{}{}?$skiptoken=2", request.header("host").unwrap_or_default(), request.path());
        match before {
            0 => json(200, json!({"value": [{"actions": ["a"], "notActions": null}], "nextLink": page})),
            1 => json(200, json!({"value": [{"actions": ["b"]}], "nextLink": null})),
            _ => json(200, json!({"value": [], "nextLink": "https://evil.example/next"})),
        }
    })
    .await;
    assert_eq!(client.grants(&group().id()).await, Ok(vec![grant("a"), grant("b")]));
    let first = &arm_requests(&server)[0];
    let path = format!("{}/providers/Microsoft.Authorization/permissions", group().id());
    assert_eq!((first.method.as_str(), first.path()), ("GET", path.as_str()));
    assert_eq!(first.query("api-version").as_deref(), Some("2022-04-01"));
    let error = client.grants(&group().id()).await.expect_err("another host");
    assert!(error.to_string().contains("another host"), "{error}");
    assert_eq!(arm_requests(&server).len(), 3, "the token goes nowhere else");
}

#[tokio::test]
async fn sizes_are_asked_for_one_location_and_read_with_what_is_left_out() {
    let (server, client) = azure(|_, _| {
        json(
            200,
            json!({"value": [
                {"resourceType": "disks", "name": "Premium_LRS", "capabilities": null, "locationInfo": null},
                {"resourceType": "virtualMachines", "name": "Standard_D4s_v5", "family": "standardDSv5Family",
                 "capabilities": [{"name": "vCPUs", "value": "4"}], "restrictions": null},
                {"resourceType": "virtualMachines", "name": "Standard_D8s_v5", "family": "standardDSv5Family",
                 "locationInfo": [{"location": "northeurope"}]},
            ]}),
        )
    })
    .await;
    let sizes = client.sizes(SUBSCRIPTION, "westeurope").await.expect("sizes");
    assert_eq!((sizes.len(), sizes[0].vcpus, sizes[0].spot), (1, 4, None));
    let request = &arm_requests(&server)[0];
    assert_eq!(request.query("$filter").as_deref(), Some("location eq 'westeurope'"));
}

#[tokio::test]
async fn the_newest_version_of_an_image_is_the_one_that_is_read() {
    let (server, client) = azure(|request, _| {
        if request.path().ends_with("/versions") {
            return json(200, json!([{"name": "24.9.1"}, {"name": "24.10.0"}, {"name": "24.2.7"}]));
        }
        json(200, json!({"name": "24.10.0", "location": "westeurope", "properties": {"hyperVGeneration": "V2", "plan": null}}))
    })
    .await;
    let image = Image::Marketplace {
        publisher: "Canonical".to_owned(),
        offer: "ubuntu".to_owned(),
        sku: "server".to_owned(),
        version: "latest".to_owned(),
    };
    let facts = client.image(SUBSCRIPTION, "westeurope", &image).await.expect("an image");
    assert_eq!((facts.version.as_deref(), facts.plan), (Some("24.10.0"), None));
    let request = &arm_requests(&server)[1];
    let path = "/providers/Microsoft.Compute/locations/westeurope/publishers/Canonical/artifacttypes/vmimage/offers\
                /ubuntu/skus/server/versions/24.10.0";
    assert_eq!(request.path(), format!("/subscriptions/{SUBSCRIPTION}{path}"));
}

#[tokio::test]
async fn what_may_not_be_read_is_told_with_the_action_that_is_missing() {
    let (_server, client) = azure(|_, _| refusal(403, "AuthorizationFailed", "no authorization")).await;
    assert_eq!(client.may_read_power_states(SUBSCRIPTION).await, Ok(Access::Denied(None)));
    let error = client.usages(SUBSCRIPTION, "westeurope").await.expect_err("not permitted");
    assert_eq!(error.kind, CallErrorKind::NotPermitted);
    let expected = "read quotas in westeurope: 403 AuthorizationFailed \"no authorization\"; grant \
                    Microsoft.Compute/locations/usages/read";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_network_that_may_not_be_read_leaves_its_location_unknown() {
    let (_server, client) = azure(|request, _| {
        if request.path().ends_with("/subnets/s") {
            json(200, json!({"properties": {"addressPrefix": "10.0.0.0/28", "natGateway": {"id": "/nat"}}}))
        } else {
            refusal(403, "AuthorizationFailed", "")
        }
    })
    .await;
    let id = "/subscriptions/0/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    let subnet = client.subnet(id).await.expect("a subnet");
    assert_eq!((subnet.location, subnet.nat_gateway, subnet.free_addresses), (None, true, Some(11)));
}
