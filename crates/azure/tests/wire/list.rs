//! Lists of VMs: all pages, only ours, and power states where they are requested.

use azlin_fleet::model::{CallErrorKind, OrphanKind, PowerState, PowerStates, ProvisioningState, VmTags};
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, Request, ScriptedServer, json};
use serde_json::{Value, json};

use crate::{SUBSCRIPTION, arm_requests, azure, group, name, page, refusal, spec, vm};

fn tags(number: u32) -> Value {
    let ours = VmTags::of(name(7).as_str(), &spec().tags).expect("our tags");
    json!(VmTags { runner_name: name(number), ..ours }.to_tags())
}

fn is_status_only(request: &Request) -> bool {
    request.query("statusOnly").as_deref() == Some("true")
}

/// 250 of our VMs in three pages, and one foreign VM in each page.
fn pages(request: &Request) -> Reply {
    let page: u32 = request.query("$skiptoken").map_or(0, |page| page.parse().expect("a page"));
    let of_page = (page * 100..(page * 100 + 100).min(250)).map(|number| {
        let state = if number == 3 { "Failed" } else { "Succeeded" };
        vm(name(number).as_str(), &tags(number), state)
    });
    let mut vms: Vec<Value> = of_page.collect();
    vms.push(vm("somebody-elses", &json!({"azlin-pool": "ci"}), "Succeeded"));
    vms.push(vm("without-tags", &Value::Null, "Succeeded"));
    let host = request.header("host").expect("a host");
    let next = (page < 2)
        .then(|| format!("http://{host}{}?api-version=2024-07-01&$skiptoken={}", request.path(), page + 1));
    json(200, json!({"value": vms, "nextLink": next}))
}

#[tokio::test]
async fn all_pages_and_only_ours() {
    let (server, azure) = azure(|request, _| pages(request)).await;
    let vms = azure.vms(&group()).await.expect("a list");
    assert_eq!(vms.len(), 250);
    assert_eq!(vms[3].provisioning, ProvisioningState::Failed);
    assert_eq!(vms[4].provisioning, ProvisioningState::Succeeded);
    assert_eq!(vms[4].name, name(4).as_str());
    assert_eq!(vms[4].size, "Standard_D4s_v5");
    assert_eq!(vms[4].power, PowerState::Unknown);
    assert_eq!(vms[4].group, group(), "the group as the fleet writes it");
    let requests = arm_requests(&server);
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.query("api-version").as_deref() == Some("2024-07-01")));
}

#[tokio::test]
async fn power_states_cost_one_list_of_the_subscription() {
    let (server, azure) = azure(|request, _| {
        assert!(is_status_only(request));
        assert_eq!(
            request.path(),
            format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/virtualMachines")
        );
        let states = ["running", "deallocated", "starting"];
        let vms: Vec<Value> = (0..)
            .zip(states)
            .map(|(number, state)| {
                let mut vm = vm(name(number).as_str(), &Value::Null, "Succeeded");
                vm["id"] = json!(vm["id"].as_str().expect("an id").to_ascii_uppercase());
                vm["properties"]["instanceView"] = json!({"statuses": [
                    {"code": "ProvisioningState/succeeded", "level": "Info", "time": "2026-01-02T03:04:05+00:00"},
                    {"code": format!("PowerState/{state}"), "level": "Info", "displayStatus": "VM"}
                ]});
                vm
            })
            .collect();
        json(200, json!({"value": vms}))
    })
    .await;
    let states = azure.power_states(SUBSCRIPTION).await.expect("a list");
    let mut expected = PowerStates::default();
    for (number, state) in (0..).zip([PowerState::Running, PowerState::Deallocated, PowerState::Starting]) {
        expected.insert(&group().name, name(number).as_str(), state);
    }
    assert_eq!(states, expected);
    assert_eq!(arm_requests(&server).len(), 1);
}

#[tokio::test]
async fn a_part_of_a_list_is_an_error() {
    let faults: [fn(&Request, usize) -> Reply; 3] = [
        |request, before| if before == 0 { pages(request) } else { refusal(500, "InternalServerError", "") },
        |request, before| if before == 0 { pages(request) } else { Reply::Half },
        |_, _| Reply::HangUp,
    ];
    for fault in faults {
        let (_server, azure) = azure(fault).await;
        let error = azure.vms(&group()).await.expect_err("a part");
        assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
        let error = azure.power_states(SUBSCRIPTION).await.expect_err("a part");
        assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_list_of_azures_is_an_error() {
    for (situation, answer) in [
        ("a captive portal", page(200)),
        ("JSON of another form", json(200, json!({"status": "ok"}))),
        ("no list", json(200, json!({"value": null}))),
        ("accepted", json(202, json!({"value": []}))),
        ("nothing", Reply::Answer(204, Vec::new(), String::new())),
        ("a login page", Reply::Answer(302, vec![("location", "/login".to_owned())], String::new())),
        ("a page of a proxy", page(404)),
    ] {
        let (server, azure) = azure(move |_, _| answer.clone()).await;
        for error in [
            azure.vms(&group()).await.expect_err(situation),
            azure.power_states(SUBSCRIPTION).await.expect_err(situation),
            azure.failure(&group(), name(7).as_str()).await.expect_err(situation),
            azure.address(&group(), name(7).as_str(), false).await.expect_err(situation),
            azure.orphans(&group(), OrphanKind::Disk).await.expect_err(situation),
        ] {
            assert_eq!(error.kind, CallErrorKind::Unavailable, "{situation}: {error}");
        }
        assert!(arm_requests(&server).iter().all(|request| request.path() != "/login"), "{situation}");
    }
}

#[tokio::test]
async fn a_list_that_leads_in_a_circle_is_an_error_at_once() {
    let (server, azure) = azure(|request, _| {
        let host = request.header("host").expect("a host");
        let next = format!("http://{host}{}?api-version=2024-07-01&$skiptoken=1", request.path());
        json(200, json!({"value": [], "nextLink": next}))
    })
    .await;
    let errors = [azure.vms(&group()).await.err(), azure.orphans(&group(), OrphanKind::Disk).await.err()];
    for error in errors {
        let error = error.expect("a circle");
        assert!(
            error.kind == CallErrorKind::Unavailable && error.to_string().contains("in a circle"),
            "{error}"
        );
    }
    assert_eq!(arm_requests(&server).len(), 4, "two pages of each");
}

#[tokio::test]
async fn a_fault_in_the_middle_of_a_list_is_not_seen() {
    let (_server, azure) =
        azure(|request, before| if before == 1 { Reply::Half } else { pages(request) }).await;
    assert_eq!(azure.vms(&group()).await.expect("a list").len(), 250);
}

#[tokio::test]
async fn the_token_follows_no_link_to_another_host() {
    let other = ScriptedServer::start(|_, _| json(200, json!({"value": []}))).await;
    let link = other.url.join("next").expect("a URL").to_string();
    let (_server, azure) = azure(move |_, _| json(200, json!({"value": [], "nextLink": link}))).await;
    let error = azure.vms(&group()).await.expect_err("another host");
    assert!(error.to_string().contains("another host"), "{error}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn what_azure_tells_of_its_budgets_is_kept() {
    let (server, azure) = azure(|_, _| {
        let headers = vec![("x-ms-ratelimit-remaining-subscription-reads", "11999".to_owned())];
        Reply::Answer(200, headers, json!({"value": []}).to_string())
    })
    .await;
    azure.vms(&group()).await.expect("a list");
    assert_eq!(azure.remaining().reads, Some(11_999));
    assert_eq!(azure.remaining().writes, None);
    assert_eq!(azure.counts().requests as usize, arm_requests(&server).len());
    assert!(azure.counts().bytes_received > 0);
}
