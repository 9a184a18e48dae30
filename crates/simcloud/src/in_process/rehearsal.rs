//! What a rehearsal looks at, over the simulated world: as the wire shows it.

use async_trait::async_trait;
use azlin_fleet::model::{CallError, ForeignText, OrphanKind, ResourceGroup};
use azlin_fleet::ports::rehearsal::{AzureRehearsal, ShownList, ShownPart, ShownVm};

use super::InProcess;
use super::azure::{on, on_parts, tags};
use super::preflight::reads;
use crate::azure::{SimVm, key};
use crate::fault::Side;

/// The codes in the instance view of a VM.
fn codes(vm: &SimVm) -> Vec<ForeignText> {
    let power = vm.power.map(|power| format!("PowerState/{}", power.as_str()));
    let state = format!("ProvisioningState/{}", vm.state.as_str().to_ascii_lowercase());
    std::iter::once(state).chain(power).map(ForeignText::from).collect()
}

/// The pages of a list of this many VMs.
fn pages(count: usize, page: usize) -> Vec<usize> {
    let rest = count % page.max(1);
    let whole = std::iter::repeat_n(page, count / page.max(1));
    whole.chain((rest > 0 || count == 0).then_some(rest)).collect()
}

fn shown(vms: &[&SimVm], name: &str, page: usize, has_statuses: bool) -> ShownList {
    let found = vms.iter().find(|vm| vm.name.eq_ignore_ascii_case(name));
    let paths: &[&str] = if has_statuses {
        &["id", "name", "properties.instanceView.statuses"]
    } else {
        &["id", "name", "tags"]
    };
    ShownList {
        pages: pages(vms.len(), page),
        frame: found.map_or_else(Vec::new, |_| paths.iter().map(|path| (*path).into()).collect()),
        statuses: found.filter(|_| has_statuses).map(|vm| codes(vm)),
    }
}

#[async_trait]
impl AzureRehearsal for InProcess {
    async fn shown_vm(&self, group: &ResourceGroup, name: &str) -> Result<Option<ShownVm>, CallError> {
        self.call(on(group, "GET", Some(name)), |world, _| {
            let vm = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
            Ok(vm.map(|vm| ShownVm {
                knows_version: true,
                provisioning: Some(vm.state.as_str().into()),
                statuses: Some(codes(vm)),
                os_disk: Some(format!("{}_OsDisk_1_{:x}", vm.name, vm.uid).into()),
                security_type: None,
                extensions: Vec::new(),
                tags: tags(&vm.body["tags"]).unwrap_or_default(),
                zones: vm.zone().map(ForeignText::from).into_iter().collect(),
            }))
        })
        .await
    }

    async fn shown_parts(
        &self,
        group: &ResourceGroup,
        kind: OrphanKind,
    ) -> Result<Vec<ShownPart>, CallError> {
        self.call(on_parts(group, kind, "GET", None), |world, _| {
            let parts = world.state.azure.parts(&group.subscription_id, &group.name, kind);
            let shown = parts.iter().map(|part| ShownPart {
                kind,
                name: part.name().into(),
                tags: tags(&part.tags).unwrap_or_default(),
                zones: Vec::new(),
                is_held: part.vm.is_some(),
            });
            Ok(shown.collect())
        })
        .await
    }

    async fn shown_group(&self, group: &ResourceGroup, name: &str) -> Result<ShownList, CallError> {
        self.call(on(group, "GET", None), |world, _| {
            let vms = world.state.azure.of_group(&group.subscription_id, &group.name);
            Ok(shown(&vms, name, world.settings.vm_page, false))
        })
        .await
    }

    async fn shown_states(&self, group: &ResourceGroup, name: &str) -> Result<ShownList, CallError> {
        let path =
            format!("/subscriptions/{}/providers/Microsoft.Compute/virtualMachines", group.subscription_id);
        self.call(reads(Side::Azure, &path), |world, _| {
            let vms = world.state.azure.of_subscription(&group.subscription_id);
            Ok(shown(&vms, name, world.settings.vm_page, true))
        })
        .await
    }

    fn limit_headers(&self) -> Vec<ForeignText> {
        Vec::new()
    }
}
