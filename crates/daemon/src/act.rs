//! Act: carries out one action. Each step is idempotent, and nothing is decided here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::bootstrap::{
    cloud_init, console::last_lines, console::telling, download_for, runner_config,
};
use azlin_fleet::config::{Fleet, Method, Site};
use azlin_fleet::model::{
    CallError, CallErrorKind, Destroy, DestroyOutcome, Download, DrainReason, Failure, ForeignText, Install,
    InstallOutcome, Offering, Proof, ProvisionOutcome, RunnerId, RunnerName, StandbyTag, VmSpec, VmTags,
};
use azlin_fleet::observe::{DOWNLOADS_MAX_AGE, FAILED_DOWNLOADS_MAX_AGE};
use azlin_fleet::seeded_bug;
use azlin_fleet::state::RefusalEffect;
use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{self, install};
use crate::capacity_cache::CapacityCache;
use crate::context::DaemonContext;
use crate::report;
use crate::single_flight::SingleFlight;

pub(crate) mod entry;
mod proof;
mod standby;
#[cfg(test)]
mod tests;

/// How long Azure may take to return a VM's console log.
const CONSOLE_LIMIT: Duration = Duration::from_secs(10);

/// Makes runners and removes them.
pub(crate) struct RunnerLifecycle {
    context: DaemonContext,
    stop: CancellationToken,
    downloads: SingleFlight<Site, Result<Vec<Download>, String>>,
    capacity: Arc<CapacityCache>,
    /// What VMs whose start failed have printed last, until it is taken.
    printed: Mutex<BTreeMap<RunnerName, ForeignText>>,
}

/// A request for a runner.
pub(crate) struct RunnerRequest {
    pub(crate) name: RunnerName,
    /// Its start was interrupted: Azure may have its VM, and GitHub its entry.
    pub(crate) is_resumed: bool,
    /// The runner that this one replaces.
    pub(crate) replaces: Option<RunnerName>,
    /// The offerings to try, in this order.
    pub(crate) offerings: Vec<Offering>,
}

/// What distinguishes the VM of one runner from others.
struct Identity {
    custom_data: SecretString,
    runner_id: Option<RunnerId>,
    host_key: Option<String>,
    /// The administrator's public key, in a kind that Azure takes.
    admin_key: String,
    /// Whether the VM is for standby.
    is_for_standby: bool,
}

impl RunnerLifecycle {
    pub(crate) fn new(context: DaemonContext, capacity: Arc<CapacityCache>, stop: CancellationToken) -> Self {
        RunnerLifecycle {
            context,
            stop,
            downloads: SingleFlight::default(),
            capacity,
            printed: Mutex::default(),
        }
    }

    /// Makes a runner by the fleet's bootstrap method.
    pub(crate) async fn provision(&self, fleet: &Fleet, request: &RunnerRequest) -> ProvisionOutcome {
        if request.is_resumed {
            match self.context.azure.power_state(&fleet.vm.group, request.name.as_str()).await {
                Ok(None) => {}
                Ok(Some(_)) => return ProvisionOutcome::Started,
                Err(error) => return ProvisionOutcome::LeftAlone(error.to_string()),
            }
        }
        match fleet.bootstrap.method {
            Method::CloudInit => self.by_itself(fleet, request).await,
            Method::Ssh => match self.download(fleet).await {
                Ok(_) => self.over_ssh(fleet, request).await,
                Err(why) => ProvisionOutcome::Failed(Failure::later(why)),
            },
        }
    }

    /// Installs a runner on an existing VM, over SSH.
    pub(crate) async fn install(&self, fleet: &Fleet, task: &Install) -> InstallOutcome {
        let download = match self.download(fleet).await {
            Ok(download) => download,
            Err(why) => return InstallOutcome::Failed(Failure::later(why)),
        };
        install(&self.context, &self.stop, fleet, task, &download).await
    }

    /// Prepares GitHub's side, then requests the VM, whose cloud-init installs the runner. If the request
    /// fails, the preparation at GitHub is undone.
    async fn by_itself(&self, fleet: &Fleet, request: &RunnerRequest) -> ProvisionOutcome {
        let config = runner_config(fleet, request.name.clone());
        // Side by side: a list of downloads that has to be read costs no round trip of its own.
        let github = self.context.github(fleet);
        let (download, registered) = futures::join!(self.download(fleet), github.jit_config(&config));
        let registered = if request.is_resumed {
            entry::registered_again(github, &config, registered).await
        } else {
            registered.map_err(|error| ProvisionOutcome::Failed(error.into()))
        };
        let runner = match registered {
            Ok(runner) => runner,
            Err(outcome) => return outcome,
        };
        let download = match download {
            Ok(download) => download,
            Err(why) => {
                self.undo(fleet, runner.runner_id).await;
                return ProvisionOutcome::Failed(Failure::later(why));
            }
        };
        let identity = Identity {
            custom_data: cloud_init::self_made(
                &runner,
                &download,
                fleet.bootstrap.install_dependencies,
                &fleet.bootstrap.machine,
                fleet.lifecycle.dead_mans_switch,
            ),
            runner_id: Some(runner.runner_id),
            host_key: None,
            admin_key: self.key_that_nobody_holds(),
            is_for_standby: false,
        };
        let outcome = self.create(fleet, request, identity).await;
        if outcome.made_no_vm() {
            self.undo(fleet, runner.runner_id).await;
        }
        outcome
    }

    /// Removes the entry of a runner that gets no VM.
    async fn undo(&self, fleet: &Fleet, runner: RunnerId) {
        if let Err(error) = self.context.github(fleet).deregister(&fleet.scope, runner).await {
            tracing::debug!(fleet = %fleet.name, reason = %error, "{}: entry left for a later tick to remove: {error}", fleet.name);
        }
    }

    /// Requests a VM with a known host key, then installs the runner on it.
    async fn over_ssh(&self, fleet: &Fleet, request: &RunnerRequest) -> ProvisionOutcome {
        let admin_key = match self.context.ssh.public_key(fleet.bootstrap.ssh_private_key.as_deref()) {
            Ok(key) => key,
            Err(error) => return ProvisionOutcome::Failed(error.into()),
        };
        let host_key = self.context.ssh.host_key();
        let created_at = self.context.now();
        let identity = Identity {
            custom_data: cloud_init::reachable(
                &host_key,
                &admin_key,
                &fleet.bootstrap.machine,
                fleet.lifecycle.dead_mans_switch,
            ),
            runner_id: None,
            host_key: Some(host_key.public.clone()),
            // Any other key comes through the custom data alone.
            admin_key: if is_taken_by_azure(&admin_key) { admin_key } else { self.key_that_nobody_holds() },
            is_for_standby: false,
        };
        match self.create(fleet, request, identity).await {
            ProvisionOutcome::Started => {}
            other => return other,
        }
        tracing::debug!(fleet = %fleet.name, runner = %request.name, "{}: {} is asked for, to be installed over SSH", fleet.name, request.name);
        let task = bootstrap::just_made(fleet, request.name.clone(), host_key.public, created_at);
        match self.install(fleet, &task).await {
            // The VM exists. The next tick continues with it.
            InstallOutcome::LeftAlone(_) => ProvisionOutcome::Started,
            InstallOutcome::Failed(failure) => ProvisionOutcome::Unclear(failure.why),
            InstallOutcome::Bootstrap(outcome) => ProvisionOutcome::Bootstrap(outcome),
        }
    }

    /// A public key whose private half is dropped at once. Azure requires a way to log in and checks the key; this VM has
    /// no login.
    fn key_that_nobody_holds(&self) -> String {
        self.context.ssh.host_key().public
    }

    /// Tries each offering in turn, until Azure accepts one.
    async fn create(&self, fleet: &Fleet, request: &RunnerRequest, identity: Identity) -> ProvisionOutcome {
        let name = request.name.clone();
        let now = self.context.now();
        let tags = VmTags {
            pool: fleet.name.clone(),
            runner_name: name.clone(),
            github: fleet.github.clone().into(),
            scope: fleet.scope.clone(),
            created_at: seeded_bug!(LocalTime, now, now + Duration::from_secs(7200)),
            config_hash: fleet.config_hash().into(),
            runner_id: identity.runner_id,
            replaces: request.replaces.as_ref().map(|old| old.as_str().into()),
            host_key: identity.host_key.map(Into::into),
            standby: identity.is_for_standby.then_some(StandbyTag::Kept),
        };
        let vm = &fleet.vm;
        let mut spec = VmSpec {
            group: vm.group.clone(),
            location: String::new(),
            size: String::new(),
            image: vm.image.clone(),
            subnet_id: String::new(),
            nsg_id: None,
            accelerated_networking: vm.accelerated_networking,
            public_ip: vm.public_ip,
            zone: None,
            spot: None,
            ephemeral_os_disk: vm.ephemeral_os_disk,
            os_disk_size_gb: vm.os_disk_size_gb,
            extensions: vm.extensions,
            trusted_launch: vm.trusted_launch,
            admin_user: vm.admin_user.clone(),
            admin_key: identity.admin_key,
            identity: vm.identity.clone(),
            tags: vm.tags.clone().into_iter().chain(tags.to_tags()).collect(),
            custom_data: identity.custom_data,
            name,
        };
        let mut refusals: Vec<String> = Vec::new();
        let mut closes: Vec<CallError> = Vec::new();
        for place in &request.offerings {
            let turn = match self.capacity.turn(fleet, place, || self.context.now()).await {
                Ok(turn) => turn,
                Err(why) => {
                    refusals.push(why);
                    continue;
                }
            };
            let region = vm.region(&place.location);
            (spec.location, spec.subnet_id, spec.nsg_id) = (region.location, region.subnet_id, region.nsg_id);
            (spec.size, spec.zone) = (place.size.clone(), place.zone.clone());
            spec.spot = vm.spot.filter(|_| place.spot);
            let answer = self.context.azure.create(&spec).await;
            let effect = self.capacity.answered(fleet, place, answer.as_ref().copied(), self.context.now());
            drop(turn);
            match (answer, effect) {
                (Ok(()), _) => {
                    report::closed(fleet, &closes);
                    return ProvisionOutcome::Started;
                }
                (Err(error), RefusalEffect::Waits | RefusalEffect::Closes { is_new: false }) => {
                    refusals.push(error.to_string());
                }
                (Err(error), RefusalEffect::Closes { is_new: true }) => {
                    refusals.push(error.to_string());
                    closes.push(error);
                }
                (Err(error), RefusalEffect::Nothing) => {
                    report::closed(fleet, &closes);
                    return match error.kind {
                        CallErrorKind::OutcomeUnknown => seeded_bug!(
                            UnknownIsFailed,
                            ProvisionOutcome::Unclear(error.to_string()),
                            ProvisionOutcome::Failed(Failure::later(error.to_string())),
                        ),
                        // The request from before the interruption has arrived: the next list shows its VM.
                        CallErrorKind::NameTaken if request.is_resumed => {
                            ProvisionOutcome::LeftAlone(error.to_string())
                        }
                        _ => ProvisionOutcome::Failed(error.into()),
                    };
                }
            }
        }
        refusals.dedup();
        let why = refusals.join("; ");
        if self.capacity.of(fleet).is_nowhere(fleet, self.context.now()) {
            return ProvisionOutcome::Failed(Failure::stop(why));
        }
        report::closed(fleet, &closes);
        ProvisionOutcome::NoCapacity(why)
    }

    /// The download URL of the runner's program, from GitHub's last answer.
    async fn download(&self, fleet: &Fleet) -> Result<Download, String> {
        let ask = async || {
            let downloads = self.context.github(fleet).downloads(&fleet.scope).await;
            downloads.map_err(|error| error.to_string())
        };
        let ago = |age| Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        let mut downloads = self.downloads.get(fleet.site(), ago(DOWNLOADS_MAX_AGE), ask()).await;
        if downloads.is_err() {
            downloads = self.downloads.get(fleet.site(), ago(FAILED_DOWNLOADS_MAX_AGE), ask()).await;
        }
        let offered = downloads.as_ref().as_ref().map_err(String::clone)?;
        download_for(fleet, offered).cloned()
    }
}

impl RunnerLifecycle {
    /// What the VM of a runner that was removed has printed last, if it was read. It is given once.
    pub(crate) fn printed(&self, runner: &RunnerName) -> Option<ForeignText> {
        self.printed.lock().remove(runner)
    }

    /// Removes a runner, in this order: what proves that it runs no job, its entry at GitHub, its VM.
    pub(crate) async fn destroy(&self, fleet: &Fleet, destroy: &Destroy) -> DestroyOutcome {
        let context = &self.context;
        if let Err(outcome) = self.prove(fleet, destroy).await {
            return outcome;
        }
        let released = entry::remove(context.github(fleet), fleet, destroy).await;
        let Some((group, name)) = &destroy.vm else {
            return released.err().unwrap_or(DestroyOutcome::Removed);
        };
        if let Err(outcome) = released {
            if destroy.proof == Proof::StoppedStandby {
                return outcome;
            }
            // A later tick finds it without a VM.
            tracing::debug!(fleet = %fleet.name, runner = %destroy.runner, ?outcome, "{}: the entry of {} stays for now: {outcome:?}", fleet.name, destroy.runner);
        }
        if matches!(destroy.why, DrainReason::BootTimeout { .. } | DrainReason::Broken(_)) {
            if let Some(printed) = tell_console(context, fleet, destroy).await {
                self.printed.lock().insert(destroy.runner.clone(), printed);
            }
            // The download itself may be the cause.
            self.downloads.forget(&fleet.site());
        }
        match context.azure.delete(group, name).await {
            Ok(()) => {
                self.capacity.freed(&group.subscription_id, context.now());
                if destroy.frees_room && self.is_gone(group, name).await {
                    DestroyOutcome::Gone
                } else {
                    DestroyOutcome::Removed
                }
            }
            Err(error) => DestroyOutcome::Failed(error.into()),
        }
    }
}

/// Whether Azure takes a key of this kind (Docs: Create and use an SSH key pair for Linux VMs).
fn is_taken_by_azure(key: &str) -> bool {
    ["ssh-ed25519 ", "ssh-rsa "].iter().any(|kind| key.starts_with(kind))
}

/// Logs the end of a failed VM's console output, which is lost with the VM. Returns its last lines.
async fn tell_console(context: &DaemonContext, fleet: &Fleet, destroy: &Destroy) -> Option<ForeignText> {
    let (group, name) = destroy.vm.as_ref()?;
    let read = timeout(CONSOLE_LIMIT, context.azure.console(group, name)).await;
    let Ok(Ok(Some(text))) = read else { return None };
    if let Some(last) = telling(&text) {
        let (fleet, runner, reason) = (&fleet.name, &destroy.runner, &destroy.why);
        tracing::warn!(%fleet, %runner, vm = %name, %reason, console = %last, "{fleet}: {runner} is to be removed ({reason}); what it printed last: {last}");
    }
    last_lines(&text)
}
