//! NICs, disks and addresses that no VM holds. The generated client has VMs only, so these are read as JSON.

use std::collections::BTreeMap;

use azlin_fleet::model::ResourceGroup;
use azlin_fleet::model::{Orphan, OrphanKind};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::answer::undocumented;
use crate::arm::{Arm, ArmCall};
use crate::error::ArmError;
use crate::page_links::all_pages;
use crate::reach::NETWORK_API;

/// The version of the disk API.
const DISK_API: &str = "2024-03-02";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrphansJson {
    value: Vec<OrphanJson>,
    #[serde(default)]
    next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrphanJson {
    name: String,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    managed_by: Option<String>,
    #[serde(default)]
    properties: Value,
}

/// The resources of one kind that nothing holds and that have our mark.
pub(crate) async fn list(
    arm: &Arm,
    group: &ResourceGroup,
    kind: OrphanKind,
) -> Result<Vec<Orphan>, ArmError> {
    let first = url(arm.root(), group, kind, None);
    let pages = all_pages(arm, first, |body| read(group, kind, body).map_err(|error| undocumented(&error)));
    Ok(pages.await?.items)
}

/// A page of the list: our resources that nothing holds, and the link to the next page.
pub(crate) fn read(
    group: &ResourceGroup,
    kind: OrphanKind,
    body: &[u8],
) -> serde_json::Result<(Vec<Orphan>, Option<String>)> {
    let page: OrphansJson = serde_json::from_slice(body)?;
    let free = page.value.into_iter().filter(|part| is_free(kind, part));
    let ours = free.filter_map(|part| Orphan::of(group, kind, &part.name, &part.tags?));
    Ok((ours.collect(), page.next_link))
}

/// Requests the deletion of a resource.
pub(crate) async fn delete(arm: &Arm, orphan: &Orphan) -> Result<(), ArmError> {
    let url = url(arm.root(), &orphan.group, orphan.kind, Some(&orphan.name));
    arm.send(&ArmCall::new(Method::DELETE, url)).await.map(drop)
}

/// Whether nothing holds the resource.
fn is_free(kind: OrphanKind, part: &OrphanJson) -> bool {
    let is_held_by = |what: &str| !part.properties[what].is_null();
    match kind {
        OrphanKind::NetworkInterface => {
            !["virtualMachine", "privateEndpoint", "privateLinkService"].into_iter().any(is_held_by)
        }
        OrphanKind::PublicIp => !["ipConfiguration", "natGateway"].into_iter().any(is_held_by),
        OrphanKind::Disk => part.managed_by.is_none() && part.properties["diskState"] == "Unattached",
    }
}

fn url(root: &Url, group: &ResourceGroup, kind: OrphanKind, name: Option<&str>) -> Url {
    let (provider, resource, version) = match kind {
        OrphanKind::NetworkInterface => ("Microsoft.Network", "networkInterfaces", NETWORK_API),
        OrphanKind::PublicIp => ("Microsoft.Network", "publicIPAddresses", NETWORK_API),
        OrphanKind::Disk => ("Microsoft.Compute", "disks", DISK_API),
    };
    let ResourceGroup { subscription_id, name: group } = group;
    let mut url = root.clone();
    let path = ["subscriptions", subscription_id, "resourceGroups", group, "providers", provider, resource];
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().extend(path).extend(name);
    }
    url.query_pairs_mut().append_pair("api-version", version);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free() {
        for (kind, text, expected) in [
            (OrphanKind::NetworkInterface, r#"{"name": "n", "properties": {}}"#, true),
            (
                OrphanKind::NetworkInterface,
                r#"{"name": "n", "properties": {"virtualMachine": {"id": "/x"}}}"#,
                false,
            ),
            (
                OrphanKind::NetworkInterface,
                r#"{"name": "n", "properties": {"privateEndpoint": {"id": "/x"}}}"#,
                false,
            ),
            (OrphanKind::PublicIp, r#"{"name": "n", "properties": {"ipAddress": "192.0.2.1"}}"#, true),
            (
                OrphanKind::PublicIp,
                r#"{"name": "n", "properties": {"ipConfiguration": {"id": "/x"}}}"#,
                false,
            ),
            (OrphanKind::Disk, r#"{"name": "n", "properties": {"diskState": "Unattached"}}"#, true),
            (
                OrphanKind::Disk,
                r#"{"name": "n", "managedBy": "/x", "properties": {"diskState": "Attached"}}"#,
                false,
            ),
            (OrphanKind::Disk, r#"{"name": "n", "properties": {"diskState": "ReadyToUpload"}}"#, false),
        ] {
            let part: OrphanJson = serde_json::from_str(text).expect("a part");
            assert_eq!(is_free(kind, &part), expected, "{text}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        let group = ResourceGroup { subscription_id: "s".to_owned(), name: "g".to_owned() };
        let root = Url::parse("https://management.azure.com").expect("valid");
        let url = url(&root, &group, OrphanKind::Disk, Some("a/../b c"));
        assert_eq!(
            url.as_str(),
            "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/\
             a%2F..%2Fb%20c?api-version=2024-03-02"
        );
    }
}
