//! The client, which implements the port.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::bootstrap::steps::REGISTERED;
use azlin_fleet::model::{
    CallError, CallErrorKind, Calls, FailedVm, ForeignText, Orphan, OrphanKind, PowerState, PowerStates,
    Remaining, ResourceGroup, UntaggedVm, Vm, VmSpec,
};
use azlin_fleet::ports::{Address, Azure};
use azlin_http::{HttpSettings, HttpTransport, TrafficCounts};
use parking_lot::Mutex;
use reqwest::Method;
use secrecy::SecretString;
use url::Url;

use crate::api::VmApi;
use crate::arm::{Arm, ArmCall};
use crate::awaited::{self, AwaitedVms, CreationEnd};
use crate::bearer::Bearer;
use crate::credential::{self, CredentialKind};
use crate::environment::AzureEnvironment;
use crate::error::{ArmEffect, ArmError, How, SettingsError, call_error, kind_of};
use crate::group_lists::GroupLists;
use crate::model::{self, CreateApi};
use crate::orphans::{self, PartLists};
use crate::power_reader::PowerReaders;
use crate::reach;
use crate::standby;
use crate::url_rule;
use crate::vm_json::VmJson;
use crate::{vm_reads, vms};

/// The most resource groups of a subscription whose VMs are listed one by one.
const MOST_GROUPS: usize = 20;
/// The largest body that is read. A page of VMs has about a megabyte, and all sizes of all regions have some twenty.
const LARGEST_BODY: usize = 32 * 1024 * 1024;
/// The most that is read at the same time.
const LARGEST_TOGETHER: usize = 256 * 1024 * 1024;

/// How to reach Azure.
#[derive(Debug, Clone)]
pub struct AzureSettings {
    /// `https://management.azure.com`, or that of a sovereign cloud. Plain HTTP only to a loopback address.
    pub resource_manager_url: Url,
    /// What the environment says about credentials.
    pub environment: AzureEnvironment,
    /// The time limit of one try of a request.
    pub request_timeout: Duration,
    /// The first pause before a request is tried again; it doubles, with jitter.
    pub retry_pause: Duration,
    /// How long a call waits for the power states of a subscription, which are then read on in the background.
    pub power_patience: Duration,
    /// Certificates that are trusted beside the system's, as PEM.
    pub certificates: Option<String>,
}

impl AzureSettings {
    /// The settings of SPEC §7: 30 s for a request. A process that lasts waits two seconds for power states.
    pub fn new(resource_manager_url: Url, environment: AzureEnvironment) -> Self {
        AzureSettings {
            resource_manager_url,
            environment,
            request_timeout: Duration::from_secs(30),
            retry_pause: Duration::from_millis(250),
            power_patience: Duration::from_secs(2),
            certificates: None,
        }
    }
}

/// Azure over its resource manager. The process has one: it holds the connections, the token and the rate
/// limits.
#[derive(Clone)]
pub struct AzureClient {
    pub(crate) arm: Arc<Arm>,
    awaited: Arc<AwaitedVms>,
    vm_lists: GroupLists<VmJson>,
    part_lists: PartLists,
    powers: PowerReaders,
    /// Of each group's last list: the VMs that may be ours and have lost our tags.
    untagged: Arc<Mutex<HashMap<ResourceGroup, Vec<UntaggedVm>>>>,
}

impl AzureClient {
    /// A client. Creating it sends nothing.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: AzureSettings) -> Result<Self, SettingsError> {
        let AzureSettings {
            resource_manager_url: root,
            environment,
            request_timeout,
            retry_pause,
            power_patience,
            certificates,
        } = settings;
        url_rule::check_resource_manager(&root).map_err(|why| {
            let mut shown = root.clone();
            let _ = shown.set_username("");
            let _ = shown.set_password(None);
            SettingsError::ResourceManagerUrl(shown.to_string(), why)
        })?;
        // Neither the resource manager nor Entra ID redirects.
        let transport = Arc::new(HttpTransport::new(HttpSettings {
            certificates,
            largest_together: LARGEST_TOGETHER,
            ..HttpSettings::new(request_timeout, LARGEST_BODY)
        }));
        let kind = credential::choose(&environment).map_err(SettingsError::Credential)?;
        let scope = credential::scope(&root);
        let make = {
            let (root, transport) = (root.clone(), Arc::clone(&transport));
            move || credential::make(kind, &environment, &root, &transport)
        };
        let bearer =
            Bearer::new(kind, Box::new(make), scope, request_timeout).map_err(SettingsError::Credential)?;
        let arm = Arc::new(Arm::new(root, transport, bearer, retry_pause));
        Ok(AzureClient {
            arm,
            awaited: Arc::default(),
            vm_lists: GroupLists::new(MOST_GROUPS),
            part_lists: PartLists::new(),
            powers: PowerReaders::new(power_patience),
            untagged: Arc::default(),
        })
    }

    /// The kind of credential that is used.
    pub fn credential(&self) -> CredentialKind {
        self.arm.bearer.kind
    }

    /// Requests and bytes since the client was made.
    pub fn counts(&self) -> TrafficCounts {
        self.arm.client.traffic.counts()
    }

    fn vms_api(&self) -> VmApi {
        VmApi::new(&self.arm)
    }

    /// The VMs that Azure could not make and that its list of a group does not show any more, as failed ones.
    async fn vanished(&self, group: &ResourceGroup, list: &[Vm]) -> Vec<Vm> {
        let missing = self.awaited.missing_in(group, list);
        let asked = missing.iter().filter(|(_, operation)| operation.is_some());
        futures::future::join_all(asked.map(|(name, _)| self.look_up(group, name))).await;
        missing.iter().filter_map(|(name, _)| self.awaited.failed(group, name)).collect()
    }

    /// Asks how the creation of a VM ended. An answer that says nothing now is asked for again with the next list.
    async fn look_up(&self, group: &ResourceGroup, name: &str) {
        let Some(operation) = self.awaited.operation(group, name) else { return };
        let end = match self.arm.send(&ArmCall::new(Method::GET, operation)).await {
            Ok(reply) => awaited::creation_end(&reply.body),
            Err(error) => match kind_of(ArmEffect::Reads, &error) {
                CallErrorKind::Unavailable | CallErrorKind::Throttled => CreationEnd::Open,
                _ => CreationEnd::Over,
            },
        };
        self.awaited.ended(group, name, end);
    }

    /// Whether the VM of that name is the requested one, created by a try whose answer was lost.
    async fn is_what_was_asked_for(&self, spec: &VmSpec) -> Result<bool, ArmError> {
        let vm = vm_reads::one(&self.arm, &spec.group, spec.name.as_str()).await?;
        Ok(spec.tags.iter().all(|(name, value)| vm.tags.get(name) == Some(value)))
    }
}

impl fmt::Debug for AzureClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureClient")
            .field("resource_manager_url", &self.arm.root().as_str())
            .field("credential", &self.credential())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Azure for AzureClient {
    async fn vms(&self, group: &ResourceGroup) -> Result<Vec<Vm>, CallError> {
        let what = format!("list VMs of {group}");
        check_group(&what, group)?;
        let of_group = vm_reads::of_group(&self.arm, group);
        let of_subscription = vm_reads::of_subscription(&self.arm, &group.subscription_id);
        let list = self.vm_lists.of(group, of_group, of_subscription).await;
        let list = list.map_err(|error| call_error(&what, ArmEffect::Reads, self.credential(), &error))?;
        let untagged = list.iter().filter_map(|vm| vms::untagged(vm, group)).collect();
        self.untagged.lock().insert(group.clone(), untagged);
        let mut ours: Vec<Vm> = list.iter().filter_map(|vm| vms::ours(vm, group)).collect();
        ours.extend(self.vanished(group, &ours).await);
        Ok(ours)
    }

    fn untagged(&self, group: &ResourceGroup) -> Vec<UntaggedVm> {
        self.untagged.lock().get(group).cloned().unwrap_or_default()
    }

    async fn power_states(&self, subscription_id: &str) -> Result<PowerStates, CallError> {
        let what = format!("list power states of {subscription_id}");
        check_name(&what, "subscription", subscription_id)?;
        let (arm, kind, subscription) =
            (Arc::clone(&self.arm), self.credential(), subscription_id.to_owned());
        let read = async move {
            let list = vm_reads::statuses(&arm, &subscription).await;
            let list = list.map_err(|error| call_error(&what, ArmEffect::Reads, kind, &error))?;
            Ok(vms::power_states(&list))
        };
        self.powers.states(subscription_id, read).await
    }

    async fn create(&self, spec: &VmSpec) -> Result<(), CallError> {
        let what = format!("create VM {} in {}", spec.name, spec.group);
        check_group(&what, &spec.group)?;
        let (vms, model) = (self.vms_api(), model::virtual_machine(spec));
        let put = async |api| {
            let sealed = model::sealed(&model, spec, api)
                .map_err(|why| CallError::new(CallErrorKind::Invalid, why).during(&what))?;
            Ok(vms.create(&spec.group, spec.name.as_str(), model.clone(), sealed).await)
        };
        let api = self.arm.create_api();
        let mut created = put(api).await?;
        if let Err(error) = &created
            && api == CreateApi::Newest
            && api.is_missing(error)
        {
            let older = put(CreateApi::Older).await?;
            // A region that does not exist has the same code, with any version.
            if !older.as_ref().is_err_and(|error| CreateApi::Older.is_missing(error)) {
                self.arm.create_with_older_api(error);
            }
            created = older;
        }
        let error = match created {
            Ok(operation) => {
                self.awaited.accepted(spec, operation);
                return Ok(());
            }
            Err(error) => error,
        };
        let refused = call_error(&what, ArmEffect::Creates, self.credential(), &error);
        if refused.kind != CallErrorKind::NameTaken {
            return Err(refused);
        }
        match self.is_what_was_asked_for(spec).await {
            Ok(true) => Ok(()),
            // The answer to an earlier try of this call was lost. That try created the VM, and not all of
            // Azure's replicas show it yet.
            _ if error.may_be_done => Ok(()),
            Ok(false) => Err(refused),
            Err(error) => Err(CallError::new(
                CallErrorKind::OutcomeUnknown,
                format!("the name is taken, and it was not to be seen by what: {error}"),
            )
            .during(&what)),
        }
    }

    async fn address(&self, group: &ResourceGroup, name: &str, public: bool) -> Result<Address, CallError> {
        let what = format!("find the address of {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let found = reach::address(&self.arm, group, name, public).await;
        found.map_err(|error| call_error(&what, ArmEffect::Reads, self.credential(), &error))
    }

    async fn failure(&self, group: &ResourceGroup, name: &str) -> Result<FailedVm, CallError> {
        let what = format!("ask why {name} in {group} has failed");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        match vm_reads::with_view(&self.arm, group, name).await {
            Ok(vm) => Ok(vms::failed(&vm)),
            Err(ArmError { how: How::Refused(refusal), .. })
                if refusal.is_absence() && self.awaited.operation(group, name).is_some() =>
            {
                if self.awaited.failed(group, name).is_none() {
                    self.look_up(group, name).await;
                }
                let failure = self.awaited.failed(group, name).and_then(|vm| vm.failure);
                Ok(FailedVm { code: ForeignText::default(), power: PowerState::Unknown, failure })
            }
            Err(error) => Err(call_error(&what, ArmEffect::Reads, self.credential(), &error)),
        }
    }

    async fn console(&self, group: &ResourceGroup, name: &str) -> Result<Option<String>, CallError> {
        let what = format!("read the console of {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let found = reach::console(&self.arm, &self.vms_api(), group, name).await;
        found.map_err(|error| call_error(&what, ArmEffect::Reads, self.credential(), &error))
    }

    async fn power_state(&self, group: &ResourceGroup, name: &str) -> Result<Option<PowerState>, CallError> {
        let what = format!("read the power state of {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        match vm_reads::with_view(&self.arm, group, name).await {
            Ok(vm) => Ok(Some(vms::power_state(&vm))),
            Err(ArmError { how: How::Refused(refusal), .. }) if refusal.is_absence() => Ok(None),
            Err(error) => Err(call_error(&what, ArmEffect::Reads, self.credential(), &error)),
        }
    }

    async fn ask_to_drain(&self, group: &ResourceGroup, name: &str, request: &str) -> Result<(), CallError> {
        let what = format!("ask VM {name} in {group} to drain");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let set = self.vms_api().set_user_data(group, name, request).await;
        set.map_err(|error| call_error(&what, ArmEffect::Updates, self.credential(), &error))
    }

    async fn was_registered(&self, group: &ResourceGroup, name: &str) -> Result<bool, CallError> {
        let what = format!("read the user data of VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let read = vm_reads::with_user_data(&self.arm, group, name).await;
        let vm = read.map_err(|error| call_error(&what, ArmEffect::Reads, self.credential(), &error))?;
        Ok(vm.has_user_data)
    }

    async fn note_registration(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        let what = format!("set the user data of VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let set = self.vms_api().set_user_data(group, name, REGISTERED).await;
        set.map_err(|error| call_error(&what, ArmEffect::Updates, self.credential(), &error))
    }

    async fn take_from_standby(
        &self,
        group: &ResourceGroup,
        name: &str,
        order: &SecretString,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let what = format!("take VM {name} in {group} from standby");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let failed = |error: &ArmError, effect| call_error(&what, effect, self.credential(), error);
        let read = vm_reads::one(&self.arm, group, name).await;
        let vm = read.map_err(|error| failed(&error, ArmEffect::Reads))?;
        let change = standby::change(vm.tags, tags, order);
        let set = self.vms_api().update(group, name, change).await;
        set.map_err(|error| failed(&error, ArmEffect::Updates))
    }

    async fn start(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        let what = format!("start VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let started = self.vms_api().start(group, name).await;
        started.map_err(|error| call_error(&what, ArmEffect::Updates, self.credential(), &error))
    }

    async fn deallocate(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        let what = format!("deallocate VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let deallocated = self.vms_api().deallocate(group, name).await;
        deallocated.map_err(|error| call_error(&what, ArmEffect::Updates, self.credential(), &error))
    }

    async fn delete(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        let what = format!("delete VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        self.awaited.deleted(group, name);
        match self.vms_api().delete(group, name).await {
            Ok(()) => Ok(()),
            Err(ArmError { how: How::Refused(refusal), .. }) if refusal.is_absence() => Ok(()),
            Err(error) => Err(call_error(&what, ArmEffect::Deletes, self.credential(), &error)),
        }
    }

    async fn orphans(&self, group: &ResourceGroup, kind: OrphanKind) -> Result<Vec<Orphan>, CallError> {
        let what = format!("look for a {kind} that no VM holds in {group}");
        check_group(&what, group)?;
        let list = self.part_lists.list(&self.arm, group, kind).await;
        list.map_err(|error| call_error(&what, ArmEffect::Reads, self.credential(), &error))
    }

    async fn discard(&self, orphan: &Orphan) -> Result<(), CallError> {
        let Orphan { kind, name, group, .. } = orphan;
        let what = format!("delete {kind} {name} in {group}");
        check_group(&what, group)?;
        match orphans::delete(&self.arm, orphan).await {
            Ok(()) => Ok(()),
            Err(ArmError { how: How::Refused(refusal), .. }) if refusal.is_absence() => Ok(()),
            Err(error) => Err(call_error(&what, ArmEffect::Deletes, self.credential(), &error)),
        }
    }

    fn calls(&self) -> Calls {
        self.arm.client.traffic.calls()
    }

    fn remaining(&self) -> Remaining {
        self.arm.budgets.remaining()
    }
}

pub(crate) fn check_group(what: &str, group: &ResourceGroup) -> Result<(), CallError> {
    check_name(what, "subscription", &group.subscription_id)?;
    check_name(what, "resource group", &group.name)
}

/// The generated client does not encode names: a name with a slash, or of dots alone, would lead to another
/// resource.
pub(crate) fn check_name(what: &str, kind: &str, name: &str) -> Result<(), CallError> {
    let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    if !name.is_empty() && name.chars().all(fits) && !name.ends_with('.') {
        return Ok(());
    }
    Err(CallError::new(CallErrorKind::Invalid, format!("{name:?} is no name of a {kind}")).during(what))
}
