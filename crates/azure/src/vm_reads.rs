//! The GETs of VMs: one, those of a resource group, those of a subscription.

use azlin_fleet::model::{ForeignText, ResourceGroup};
use reqwest::Method;
use url::Url;

use crate::answer::undocumented;
use crate::arm::{Arm, ArmCall};
use crate::error::ArmError;
use crate::page_links::{Pages, all_pages};
use crate::vm_json::{self, VmJson};

/// The version of the API that reads VMs.
const READ_API: &str = "2024-07-01";

/// The VMs of a group, all pages.
pub(crate) async fn of_group(arm: &Arm, group: &ResourceGroup) -> Result<Vec<VmJson>, ArmError> {
    let ResourceGroup { subscription_id, name } = group;
    let url = url(arm, subscription_id, &["resourceGroups", name], None, &[]);
    all_pages(arm, url, vm_json::page).await.map(|pages| pages.items)
}

/// The VMs of a subscription, all pages, each with its group.
pub(crate) async fn of_subscription(
    arm: &Arm,
    subscription_id: &str,
) -> Result<Pages<(ForeignText, VmJson)>, ArmError> {
    let read = |body: &[u8]| {
        let (vms, next) = vm_json::page(body)?;
        match vms.iter().find(|vm| vm.group.is_empty() && vm.is_marked()) {
            None => Ok((vms.into_iter().map(|vm| (vm.group.clone(), vm)).collect(), next)),
            Some(VmJson { name, .. }) => {
                Err(undocumented(&format!("VM {name} has our tags and no resource group")))
            }
        }
    };
    all_pages(arm, url(arm, subscription_id, &[], None, &[]), read).await
}

/// The VMs of a subscription with their power states, all pages. Azure leaves most other fields out.
pub(crate) async fn statuses(arm: &Arm, subscription_id: &str) -> Result<Vec<VmJson>, ArmError> {
    let url = url(arm, subscription_id, &[], None, &[("statusOnly", "true")]);
    all_pages(arm, url, vm_json::page).await.map(|pages| pages.items)
}

/// One VM.
pub(crate) async fn one(arm: &Arm, group: &ResourceGroup, name: &str) -> Result<VmJson, ArmError> {
    get(arm, group, name, &[]).await
}

/// One VM with its instance view.
pub(crate) async fn with_view(arm: &Arm, group: &ResourceGroup, name: &str) -> Result<VmJson, ArmError> {
    get(arm, group, name, &[("$expand", "instanceView")]).await
}

async fn get(
    arm: &Arm,
    group: &ResourceGroup,
    name: &str,
    options: &[(&str, &str)],
) -> Result<VmJson, ArmError> {
    let url = url(arm, &group.subscription_id, &["resourceGroups", &group.name], Some(name), options);
    vm_json::one(&arm.send(&ArmCall::new(Method::GET, url)).await?.body)
}

fn url(
    arm: &Arm,
    subscription_id: &str,
    group: &[&str],
    name: Option<&str>,
    options: &[(&str, &str)],
) -> Url {
    let mut url = arm.root().clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(["subscriptions", subscription_id]).extend(group);
        path.extend(["providers", "Microsoft.Compute", "virtualMachines"]).extend(name);
    }
    url.query_pairs_mut().append_pair("api-version", READ_API).extend_pairs(options);
    url
}
