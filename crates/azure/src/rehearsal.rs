//! What a rehearsal looks at: the JSON of a VM, its parts and the lists that show it, as Azure sends it. Nothing is changed.

use async_trait::async_trait;
use azlin_fleet::model::{CallError, CallErrorKind, ForeignText, OrphanKind, ResourceGroup};
use azlin_fleet::ports::rehearsal::{AzureRehearsal, ShownList, ShownPart, ShownVm};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::arm::ArmCall;
use crate::client::{AzureClient, check_group, check_name};
use crate::error::{ArmEffect, ArmError, How, call_error};
use crate::model::CreateApi;
use crate::orphans;

/// The version whose lists the daemon reads.
const LIST_API: &str = "2024-07-01";
/// The most pages of a list that are read.
const MOST_PAGES: usize = 20;

impl AzureClient {
    /// The answer to a read; `None` where there is no such resource.
    async fn shown(&self, what: &str, url: Url) -> Result<Option<Value>, CallError> {
        let answer = match self.arm.send(&ArmCall::new(Method::GET, url)).await {
            Ok(answer) => answer,
            Err(ArmError { how: How::Refused(refusal), .. }) if refusal.is_absence() => return Ok(None),
            Err(error) => return Err(call_error(what, ArmEffect::Reads, self.credential(), &error)),
        };
        let json = serde_json::from_slice(&answer.body);
        json.map(Some).map_err(|error| {
            let why = format!("the answer is not what Azure documents: {error}");
            CallError::new(CallErrorKind::Unavailable, why).during(what)
        })
    }

    /// The URL of a path with a version.
    fn path(&self, segments: &[&str], version: &str) -> Url {
        let mut url = self.arm.root().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        url.query_pairs_mut().append_pair("api-version", version);
        url
    }

    /// The items of a list, page by page, until one is found and for two pages more.
    async fn shown_pages(
        &self,
        what: &str,
        first: Url,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<ShownList, CallError> {
        let (mut shown, mut next, mut more) = (ShownList::default(), Some(first), MOST_PAGES);
        while let Some(url) = next.filter(|_| more > 0) {
            let Some(page) = self.shown(what, url).await? else { break };
            let items = page["value"].as_array().map_or(&[][..], Vec::as_slice);
            shown.pages.push(items.len());
            more -= 1;
            if let Some(item) = items.iter().find(|item| is_it(item)) {
                shown.frame = frame(item);
                shown.statuses = codes(item);
                more = more.min(2);
            }
            next =
                page["nextLink"].as_str().filter(|link| !link.is_empty()).and_then(|link| link.parse().ok());
        }
        Ok(shown)
    }
}

#[async_trait]
impl AzureRehearsal for AzureClient {
    async fn shown_vm(&self, group: &ResourceGroup, name: &str) -> Result<Option<ShownVm>, CallError> {
        let what = format!("look at VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let ResourceGroup { subscription_id, name: group } = group;
        let provider = ["providers", "Microsoft.Compute", "virtualMachines", name];
        let path = ["subscriptions", subscription_id, "resourceGroups", group];
        let path: Vec<&str> = path.into_iter().chain(provider).collect();
        let at = |version| {
            let mut url = self.path(&path, version);
            url.query_pairs_mut().append_pair("$expand", "instanceView");
            url
        };
        let (knows_version, found) = match self.shown(&what, at(CreateApi::Newest.as_str())).await {
            Ok(found) => (true, found),
            Err(error) if error.kind == CallErrorKind::Invalid => {
                (false, self.shown(&what, at(LIST_API)).await?)
            }
            Err(error) => return Err(error),
        };
        Ok(found.map(|vm| ShownVm { knows_version, ..read_vm(&vm) }))
    }

    async fn shown_parts(
        &self,
        group: &ResourceGroup,
        kind: OrphanKind,
    ) -> Result<Vec<ShownPart>, CallError> {
        let what = format!("list each {kind} in {group}");
        check_group(&what, group)?;
        let ResourceGroup { subscription_id, name } = group;
        let first = orphans::url(self.arm.root(), subscription_id, Some(name), kind, None);
        let (mut parts, mut next) = (Vec::new(), Some(first));
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let Some(page) = self.shown(&what, url).await? else { break };
            let items = page["value"].as_array().map_or(&[][..], Vec::as_slice);
            parts.extend(items.iter().filter_map(|item| read_part(kind, item)));
            next =
                page["nextLink"].as_str().filter(|link| !link.is_empty()).and_then(|link| link.parse().ok());
        }
        Ok(parts)
    }

    async fn shown_group(&self, group: &ResourceGroup, name: &str) -> Result<ShownList, CallError> {
        let what = format!("list VMs of {group}");
        check_group(&what, group)?;
        let ResourceGroup { subscription_id, name: resource_group } = group;
        let path = ["subscriptions", subscription_id, "resourceGroups", resource_group];
        let path: Vec<&str> =
            path.into_iter().chain(["providers", "Microsoft.Compute", "virtualMachines"]).collect();
        self.shown_pages(&what, self.path(&path, LIST_API), |item| is_vm(item, name)).await
    }

    async fn shown_states(&self, group: &ResourceGroup, name: &str) -> Result<ShownList, CallError> {
        let what = format!("list power states of {}", group.subscription_id);
        check_group(&what, group)?;
        let path =
            ["subscriptions", &group.subscription_id, "providers", "Microsoft.Compute", "virtualMachines"];
        let mut url = self.path(&path, LIST_API);
        url.query_pairs_mut().append_pair("statusOnly", "true");
        self.shown_pages(&what, url, |item| is_vm(item, name)).await
    }

    fn limit_headers(&self) -> Vec<ForeignText> {
        self.arm.budgets.headers()
    }
}

/// Whether an item is the VM of that name. A list of statuses may have the name in the id alone.
fn is_vm(item: &Value, name: &str) -> bool {
    let own = item["name"].as_str().or_else(|| item["id"].as_str()?.rsplit('/').next());
    own.is_some_and(|own| own.eq_ignore_ascii_case(name))
}

fn read_vm(vm: &Value) -> ShownVm {
    let text = |value: &Value| value.as_str().map(ForeignText::from);
    let properties = &vm["properties"];
    let name_of = |extension: &Value| {
        let id = || extension["id"].as_str()?.rsplit('/').next();
        extension["name"].as_str().or_else(id).map(ForeignText::from)
    };
    ShownVm {
        knows_version: true,
        provisioning: text(&properties["provisioningState"]),
        statuses: codes(vm),
        os_disk: text(&properties["storageProfile"]["osDisk"]["name"]),
        security_type: text(&properties["securityProfile"]["securityType"]),
        extensions: vm["resources"].as_array().into_iter().flatten().filter_map(name_of).collect(),
        tags: tags(vm),
        zones: zones(vm),
    }
}

fn read_part(kind: OrphanKind, part: &Value) -> Option<ShownPart> {
    Some(ShownPart {
        kind,
        name: part["name"].as_str()?.into(),
        tags: tags(part),
        zones: zones(part),
        is_held: orphans::is_held(kind, part),
    })
}

fn tags(resource: &Value) -> std::collections::BTreeMap<String, String> {
    let tags = resource["tags"].as_object().into_iter().flatten();
    tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn zones(resource: &Value) -> Vec<ForeignText> {
    let zones = resource["zones"].as_array().into_iter().flatten();
    zones.filter_map(|zone| zone.as_str().map(ForeignText::from)).collect()
}

/// The codes of the statuses in the instance view.
fn codes(vm: &Value) -> Option<Vec<ForeignText>> {
    let statuses = vm["properties"]["instanceView"]["statuses"].as_array()?;
    Some(statuses.iter().filter_map(|status| status["code"].as_str().map(ForeignText::from)).collect())
}

/// The paths of an item's values. What stands below tags and identities is named by people, and left out.
fn frame(item: &Value) -> Vec<ForeignText> {
    fn walk(value: &Value, path: &str, paths: &mut Vec<String>) {
        let is_named_by_people = path.ends_with("tags") || path.ends_with("userAssignedIdentities");
        match value.as_object().filter(|_| !is_named_by_people) {
            Some(fields) => {
                for (name, value) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(value, &path, paths);
                }
            }
            None => paths.push(path.to_owned()),
        }
    }
    let mut paths = Vec::new();
    walk(item, "", &mut paths);
    paths.into_iter().map(ForeignText::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vm_is_read_as_azure_shows_it() {
        let vm = json!({
            "name": "vm-1", "zones": ["2"], "tags": {"a": "b", "c": 1}, "resources": [
                {"id": "/subscriptions/s/x/extensions/Monitor"}, {"name": "Guard"},
            ],
            "properties": {
                "provisioningState": "Succeeded", "securityProfile": {"securityType": "TrustedLaunch"},
                "storageProfile": {"osDisk": {"name": "vm-1_OsDisk_1_0a"}},
                "instanceView": {"statuses": [{"code": "PowerState/running"}, {"level": "Info"}]},
            },
        });
        let shown = read_vm(&vm);
        assert_eq!(shown.statuses, Some(vec!["PowerState/running".into()]));
        assert_eq!(
            (shown.extensions, shown.zones),
            (vec!["Monitor".into(), "Guard".into()], vec!["2".into()])
        );
        assert_eq!((shown.os_disk.as_deref(), shown.tags.len()), (Some("vm-1_OsDisk_1_0a"), 1));
        assert_eq!(read_vm(&json!({"name": "x"})), ShownVm { knows_version: true, ..ShownVm::default() });
    }

    #[test]
    fn a_frame_has_paths_and_nothing_that_people_named() {
        let item = json!({
            "id": "/x", "tags": {"secret-project": "y"},
            "identity": {"userAssignedIdentities": {"/subscriptions/s/secret": {}}},
            "properties": {"instanceView": {"statuses": []}, "vmId": null},
        });
        assert_eq!(
            frame(&item),
            [
                "id",
                "identity.userAssignedIdentities",
                "properties.instanceView.statuses",
                "properties.vmId",
                "tags"
            ]
        );
    }

    #[test]
    fn a_vm_is_found_by_its_name_or_by_its_id() {
        assert!(is_vm(&json!({"name": "VM-1"}), "vm-1"));
        assert!(is_vm(&json!({"id": "/a/virtualMachines/VM-1"}), "vm-1"));
        assert!(!is_vm(&json!({"id": "/a/virtualMachines/vm-10"}), "vm-1"));
    }
}
