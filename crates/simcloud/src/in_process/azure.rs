//! Azure's port over the simulated world.

use std::collections::BTreeMap;

use async_trait::async_trait;
use azlin_fleet::bootstrap::steps::REGISTERED;
use azlin_fleet::model::{
    CallError, CallErrorKind, Calls, FailedVm, ForeignText, Orphan, OrphanKind, PowerState, PowerStates,
    ProvisioningState, Remaining, ResourceGroup, RunnerName, TagsLeft, UntaggedVm, Vm, VmSpec, VmTags,
};
use azlin_fleet::ports::{Address, Azure};
use azlin_fleet::seeded_bug;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::meaning::{meaning, refused};
use super::{CallEffect, InProcess, SimCall};
use crate::azure::{AzureRefusal, SET_BY_POLICY, SimPower, SimResource, SimVm, SimVmState, key};
use crate::fault::{CodedRefusal, Side};
use crate::http::failure_message;
use crate::operations::PowerOrder;
use crate::world::World;

/// A call on a group's VMs, or on one of them.
pub(super) fn on(group: &ResourceGroup, method: &'static str, vm: Option<&str>) -> SimCall {
    let vms = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines",
        group.subscription_id, group.name
    );
    let (path, route) = match vm {
        Some(name) => (format!("{vms}/{name}"), "/virtualMachines/{name}"),
        None => (vms, "/resourceGroups/{name}/virtualMachines"),
    };
    let effect = if method == "GET" { CallEffect::Reads } else { CallEffect::Changes };
    SimCall { side: Side::Azure, method, path, route: route.to_owned(), effect, requests: 1, vm: Value::Null }
}

/// A call on a group's NICs, addresses or disks, or on one of them.
pub(super) fn on_parts(
    group: &ResourceGroup,
    kind: OrphanKind,
    method: &'static str,
    name: Option<&str>,
) -> SimCall {
    let kind = match kind {
        OrphanKind::NetworkInterface => "Microsoft.Network/networkInterfaces",
        OrphanKind::PublicIp => "Microsoft.Network/publicIPAddresses",
        OrphanKind::Disk => "Microsoft.Compute/disks",
    };
    let all =
        format!("/subscriptions/{}/resourceGroups/{}/providers/{kind}", group.subscription_id, group.name);
    let (path, route) = match name {
        Some(name) => (format!("{all}/{name}"), format!("{kind}/{{name}}")),
        None => (all, kind.to_owned()),
    };
    let effect = if method == "GET" { CallEffect::Reads } else { CallEffect::Changes };
    SimCall { side: Side::Azure, method, path, route, effect, requests: 1, vm: Value::Null }
}

pub(super) fn tags(tags: &Value) -> Option<BTreeMap<String, String>> {
    let text = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
    Some(tags.as_object()?.iter().map(text).collect())
}

fn orphan(part: &SimResource, group: &ResourceGroup) -> Option<Orphan> {
    Orphan::of(group, part.kind, part.name(), &tags(&part.tags).unwrap_or_default())
}

fn untagged(vm: &SimVm, group: &ResourceGroup) -> Option<UntaggedVm> {
    let tags = tags(&vm.body["tags"]).unwrap_or_default();
    let is_ours = RunnerName::has_form(&vm.name) && VmTags::of(&vm.name, &tags).is_none();
    let left = TagsLeft { lost: VmTags::lost(&tags), host_key: VmTags::host_key_in(&tags) };
    is_ours.then(|| listed(vm, group, left))
}

fn provisioning(vm: &SimVm) -> ProvisioningState {
    match vm.state {
        SimVmState::Creating => ProvisioningState::Creating,
        SimVmState::Succeeded => ProvisioningState::Succeeded,
        SimVmState::Failed => ProvisioningState::Failed,
        SimVmState::Deleting => ProvisioningState::Deleting,
        SimVmState::Updating => ProvisioningState::Other,
    }
}

fn vm(vm: &SimVm, group: &ResourceGroup) -> Option<Vm> {
    Some(listed(vm, group, VmTags::of(&vm.name, &tags(&vm.body["tags"])?)?))
}

/// A VM as a list shows it.
fn listed<T>(vm: &SimVm, group: &ResourceGroup, tags: T) -> Vm<T> {
    Vm {
        name: vm.name.clone().into(),
        group: group.clone(),
        size: vm.size().into(),
        location: vm.location().into(),
        zone: vm.zone().map(ForeignText::from),
        spot: vm.is_spot(),
        failure: None,
        provisioning: provisioning(vm),
        power: PowerState::Unknown,
        tags,
    }
}

fn power(vm: &SimVm) -> PowerState {
    match vm.power {
        None => PowerState::Unknown,
        Some(SimPower::Starting) => PowerState::Starting,
        Some(SimPower::Running) => PowerState::Running,
        Some(SimPower::Stopping) => PowerState::Stopping,
        Some(SimPower::Stopped) => PowerState::Stopped,
        Some(SimPower::Deallocating) => PowerState::Deallocating,
        Some(SimPower::Deallocated) => PowerState::Deallocated,
    }
}

/// The request's body, as far as the world reads it.
fn body(spec: &VmSpec) -> Value {
    let mut body = json!({
        "location": spec.location, "tags": spec.tags,
        "properties": {
            "hardwareProfile": {"vmSize": spec.size},
            "osProfile": {"adminUsername": spec.admin_user, "linuxConfiguration": {"ssh": {"publicKeys": [
                {"keyData": spec.admin_key},
            ]}}, "customData": STANDARD.encode(spec.custom_data.expose_secret())},
            "storageProfile": {"osDisk": {"deleteOption": "Delete"}},
            "networkProfile": {"networkInterfaceConfigurations": [{"tags": spec.tags, "properties": {
                "deleteOption": "Delete",
                "ipConfigurations": [{"properties": {"subnet": {"id": spec.subnet_id}}}],
            }}]},
        },
    });
    if let Some(zone) = &spec.zone {
        body["zones"] = json!([zone]);
    }
    if spec.spot.is_some() {
        body["properties"]["priority"] = json!("Spot");
        body["properties"]["evictionPolicy"] = json!("Delete");
        let most = spec.spot.and_then(|spot| spot.max_price).unwrap_or(-1.0);
        body["properties"]["billingProfile"] = json!({"maxPrice": most});
    }
    body
}

/// Whether the VM of this name is the requested one.
fn is_the_same(world: &World, group: &ResourceGroup, name: &str, body: &Value) -> bool {
    let there = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
    let data = |body: &Value| body["properties"]["osProfile"]["customData"].clone();
    // A policy may have taken tags away, or set them.
    let is_kept = |vm: &SimVm, (name, asked): (&String, &Value)| {
        let found = &vm.body["tags"][name];
        found == asked || found.is_null() || *found == SET_BY_POLICY
    };
    there.is_some_and(|vm| {
        let mut asked = body["tags"].as_object().into_iter().flatten();
        data(&vm.body) == data(body) && asked.all(|tag| is_kept(vm, tag))
    })
}

impl AzureRefusal {
    fn coded(self) -> CodedRefusal {
        CodedRefusal { status: self.status, code: self.code.to_owned(), message: self.message }
    }
}

/// What Azure refuses whatever is asked. The adapter drops a token that is refused and tries once more, so only a second
/// refusal in a row is seen.
pub(super) fn refusal(world: &mut World, call: &SimCall) -> Option<CallError> {
    let reported = |error: CallError| error.during(format_args!("{} {}", call.method, call.path));
    if world.revoke_tokens() && world.revoke_tokens() {
        return Some(reported(CallError::new(CallErrorKind::NotPermitted, "401 InvalidAuthenticationToken")));
    }
    if let Some(throttled) = world.count_azure(call.method, &call.path).throttled {
        let why = format!("429: {} is used up", throttled.name);
        return Some(reported(CallError::new(CallErrorKind::Throttled, why).after(Some(throttled.wait))));
    }
    let refusal = world.azure_refuses(call.method, &call.path)?;
    Some(reported(refused(&refusal.coded(), call.lost())))
}

impl InProcess {
    async fn power(&self, group: &ResourceGroup, name: &str, order: PowerOrder) -> Result<(), CallError> {
        let (of, vm) = (group.clone(), name.to_owned());
        let asked = on(group, "POST", Some(name));
        let call = SimCall { path: format!("{}/{}", asked.path, order.as_str()), ..asked };
        self.change(call, move |world| match world.order_power((&of.subscription_id, &of.name, &vm), order) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(CallError::new(CallErrorKind::NotFound, "there is no such VM")),
            Err(refusal) => Err(refused(&refusal.coded(), CallErrorKind::OutcomeUnknown)),
        })
        .await
    }
}

#[async_trait]
impl Azure for InProcess {
    async fn vms(&self, group: &ResourceGroup) -> Result<Vec<Vm>, CallError> {
        self.call(on(group, "GET", None), |world, stale| {
            let state = &world.seen(stale).azure;
            let vms = state.of_group(&group.subscription_id, &group.name);
            let read = seeded_bug!(FirstPage, vms.len(), 4);
            Ok(vms.into_iter().take(read).filter_map(|each| vm(each, group)).collect())
        })
        .await
    }

    fn untagged(&self, group: &ResourceGroup) -> Vec<UntaggedVm> {
        let world = self.world();
        let vms = world.state.azure.of_group(&group.subscription_id, &group.name).into_iter();
        vms.filter_map(|each| untagged(each, group)).collect()
    }

    async fn power_states(&self, subscription_id: &str) -> Result<PowerStates, CallError> {
        let call = SimCall {
            side: Side::Azure,
            method: "GET",
            path: format!("/subscriptions/{subscription_id}/providers/Microsoft.Compute/virtualMachines"),
            route: "/subscriptions/{id}/virtualMachines".to_owned(),
            effect: CallEffect::Reads,
            requests: 1,
            vm: Value::Null,
        };
        self.call(call, |world, stale| {
            let mut states = PowerStates::default();
            for vm in world.seen(stale).azure.of_subscription(subscription_id) {
                if vm.power.is_some() {
                    states.insert(&vm.group, &vm.name, power(vm));
                }
            }
            Ok(states)
        })
        .await
    }

    async fn create(&self, spec: &VmSpec) -> Result<(), CallError> {
        let (group, name, body) = (spec.group.clone(), spec.name.to_string(), body(spec));
        let call = SimCall { vm: body.clone(), ..on(&group, "PUT", Some(&name)) };
        self.change(call, move |world| {
            match world.put_vm(&group.subscription_id, &group.name, &name, body.clone(), true) {
                Ok(_) => Ok(()),
                Err(refusal)
                    if refusal.code == "PreconditionFailed" && is_the_same(world, &group, &name, &body) =>
                {
                    Ok(())
                }
                Err(refusal) => Err(refused(&refusal.coded(), CallErrorKind::OutcomeUnknown)),
            }
        })
        .await
    }

    async fn address(&self, group: &ResourceGroup, name: &str, _public: bool) -> Result<Address, CallError> {
        self.call(on(group, "GET", Some(name)), |world, _| {
            let vm = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
            let Some(vm) = vm else {
                return Err(CallError::new(CallErrorKind::NotFound, "there is no such VM"));
            };
            Ok(match vm.state {
                SimVmState::Creating => Address::Pending,
                SimVmState::Failed if !vm.is_running() => {
                    Address::Never("Azure could not make its VM".to_owned())
                }
                SimVmState::Succeeded | SimVmState::Updating | SimVmState::Failed => {
                    vm.address(false).map_or(Address::Pending, |address| Address::At(address.into()))
                }
                SimVmState::Deleting => Address::Never("Azure could not make its VM".to_owned()),
            })
        })
        .await
    }

    async fn failure(&self, group: &ResourceGroup, name: &str) -> Result<FailedVm, CallError> {
        self.call(on(group, "GET", Some(name)), |world, _| {
            let vm = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
            let Some(vm) = vm else {
                return Err(CallError::new(CallErrorKind::NotFound, "there is no such VM"));
            };
            let code = vm.failure.clone().unwrap_or_default();
            let message = failure_message(&code, vm.size());
            let kind = meaning(200, &code, &message, CallErrorKind::Unavailable);
            let failure = (!code.is_empty()).then(|| CallError::new(kind, format!("{code} \"{message}\"")));
            Ok(FailedVm { power: power(vm), failure, code: code.into() })
        })
        .await
    }

    async fn console(&self, group: &ResourceGroup, name: &str) -> Result<Option<String>, CallError> {
        self.call(on(group, "GET", Some(name)), |world, _| {
            let vm = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
            Ok(vm.map(SimVm::console))
        })
        .await
    }

    async fn power_state(&self, group: &ResourceGroup, name: &str) -> Result<Option<PowerState>, CallError> {
        self.call(on(group, "GET", Some(name)), |world, _| {
            let vm = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
            Ok(vm.map(power))
        })
        .await
    }

    async fn ask_to_drain(&self, group: &ResourceGroup, name: &str, request: &str) -> Result<(), CallError> {
        let (of, vm, text) = (group.clone(), name.to_owned(), STANDARD.encode(request));
        self.change(on(group, "PATCH", Some(name)), move |world| {
            if world.set_user_data(&of.subscription_id, &of.name, &vm, &text) {
                Ok(())
            } else {
                Err(CallError::new(CallErrorKind::NotFound, "there is no such VM"))
            }
        })
        .await
    }

    async fn was_registered(&self, group: &ResourceGroup, name: &str) -> Result<bool, CallError> {
        self.call(on(group, "GET", Some(name)), |world, _| {
            let vm = world.state.azure.vms.get(&key(&group.subscription_id, &group.name, name));
            let vm = vm.ok_or_else(|| CallError::new(CallErrorKind::NotFound, "there is no such VM"))?;
            Ok(vm.body["properties"]["userData"].as_str().is_some_and(|text| !text.is_empty()))
        })
        .await
    }

    async fn note_registration(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        self.ask_to_drain(group, name, REGISTERED).await
    }

    async fn take_from_standby(
        &self,
        group: &ResourceGroup,
        name: &str,
        order: &SecretString,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let (of, vm, text) = (group.clone(), name.to_owned(), STANDARD.encode(order.expose_secret()));
        let more = tags.clone();
        self.change(on(group, "PATCH", Some(name)), move |world| {
            if !world.set_user_data(&of.subscription_id, &of.name, &vm, &text) {
                return Err(CallError::new(CallErrorKind::NotFound, "there is no such VM"));
            }
            let there = world.state.azure.vms.get(&key(&of.subscription_id, &of.name, &vm));
            let mut tags = there.map_or(Value::Null, |vm| vm.body["tags"].clone());
            for (name, value) in &more {
                tags[name.as_str()] = json!(value);
            }
            world.set_tags(&of.subscription_id, &of.name, &vm, &tags);
            Ok(())
        })
        .await
    }

    async fn start(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        self.power(group, name, PowerOrder::Start).await
    }

    async fn deallocate(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        self.power(group, name, PowerOrder::Deallocate).await
    }

    async fn delete(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        let (of, vm) = (group.clone(), name.to_owned());
        self.change(on(group, "DELETE", Some(name)), move |world| {
            world.delete_vm(&of.subscription_id, &of.name, &vm);
            Ok(())
        })
        .await
    }

    async fn orphans(&self, group: &ResourceGroup, kind: OrphanKind) -> Result<Vec<Orphan>, CallError> {
        self.call(on_parts(group, kind, "GET", None), |world, stale| {
            let state = &world.seen(stale).azure;
            let parts = state.parts(&group.subscription_id, &group.name, kind).into_iter();
            Ok(parts.filter(|part| part.vm.is_none()).filter_map(|part| orphan(&part, group)).collect())
        })
        .await
    }

    async fn discard(&self, orphan: &Orphan) -> Result<(), CallError> {
        let call = on_parts(&orphan.group, orphan.kind, "DELETE", Some(&orphan.name));
        let id = call.path.to_ascii_lowercase();
        self.change(call, move |world| {
            let now = world.now();
            let left = &mut world.state.azure.left;
            let reserved = left.get(&id).and_then(|part| part.reserved.as_ref());
            if reserved.is_some_and(|(until, _)| *until > now) {
                let why = "NicReservedForAnotherVm: it is reserved for 180 seconds";
                return Err(CallError::new(CallErrorKind::Unavailable, why));
            }
            left.remove(&id);
            Ok(())
        })
        .await
    }

    /// Nothing is sent.
    fn calls(&self) -> Calls {
        Calls::default()
    }

    fn remaining(&self) -> Remaining {
        Remaining { reads: Some(11_999), writes: Some(1_199), ..Remaining::default() }
    }
}
