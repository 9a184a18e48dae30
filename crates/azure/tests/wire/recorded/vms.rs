//! VMs, their lists, their failures and what belongs to them.

use azlin_fleet::model::{Orphan, OrphanKind, PowerState, ProvisioningState, VmTags};
use azlin_fleet::ports::Azure;
use azlin_fleet::ports::preflight::AzurePreflight;
use azlin_simcloud::scripted::{Reply, Request, json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{cases, recorded, reply};
use crate::{SUBSCRIPTION, arm_requests, azure, group, name, refusal, spec, vm};

/// An answer of a file.
#[derive(Clone, Deserialize)]
struct Recorded {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Value,
}

/// Several answers of a file.
#[derive(Deserialize)]
struct RecordedAnswers {
    answers: Vec<Recorded>,
}

fn ok() -> u16 {
    200
}

/// A file, with what its signs stand for.
fn with_values(file: &str, request: &Request) -> String {
    let ours = VmTags::of(name(7).as_str(), &spec().tags).expect("our tags");
    let mut text = file.replace("$ROOT", &format!("http://{}", request.header("host").unwrap_or_default()));
    text = text.replace("$PATH", request.path());
    for number in 0..10 {
        let tags = json!(VmTags { runner_name: name(number), ..ours.clone() }.to_tags()).to_string();
        text = text.replace(&format!("\"$TAGS{number}\""), &tags);
        text = text.replace(&format!("$NAME{number}"), name(number).as_str());
    }
    text.replace("\"$TAGS\"", &json!(ours.to_tags()).to_string()).replace("$NAME", name(7).as_str())
}

fn answer(file: &str, request: &Request) -> Reply {
    let Recorded { status, headers, body } =
        serde_json::from_str(&with_values(file, request)).expect("an answer");
    reply(status, &headers, &body)
}

/// The answer to a PUT.
pub(super) fn put(request: &Request) -> Reply {
    answer(recorded!("vm-put-201"), request)
}

#[tokio::test]
async fn a_put() {
    let (_server, azure) = azure(|request, _| put(request)).await;
    azure.create(&spec()).await.expect("a VM");
    let left = azure.remaining();
    assert_eq!(left.writes, Some(1183));
    assert_eq!(left.operations["Microsoft.Compute/PutVM30Min"], 1175);
}

#[tokio::test]
async fn a_delete() {
    let (_server, azure) = azure(|request, _| answer(recorded!("vm-delete-202"), request)).await;
    azure.delete(&group(), name(7).as_str()).await.expect("it goes");
    let left = azure.remaining();
    assert_eq!((left.deletes, left.operations["Microsoft.Compute/DeleteVM3Min"]), (Some(14_987), 233));
}

#[tokio::test]
async fn a_page_of_a_list_with_what_policies_add() {
    let (server, azure) = azure(|request, before| match before {
        0 => answer(recorded!("vm-list-page"), request),
        _ => json(200, json!({"value": []})),
    })
    .await;
    let vms = azure.vms(&group()).await.expect("a list");
    assert_eq!(vms.iter().map(|vm| vm.name.as_str()).collect::<Vec<_>>(), [name(7).as_str()]);
    let ours = &vms[0];
    assert_eq!((ours.size.as_str(), ours.zone.as_deref()), ("Standard_F8s_v2", Some("2")));
    assert_eq!(ours.group, group(), "as the fleet writes it, and not in capitals");
    assert_eq!(arm_requests(&server)[1].query("$skiptoken").as_deref(), Some("BBBB"));
}

#[tokio::test]
async fn a_list_of_statuses() {
    #[derive(Deserialize)]
    struct States {
        power: Vec<String>,
        body: Value,
    }
    let States { power, body } = serde_json::from_str(recorded!("vm-list-status-only")).expect("a list");
    let (_server, azure) = azure(move |_, _| json(200, body.clone())).await;
    let states = azure.power_states(SUBSCRIPTION).await.expect("a list");
    for (number, expected) in power.iter().enumerate() {
        let found = states.at(&group(), &format!("build-{number}"));
        assert_eq!(format!("{found:?}"), *expected, "build-{number}");
    }
}

#[tokio::test]
async fn uneven_pages_and_a_fault_between_them() {
    let (server, azure) = azure(|request, before| {
        let file = with_values(recorded!("vm-list-uneven-pages"), request);
        let file = file.replace("$NEXT", &format!("{}", before + 1));
        let RecordedAnswers { answers } = serde_json::from_str(&file).expect("answers");
        reply(answers[before].status, &answers[before].headers, &answers[before].body)
    })
    .await;
    let vms = azure.vms(&group()).await.expect("a list");
    let expected: Vec<String> = (0..6).map(|number| name(number).to_string()).collect();
    assert_eq!(vms.into_iter().map(|vm| vm.name).collect::<Vec<_>>(), expected);
    assert_eq!(arm_requests(&server).len(), 5, "the page that failed is asked for again");
}

#[tokio::test]
async fn a_vm_with_its_view() {
    let (_server, azure) = azure(|request, _| answer(recorded!("vm-get-instance-view"), request)).await;
    let state = azure.power_state(&group(), name(7).as_str()).await;
    assert_eq!(state, Ok(Some(PowerState::Running)));
    assert_eq!(azure.remaining().operations["Microsoft.Compute/LowCostGet3Min"], 3991);
}

#[tokio::test]
async fn vms_that_azure_calls_failed() {
    #[derive(Deserialize)]
    struct FailedCase {
        name: String,
        state: String,
        view: Value,
    }
    for case in cases::<FailedCase>(recorded!("vm-failed")) {
        let view = case.view.clone();
        let (_server, azure) = azure(move |_, _| {
            let mut failed = vm(name(7).as_str(), &json!(spec().tags), "Failed");
            failed["properties"]["instanceView"] = view.clone();
            json(200, failed)
        })
        .await;
        let seen = azure.failure(&group(), name(7).as_str()).await.expect(&case.name);
        let state = ProvisioningState::of_failed(Some(&seen));
        assert_eq!(format!("{state:?}"), case.state, "{}: {seen:?}", case.name);
    }
}

#[tokio::test]
async fn operations_that_failed() {
    #[derive(Deserialize)]
    struct EndedOperation {
        kind: String,
        headers: Vec<(String, String)>,
        body: Value,
    }
    for case in cases::<EndedOperation>(recorded!("operations")) {
        let (kind, operation) = (case.kind, reply(200, &case.headers, &case.body));
        let (server, azure) = azure(move |request, _| match (request.method.as_str(), request.path()) {
            ("PUT", _) => put(request),
            (_, path) if path.contains("/operations/") => operation.clone(),
            (_, path) if path.ends_with("/virtualMachines") => json(200, json!({"value": []})),
            _ => refusal(404, "ResourceNotFound", "it is gone"),
        })
        .await;
        azure.create(&spec()).await.expect("it is taken");
        azure.vms(&group()).await.expect("a list");
        let view = azure.failure(&group(), name(7).as_str()).await.expect("an answer");
        let failure = view.failure.expect("a reason");
        assert_eq!(format!("{:?}", failure.kind), kind, "{failure}");
        assert!(arm_requests(&server).iter().any(|request| request.path().contains("/operations/")));
    }
}

/// Lays a patch over a value; null removes.
fn lay(patch: &Value, over: &mut Value) {
    match (patch, over) {
        (Value::Object(patch), Value::Object(over)) => {
            for (key, value) in patch {
                if value.is_null() {
                    over.remove(key);
                } else {
                    lay(value, over.entry(key.clone()).or_insert(json!({})));
                }
            }
        }
        (patch, over) => *over = patch.clone(),
    }
}

#[tokio::test]
async fn odd_vms_of_others() {
    #[derive(Deserialize)]
    struct Odd {
        name: String,
        patch: Value,
    }
    for case in cases::<Odd>(recorded!("odd-vms")) {
        let mut odd = vm("build-1", &json!({"team": "others"}), "Succeeded");
        lay(&case.patch, &mut odd);
        let ours = vm(name(7).as_str(), &json!(spec().tags), "Succeeded");
        let list = json!({"value": [odd, ours]});
        let (_server, azure) = azure(move |_, _| json(200, list.clone())).await;
        let vms = azure.vms(&group()).await.expect(&case.name);
        assert_eq!(vms.len(), 1, "{}", case.name);
        azure.power_states(SUBSCRIPTION).await.expect(&case.name);
    }
}

#[tokio::test]
async fn nics_addresses_and_disks() {
    #[derive(Deserialize)]
    struct Part {
        kind: String,
        free: bool,
        item: Value,
    }
    let (_server, azure) = azure(|request, _| {
        let kind = request.path().rsplit('/').next().unwrap_or_default().to_owned();
        let parts = cases::<Part>(&with_values(recorded!("nics-ips-disks"), request));
        let of_kind = parts.into_iter().filter(|part| part.kind == kind).map(|part| part.item);
        json(200, json!({"value": of_kind.collect::<Vec<_>>()}))
    })
    .await;
    let free = cases::<Part>(recorded!("nics-ips-disks")).iter().filter(|part| part.free).count();
    let mut found: Vec<Orphan> = Vec::new();
    for kind in OrphanKind::ALL {
        found.extend(azure.orphans(&group(), kind).await.expect("a list"));
    }
    let expected = [format!("{}-nic", name(1)), format!("{}-nic", name(2)), format!("{}_OsDisk", name(4))];
    assert_eq!(found.iter().map(|part| part.name.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(found.len(), free);
}

#[tokio::test]
async fn headers_of_rate_limits() {
    let (_server, azure) = azure(|request, _| {
        let file = recorded!("rate-limit-headers-2024");
        let RecordedAnswers { answers } = serde_json::from_str(file).expect("answers");
        let is_one = request.path().contains("/virtualMachines/");
        let of = &answers[usize::from(is_one)].headers;
        if is_one {
            reply(200, of, &vm(name(7).as_str(), &json!(spec().tags), "Succeeded"))
        } else {
            reply(200, of, &json!({"value": []}))
        }
    })
    .await;
    azure.power_states(SUBSCRIPTION).await.expect("a list");
    assert_eq!((azure.remaining().global_reads, azure.remaining().reads), (Some(3728), None));
    azure.power_state(&group(), name(7).as_str()).await.expect("a VM");
    let left = azure.remaining();
    assert_eq!((left.global_reads, left.reads), (Some(3727), Some(241)));
    assert_eq!(left.operations["Microsoft.Compute/LowCostGet30Min"], 119_911);
}

#[tokio::test]
async fn facts_of_a_size() {
    let (_server, azure) = azure(|request, _| answer(recorded!("skus"), request)).await;
    let sizes = azure.sizes(SUBSCRIPTION, "northeurope").await.expect("sizes");
    let size = &sizes[0];
    assert_eq!((size.vcpus, size.spot, size.ephemeral_os_disk), (64, Some(true), Some(true)));
    assert_eq!(
        (size.generations.as_slice(), size.disk_controllers.as_slice()),
        (&["V2".into()][..], &["NVMe".into()][..])
    );
    let disk = size.local_disk.expect("an NVMe disk");
    assert!(disk.kind.contains("NVMe") && disk.gib == 3520, "{disk:?}");
    assert_eq!((size.accelerated_networking, size.trusted_launch), (Some(true), None));
}
