//! Lists as Azure sends them: other people's VMs with unknown words, pages of any size, faults between them.

use azlin_fleet::model::{CallErrorKind, VmTags};
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, Request, json};
use serde_json::{Value, json};

use crate::{SUBSCRIPTION, azure, group, name, refusal, spec, vm};

fn ours(number: u32) -> Value {
    let ours = VmTags::of(name(7).as_str(), &spec().tags).expect("our tags");
    let tags = VmTags { runner_name: name(number), ..ours }.to_tags();
    vm(name(number).as_str(), &json!(tags), "Succeeded")
}

#[tokio::test]
async fn odd_vms_of_others_hide_none_of_ours() {
    let mut odd: Vec<Value> =
        (1..=6).map(|number| vm(&format!("build-{number}"), &Value::Null, "Succeeded")).collect();
    odd[0]["identity"] = json!({"type": "Borrowed", "userAssignedIdentities": null});
    odd[1]["properties"]["storageProfile"] =
        json!({"osDisk": {"caching": "Sometimes"}, "dataDisks": [{"lun": 1}]});
    odd[2]["properties"]["timeCreated"] = json!("2026-03-04T05:06:07");
    odd[3]["properties"]["platformFaultDomain"] = json!(1.0);
    odd[4]["properties"]["instanceView"] =
        json!({"statuses": [{"code": "PowerState/running", "level": "Chatty"}]});
    odd[5].as_object_mut().expect("an object").remove("location");
    odd.push(ours(1));
    let (_server, azure) = azure(move |_, _| json(200, json!({"value": odd}))).await;
    let vms = azure.vms(&group()).await.expect("a list");
    assert_eq!(vms.iter().map(|vm| vm.name.as_str()).collect::<Vec<_>>(), [name(1).as_str()]);
    azure.power_states(SUBSCRIPTION).await.expect("a list");
}

/// Pages of these sizes.
const SIZES: [u32; 6] = [29, 0, 11, 5, 0, 3];

fn page(request: &Request) -> Reply {
    let page: usize = request.query("$skiptoken").map_or(0, |page| page.parse().expect("a page"));
    let before: u32 = SIZES[..page].iter().sum();
    let vms: Vec<Value> = (before..before + SIZES[page]).map(ours).collect();
    let host = request.header("host").expect("a host");
    let link = format!("http://{host}{}?api-version=2024-07-01&%24skiptoken={}", request.path(), page + 1);
    json(200, json!({"value": vms, "nextLink": (page + 1 < SIZES.len()).then_some(link)}))
}

#[tokio::test]
async fn uneven_and_empty_pages_are_one_list() {
    let (_server, azure) = azure(|request, _| page(request)).await;
    assert_eq!(azure.vms(&group()).await.expect("a list").len(), 48);
}

#[tokio::test]
async fn a_provider_that_fails_between_two_pages_is_asked_again_and_never_gives_half_a_list() {
    let why = "Resource provider 'Microsoft.Compute' failed to return collection response.";
    let fails = move |request: &Request| {
        let is_third = request.query("$skiptoken").as_deref() == Some("3");
        if is_third { refusal(502, "ProviderError", why) } else { page(request) }
    };
    let (_server, once) =
        azure(move |request, before| if before == 3 { fails(request) } else { page(request) }).await;
    assert_eq!(once.vms(&group()).await.expect("a list").len(), 48);
    let (_server, always) = azure(move |request, _| fails(request)).await;
    let error = always.vms(&group()).await.expect_err("half a list");
    assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
    let error = always.power_states(SUBSCRIPTION).await.expect_err("half a list");
    assert_eq!(error.kind, CallErrorKind::Unavailable, "{error}");
}
