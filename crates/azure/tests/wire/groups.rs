//! Many resource groups of one subscription: one list serves them all.

use std::time::{Duration, Instant};

use azlin_azure::AzureClient;
use azlin_fleet::model::{OrphanKind, ResourceGroup, Vm, VmTags};
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Request, ScriptedServer, json};
use serde_json::{Value, json};

use crate::{SUBSCRIPTION, arm_requests, azure, name, refusal, spec};

const GROUPS: u32 = 200;

fn group(number: u32) -> ResourceGroup {
    ResourceGroup { subscription_id: SUBSCRIPTION.to_owned(), name: format!("Ci-{number}") }
}

/// One VM of ours in each group. Azure writes its group in capitals.
fn all_vms() -> Value {
    let ours = VmTags::of(name(7).as_str(), &spec().tags).expect("our tags");
    let vms = (0..GROUPS).map(|number| {
        let name = name(number);
        let tags = VmTags { runner_name: name.clone(), ..ours.clone() }.to_tags();
        let id = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/CI-{number}/providers/Microsoft.Compute/virtualMachines/{name}"
        );
        json!({"id": id, "name": name, "location": "westeurope", "tags": tags})
    });
    vms.collect()
}

fn is_of_group(request: &Request) -> bool {
    request.path().contains("/resourceGroups/")
}

fn vms_of(request: &Request, all: &Value) -> Value {
    let group = request.path().split('/').nth(4).expect("a group").to_ascii_uppercase();
    let is_there = |vm: &&Value| vm["id"].as_str().expect("an id").contains(&format!("/{group}/"));
    all.as_array().expect("VMs").iter().filter(is_there).cloned().collect()
}

/// The lists of all groups at about the same time.
async fn each_group(azure: &AzureClient) -> Vec<Vec<Vm>> {
    let groups: Vec<ResourceGroup> = (0..GROUPS).map(group).collect();
    let lists = futures::future::join_all(groups.iter().map(|group| azure.vms(group))).await;
    lists.into_iter().map(|list| list.expect("a list")).collect()
}

fn check(lists: &[Vec<Vm>]) {
    for (number, list) in (0..).zip(lists) {
        let names: Vec<&str> = list.iter().map(|vm| vm.name.as_str()).collect();
        assert_eq!(names, [name(number).as_str()], "group {number} has its own VM");
        assert_eq!(list[0].group, group(number), "as the fleet writes it");
    }
}

fn lists(server: &ScriptedServer) -> (usize, usize) {
    let requests = arm_requests(server);
    let of_groups = requests.iter().filter(|request| is_of_group(request)).count();
    (of_groups, requests.len() - of_groups)
}

#[tokio::test]
async fn more_than_twenty_groups_are_one_list_of_the_subscription() {
    let all = all_vms();
    let (server, azure) = azure(move |request, _| {
        json(200, json!({"value": if is_of_group(request) { vms_of(request, &all) } else { all.clone() }}))
    })
    .await;
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < Duration::from_secs(4) {
        check(&each_group(&azure).await);
        rounds += 1;
    }
    // A page serves for 1.5 s, so a minute has at most 40 of them.
    let (of_groups, of_subscription) = lists(&server);
    let most = began.elapsed().as_millis() / 1_500 + 1;
    assert!(
        of_groups <= 20 && of_subscription as u128 <= most,
        "{of_groups}, {of_subscription} in {rounds} rounds"
    );
}

/// A NIC of ours that nothing holds, in each group, and one of others.
fn all_parts() -> Value {
    let ours = spec().tags;
    let part = |group: u32, name: &str, tags: Value| {
        let id = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/CI-{group}/providers/Microsoft.Network/networkInterfaces/{name}"
        );
        json!({"id": id, "name": name, "tags": tags, "properties": {"nicType": "Standard"}})
    };
    let parts = (0..MANY).flat_map(|number| {
        let tags = json!(
            VmTags { runner_name: name(number), ..VmTags::of(name(7).as_str(), &ours).expect("ours") }
                .to_tags()
        );
        [part(number, &format!("{}-nic", name(number)), tags), part(number, "theirs", json!({}))]
    });
    parts.collect()
}

const MANY: u32 = 1_000;

#[tokio::test]
async fn the_parts_of_a_thousand_groups_are_a_few_lists() {
    let all = all_parts();
    let (server, azure) = azure(move |request, _| {
        json(200, json!({"value": if is_of_group(request) { vms_of(request, &all) } else { all.clone() }}))
    })
    .await;
    let began = Instant::now();
    for number in 0..MANY {
        let found = azure.orphans(&group(number), OrphanKind::NetworkInterface).await.expect("a list");
        let names: Vec<&str> = found.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, [format!("{}-nic", name(number))], "group {number} has its own");
        assert_eq!(found[0].group, group(number), "as the fleet writes it");
    }
    let (of_groups, of_subscription) = lists(&server);
    let most = began.elapsed().as_millis() / 1_500 + 1;
    assert!(of_groups == 3 && of_subscription as u128 <= most, "{of_groups}, {of_subscription}");
}

#[tokio::test]
async fn an_identity_with_roles_on_groups_alone_reads_each_group() {
    let all = all_vms();
    let (server, azure) = azure(move |request, _| {
        if is_of_group(request) {
            json(200, json!({"value": vms_of(request, &all)}))
        } else {
            refusal(403, "AuthorizationFailed", "no authorization over scope '/subscriptions/…'")
        }
    })
    .await;
    for _ in 0..2 {
        check(&each_group(&azure).await);
    }
    assert_eq!(lists(&server), (2 * GROUPS as usize, 1));
}

#[tokio::test]
async fn a_list_of_the_subscription_that_fails_is_no_empty_group() {
    let (_server, azure) = azure(|request, _| {
        if is_of_group(request) {
            json(200, json!({"value": []}))
        } else {
            refusal(500, "InternalServerError", "")
        }
    })
    .await;
    let groups: Vec<ResourceGroup> = (0..GROUPS).map(group).collect();
    let found = futures::future::join_all(groups.iter().map(|group| azure.vms(group))).await;
    assert_eq!(found.iter().filter(|list| list.is_err()).count(), GROUPS as usize - 20);
}
