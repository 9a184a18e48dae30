//! NICs, disks and addresses that no VM holds. The generated client has VMs only, so these are read as JSON.

use std::collections::BTreeMap;

use azlin_fleet::model::ResourceGroup;
use azlin_fleet::model::{ForeignText, Orphan, OrphanKind};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::answer::undocumented;
use crate::arm::{Arm, ArmCall};
use crate::error::ArmError;
use crate::group_lists::GroupLists;
use crate::page_links::{Pages, all_pages};
use crate::reach::NETWORK_API;

/// The version of the disk API.
const DISK_API: &str = "2024-03-02";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrphansJson {
    /// Of everybody in the group, so each one is read leniently.
    value: Vec<Value>,
    #[serde(default)]
    next_link: Option<String>,
}

/// The most resource groups of a subscription whose parts are listed one by one, in a sweep of all of them.
const MOST_GROUPS: usize = 3;

/// The parts of VMs that no VM holds, each kind by lists of its own.
#[derive(Clone)]
pub(crate) struct PartLists([GroupLists<Orphan>; 3]);

impl PartLists {
    pub(crate) fn new() -> Self {
        PartLists(OrphanKind::ALL.map(|_| GroupLists::new(MOST_GROUPS)))
    }

    /// The resources of one kind in a group that nothing holds and that have our mark.
    pub(crate) async fn list(
        &self,
        arm: &Arm,
        group: &ResourceGroup,
        kind: OrphanKind,
    ) -> Result<Vec<Orphan>, ArmError> {
        let PartLists([interfaces, addresses, disks]) = self;
        let lists = match kind {
            OrphanKind::NetworkInterface => interfaces,
            OrphanKind::PublicIp => addresses,
            OrphanKind::Disk => disks,
        };
        let of_subscription = pages(arm, &group.subscription_id, None, kind);
        let of_group = async {
            let pages = pages(arm, &group.subscription_id, Some(&group.name), kind).await?;
            Ok(pages.items.into_iter().map(|(_, part)| part).collect())
        };
        let parts = lists.of(group, of_group, of_subscription).await?;
        Ok(parts.into_iter().map(|part| Orphan { group: group.clone(), ..part }).collect())
    }
}

/// The parts of a group or of a whole subscription, each with the name of its group.
async fn pages(
    arm: &Arm,
    subscription_id: &str,
    group: Option<&str>,
    kind: OrphanKind,
) -> Result<Pages<(ForeignText, Orphan)>, ArmError> {
    let first = url(arm.root(), subscription_id, group, kind, None);
    all_pages(arm, first, |body| read(subscription_id, kind, body).map_err(|error| undocumented(&error)))
        .await
}

/// Resources, each with the name of its group, and the link to the next page.
type ReadPage = (Vec<(ForeignText, Orphan)>, Option<String>);

/// A page of a list: our resources that nothing holds, and the link to the next page.
pub(crate) fn read(subscription_id: &str, kind: OrphanKind, body: &[u8]) -> serde_json::Result<ReadPage> {
    let page: OrphansJson = serde_json::from_slice(body)?;
    let free = page.value.iter().filter(|part| is_free(kind, part));
    let ours = free.filter_map(|part| {
        // /subscriptions/S/resourceGroups/G/providers/P/T/N
        let name = part["id"].as_str()?.trim_start_matches('/').split('/').nth(3)?;
        let group = ResourceGroup { subscription_id: subscription_id.to_owned(), name: name.to_owned() };
        Some((name.into(), Orphan::of(&group, kind, part["name"].as_str()?, &tags(part))?))
    });
    Ok((ours.collect(), page.next_link))
}

/// Requests the deletion of a resource.
pub(crate) async fn delete(arm: &Arm, orphan: &Orphan) -> Result<(), ArmError> {
    let ResourceGroup { subscription_id, name } = &orphan.group;
    let url = url(arm.root(), subscription_id, Some(name), orphan.kind, Some(&orphan.name));
    arm.send(&ArmCall::new(Method::DELETE, url)).await.map(drop)
}

/// Whether something holds a resource, as Azure shows it.
pub(crate) fn is_held(kind: OrphanKind, part: &Value) -> bool {
    part["properties"].is_object() && !is_free(kind, part)
}

/// The tags that are texts.
fn tags(part: &Value) -> BTreeMap<String, String> {
    let tags = part["tags"].as_object().into_iter().flatten();
    tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Whether the resource shows that nothing holds it.
fn is_free(kind: OrphanKind, part: &Value) -> bool {
    let Some(properties) = part["properties"].as_object() else { return false };
    let is_held_by = |what: &str| properties.get(what).is_some_and(|holder| !holder.is_null());
    match kind {
        OrphanKind::NetworkInterface => {
            !["virtualMachine", "privateEndpoint", "privateLinkService"].into_iter().any(is_held_by)
        }
        OrphanKind::PublicIp => !["ipConfiguration", "natGateway"].into_iter().any(is_held_by),
        OrphanKind::Disk => {
            part["managedBy"].is_null()
                && properties.get("diskState").is_some_and(|state| state == "Unattached")
        }
    }
}

pub(crate) fn url(
    root: &Url,
    subscription_id: &str,
    group: Option<&str>,
    kind: OrphanKind,
    name: Option<&str>,
) -> Url {
    let (provider, resource, version) = match kind {
        OrphanKind::NetworkInterface => ("Microsoft.Network", "networkInterfaces", NETWORK_API),
        OrphanKind::PublicIp => ("Microsoft.Network", "publicIPAddresses", NETWORK_API),
        OrphanKind::Disk => ("Microsoft.Compute", "disks", DISK_API),
    };
    let mut url = root.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().extend(["subscriptions", subscription_id]);
        segments.extend(group.into_iter().flat_map(|group| ["resourceGroups", group]));
        segments.extend(["providers", provider, resource]).extend(name);
    }
    url.query_pairs_mut().append_pair("api-version", version);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Resources in the forms in which Azure lists them.
    #[test]
    fn what_is_free() {
        use OrphanKind::{Disk, NetworkInterface, PublicIp};
        let disk = |state: &str| json!({"sku": {"name": "Premium_LRS"}, "properties": {"diskState": state}});
        for (kind, part, expected) in [
            (NetworkInterface, json!({"properties": {}}), true),
            (NetworkInterface, json!({"tags": null, "properties": {"provisioningState": "Failed"}}), true),
            (NetworkInterface, json!({"properties": {"virtualMachine": null, "nicType": "Standard"}}), true),
            (
                NetworkInterface,
                json!({"etag": "W/\"1\"", "properties": {"virtualMachine": {"id": "/X"}}}),
                false,
            ),
            (NetworkInterface, json!({"properties": {"privateEndpoint": {"id": "/x"}}}), false),
            (NetworkInterface, json!({}), false),
            (NetworkInterface, json!(null), false),
            (PublicIp, json!({"sku": {"tier": "Regional"}, "properties": {"ipAddress": "192.0.2.1"}}), true),
            (PublicIp, json!({"properties": {"ipConfiguration": {"id": "/x"}}}), false),
            (PublicIp, json!({"properties": {"natGateway": {"id": "/x"}}}), false),
            (Disk, disk("Unattached"), true),
            (Disk, disk("Attached"), false),
            (Disk, disk("Reserved"), false),
            (Disk, disk("ActiveSAS"), false),
            (Disk, disk("ActiveUpload"), false),
            (Disk, disk("ReadyToUpload"), false),
            (Disk, disk("Frozen"), false),
            (Disk, json!({"managedBy": "/x", "properties": {"diskState": "Unattached"}}), false),
            (Disk, json!({"properties": {}}), false),
        ] {
            assert_eq!(is_free(kind, &part), expected, "{kind}: {part}");
        }
    }

    #[test]
    fn odd_resources_of_others_are_skipped() {
        let odd = json!({"value": [
            null, 7, {"name": null}, {"name": 5, "properties": {}}, {"name": "n", "tags": {"n": 1}, "properties": {}},
            {"id": 7, "name": "n", "properties": {}}, {"id": "/subscriptions/s", "name": "n", "properties": {}},
        ], "nextLink": null});
        for kind in OrphanKind::ALL {
            let (found, next) = read("s", kind, odd.to_string().as_bytes()).expect("a list");
            assert_eq!((found.len(), next), (0, None), "{kind}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        let root = Url::parse("https://management.azure.com").expect("valid");
        let url = url(&root, "s", Some("g"), OrphanKind::Disk, Some("a/../b c"));
        assert_eq!(
            url.as_str(),
            "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/\
             a%2F..%2Fb%20c?api-version=2024-03-02"
        );
    }
}
