//! The client: made from settings, used through the port.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::budget::Remaining;
use azlin_fleet::calls::Calls;
use azlin_fleet::leftover::{Kind, Leftover};
use azlin_fleet::ports::{Address, Azure, CallError, Trouble};
use azlin_fleet::vm::{PowerStates, ResourceGroup, Vm, VmSpec};
use futures::{Stream, StreamExt};
use url::Url;

use crate::api::compute::models::{VirtualMachine, VirtualMachineListResult};
use crate::api::{self, Sealed, arm_error, compute};
use crate::arm::Arm;
use crate::bearer::Bearer;
use crate::counters::Counts;
use crate::credential::{self, CredentialKind};
use crate::environment::Environment;
use crate::error::{ArmError, Effect, How, SettingsError, call_error};
use crate::https::Https;
use crate::leftovers;
use crate::model;
use crate::reach;
use crate::url_rule;
use crate::vms;

/// A list with more pages than this leads in a circle: a subscription has at most 25,000 VMs in a
/// region.
pub(crate) const MOST_PAGES: usize = 2_000;

/// How to reach Azure.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://management.azure.com`, or that of a sovereign cloud. Plain HTTP to a loopback address
    /// alone.
    pub resource_manager_url: Url,
    /// What the environment says about credentials.
    pub environment: Environment,
    /// The time limit of one try of a request.
    pub request_timeout: Duration,
    /// The first pause before a request is tried again; it doubles, with jitter.
    pub retry_pause: Duration,
    /// Certificates that are trusted beside the system's, as PEM.
    pub certificates: Option<String>,
}

impl Settings {
    /// The settings of SPEC §7: 30 s for a request.
    pub fn new(resource_manager_url: Url, environment: Environment) -> Self {
        Settings {
            resource_manager_url,
            environment,
            request_timeout: Duration::from_secs(30),
            retry_pause: Duration::from_millis(250),
            certificates: None,
        }
    }
}

/// Azure over its resource manager. One for the whole process: it holds the connections, the token
/// and what Azure asked to wait for.
#[derive(Clone)]
pub struct AzureClient {
    pub(crate) arm: Arc<Arm>,
}

impl AzureClient {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let Settings { resource_manager_url: root, environment, request_timeout, retry_pause, certificates } =
            settings;
        url_rule::check_resource_manager(&root).map_err(|why| {
            let mut shown = root.clone();
            let _ = shown.set_username("");
            let _ = shown.set_password(None);
            SettingsError::ResourceManagerUrl(shown.to_string(), why)
        })?;
        let https = Arc::new(Https::new(request_timeout, certificates));
        let kind = credential::choose(&environment).map_err(SettingsError::Credential)?;
        let credential =
            credential::make(kind, &environment, &root, &https).map_err(SettingsError::Credential)?;
        let bearer = Bearer::new(kind, credential, credential::scope(&root), request_timeout);
        Ok(AzureClient { arm: Arc::new(Arm::new(root, https, bearer, retry_pause)) })
    }

    /// The kind of credential that is used.
    pub fn credential(&self) -> CredentialKind {
        self.arm.bearer.kind
    }

    /// What was sent and received since the client was made.
    pub fn counts(&self) -> Counts {
        self.arm.counters.counts()
    }

    fn vms_api(&self, sealed: Option<Sealed>) -> Result<compute::virtual_machines::Client, ArmError> {
        api::client(&self.arm, sealed).map(|client| client.virtual_machines_client())
    }

    async fn list_vms(&self, group: &ResourceGroup) -> Result<Vec<VirtualMachine>, ArmError> {
        let pages = self.vms_api(None)?.list(&group.name, &group.subscription_id).into_stream();
        all(pages).await
    }

    async fn statuses(&self, subscription_id: &str) -> Result<Vec<VirtualMachine>, ArmError> {
        all(self.vms_api(None)?.list_all(subscription_id).status_only("true").into_stream()).await
    }

    async fn put(&self, spec: &VmSpec, model: VirtualMachine, sealed: Sealed) -> Result<(), ArmError> {
        let ResourceGroup { subscription_id, name } = &spec.group;
        // Not `.await` on the builder: that sends the PUT again each time it looks how far it is.
        self.vms_api(Some(sealed))?
            .create_or_update(name, spec.name.as_str(), model, subscription_id)
            .if_none_match("*")
            .send()
            .await
            .map(drop)
            .map_err(arm_error)
    }

    /// Whether the VM of that name is the very one that was asked for, by a try whose answer was lost.
    async fn is_what_was_asked_for(&self, spec: &VmSpec) -> Result<bool, ArmError> {
        let ResourceGroup { subscription_id, name } = &spec.group;
        let vm =
            self.vms_api(None)?.get(name, spec.name.as_str(), subscription_id).await.map_err(arm_error)?;
        let tags = vms::tags(&vm);
        Ok(spec.tags.iter().all(|(name, value)| tags.get(name) == Some(value)))
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
        let list = self.list_vms(group).await;
        let list = list.map_err(|error| call_error(&what, Effect::Reads, self.credential(), &error))?;
        Ok(list.iter().filter_map(|vm| vms::ours(vm, group)).collect())
    }

    async fn power_states(&self, subscription_id: &str) -> Result<PowerStates, CallError> {
        let what = format!("list power states of {subscription_id}");
        check_name(&what, "subscription", subscription_id)?;
        let list = self.statuses(subscription_id).await;
        let list = list.map_err(|error| call_error(&what, Effect::Reads, self.credential(), &error))?;
        Ok(vms::power_states(&list))
    }

    async fn create(&self, spec: &VmSpec) -> Result<(), CallError> {
        let what = format!("create VM {} in {}", spec.name, spec.group);
        check_group(&what, &spec.group)?;
        let model = model::virtual_machine(spec);
        let sealed = model::sealed(&model, spec)
            .map_err(|why| CallError::new(Trouble::Invalid, format!("{what}: {why}")))?;
        let Err(error) = self.put(spec, model, sealed).await else {
            return Ok(());
        };
        let refused = call_error(&what, Effect::Creates, self.credential(), &error);
        if refused.trouble != Trouble::NameTaken {
            return Err(refused);
        }
        match self.is_what_was_asked_for(spec).await {
            Ok(true) => Ok(()),
            // The answer to an earlier try of this call was lost: it made the VM that is in the way,
            // and Azure's copies do not all show it yet.
            _ if error.may_be_done => Ok(()),
            Ok(false) => Err(refused),
            Err(error) => Err(CallError::new(
                Trouble::OutcomeUnknown,
                format!("{what}: the name is taken, and it was not to be seen by what: {error}"),
            )),
        }
    }

    async fn address(&self, group: &ResourceGroup, name: &str, public: bool) -> Result<Address, CallError> {
        let what = format!("find the address of {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let found = async { reach::address(&self.arm, &self.vms_api(None)?, group, name, public).await };
        found.await.map_err(|error| call_error(&what, Effect::Reads, self.credential(), &error))
    }

    async fn failure(&self, group: &ResourceGroup, name: &str) -> Result<Option<CallError>, CallError> {
        let what = format!("ask why {name} in {group} was not made");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let found = async {
            let vm = self.vms_api(None)?.get(&group.name, name, &group.subscription_id);
            vm.expand("instanceView").await.map_err(arm_error)
        };
        match found.await {
            Ok(vm) => Ok(vms::failure(&vm)),
            Err(error) => Err(call_error(&what, Effect::Reads, self.credential(), &error)),
        }
    }

    async fn console(&self, group: &ResourceGroup, name: &str) -> Result<Option<String>, CallError> {
        let what = format!("read the console of {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let found = async { reach::console(&self.arm, &self.vms_api(None)?, group, name).await };
        found.await.map_err(|error| call_error(&what, Effect::Reads, self.credential(), &error))
    }

    async fn delete(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError> {
        let what = format!("delete VM {name} in {group}");
        check_group(&what, group)?;
        check_name(&what, "VM", name)?;
        let delete = async {
            // Nobody will miss what is on it, and it is gone sooner so.
            self.vms_api(None)?
                .delete(&group.name, name, &group.subscription_id)
                .force_deletion(true)
                .send()
                .await
                .map_err(arm_error)
        };
        match delete.await {
            Ok(_) => Ok(()),
            Err(ArmError { how: How::Refused(refusal), .. }) if refusal.status == 404 => Ok(()),
            Err(error) => Err(call_error(&what, Effect::Deletes, self.credential(), &error)),
        }
    }

    async fn leftovers(&self, group: &ResourceGroup, kind: Kind) -> Result<Vec<Leftover>, CallError> {
        let what = format!("look for a {kind} that no VM holds in {group}");
        check_group(&what, group)?;
        let list = leftovers::list(&self.arm, group, kind).await;
        list.map_err(|error| call_error(&what, Effect::Reads, self.credential(), &error))
    }

    async fn discard(&self, leftover: &Leftover) -> Result<(), CallError> {
        let Leftover { kind, name, group, .. } = leftover;
        let what = format!("delete {kind} {name} in {group}");
        check_group(&what, group)?;
        match leftovers::delete(&self.arm, leftover).await {
            Ok(()) => Ok(()),
            Err(ArmError { how: How::Refused(refusal), .. }) if refusal.status == 404 => Ok(()),
            Err(error) => Err(call_error(&what, Effect::Deletes, self.credential(), &error)),
        }
    }

    fn calls(&self) -> Calls {
        self.arm.counters.calls()
    }

    fn remaining(&self) -> Remaining {
        self.arm.counters.remaining()
    }
}

async fn all(
    pages: impl Stream<Item = azure_core::Result<VirtualMachineListResult>>,
) -> Result<Vec<VirtualMachine>, ArmError> {
    let mut pages = std::pin::pin!(pages);
    let mut vms = Vec::new();
    let mut read = 0;
    while let Some(page) = pages.next().await {
        vms.extend(page.map_err(arm_error)?.value);
        read += 1;
        if read == MOST_PAGES {
            let why = format!("the list has no end after {MOST_PAGES} pages");
            return Err(ArmError { how: How::NoAnswer { was_sent: true, why }, may_be_done: false });
        }
    }
    Ok(vms)
}

fn check_group(what: &str, group: &ResourceGroup) -> Result<(), CallError> {
    check_name(what, "subscription", &group.subscription_id)?;
    check_name(what, "resource group", &group.name)
}

/// The generated client puts names into the path as they are: one with a slash or dots alone would
/// lead to another resource.
fn check_name(what: &str, kind: &str, name: &str) -> Result<(), CallError> {
    let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    if !name.is_empty() && name.chars().all(fits) && !name.ends_with('.') {
        return Ok(());
    }
    Err(CallError::new(Trouble::Invalid, format!("{what}: {name:?} is no name of a {kind}")))
}
