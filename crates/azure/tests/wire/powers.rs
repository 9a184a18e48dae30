//! Power states in a subscription that has thousands of VMs of others.

use std::time::{Duration, Instant};

use azlin_fleet::model::{PowerState, ProvisioningState, Vm};
use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, Request, json};
use serde_json::{Value, json};

use crate::{SUBSCRIPTION, arm_requests, azure, group, name, spec, vm};

/// 5,000 VMs of others in pages of fifty, each of which takes a while. Ours is on the last page.
fn states(request: &Request) -> Reply {
    let page: u32 = request.query("$skiptoken").map_or(0, |page| page.parse().expect("a page"));
    let mut vms: Vec<Value> = (page * 50..(page + 1) * 50)
        .map(|number| vm(&format!("build-{number}"), &Value::Null, "Succeeded"))
        .chain((page == 99).then(|| vm(name(7).as_str(), &Value::Null, "Succeeded")))
        .collect();
    for vm in &mut vms {
        vm["properties"]["instanceView"] = json!({"statuses": [{"code": "PowerState/running"}]});
    }
    let host = request.header("host").expect("a host");
    let link = format!("http://{host}{}?statusOnly=true&%24skiptoken={}", request.path(), page + 1);
    let answer = json(200, json!({"value": vms, "nextLink": (page < 99).then_some(link)}));
    Reply::Late(Duration::from_millis(40), Box::new(answer))
}

#[tokio::test]
async fn nobody_waits_for_the_vms_of_others() {
    let (server, azure) = azure(|request, _| {
        let is_of_group = request.path().contains("/resourceGroups/");
        if is_of_group {
            json(200, json!({"value": [vm(name(7).as_str(), &json!(spec().tags), "Succeeded")]}))
        } else {
            states(request)
        }
    })
    .await;
    let ours = azure.vms(&group()).await.expect("a list").remove(0);
    assert_eq!(ours.provisioning, ProvisioningState::Succeeded);
    let (began, mut found) = (Instant::now(), Vec::new());
    while found.last() != Some(&PowerState::Running) {
        let (asked, vm): (Instant, &Vm) = (Instant::now(), &ours);
        found.push(azure.power_states(SUBSCRIPTION).await.expect("what is known").of(vm));
        assert!(asked.elapsed() < Duration::from_millis(3_500), "a call took {:?}", asked.elapsed());
        assert!(began.elapsed() < Duration::from_secs(60), "{found:?}");
    }
    assert_eq!(found[0], PowerState::Unknown, "four seconds are more than a call waits");
    let lists = arm_requests(&server).iter().filter(|request| request.query("$skiptoken").is_none()).count();
    assert!(lists <= 3, "one of the group, and one of the states at a time: {lists}");
}
