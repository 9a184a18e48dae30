//! Act: carries out one action. Each step is idempotent, and nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::bootstrap::console::telling;
use azlin_fleet::bootstrap::{cloud_init, download_for, labels};
use azlin_fleet::config::{Fleet, Method, Site};
use azlin_fleet::place::Place;
use azlin_fleet::plan::{Destroy, Install, Outcome};
use azlin_fleet::planted::{self, Bug};
use azlin_fleet::ports::{Download, Trouble};
use azlin_fleet::remedy::Failure;
use azlin_fleet::runner::{DrainReason, RunnerConfig, RunnerId};
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::vm::{VmSpec, VmTags};
use secrecy::SecretString;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{self, install, stop_service};
use crate::fetched::Fetched;
use crate::outside::Outside;
use crate::places::Book;
use release::released;

mod release;
#[cfg(test)]
mod tests;

/// How long a service is given to stop before its VM goes.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long Azure is given to show what a VM printed.
const CONSOLE_LIMIT: Duration = Duration::from_secs(10);

/// Makes runners and removes them.
pub(crate) struct Lifecycle {
    outside: Outside,
    stop: CancellationToken,
    downloads: Fetched<Site, Result<Vec<Download>, String>>,
    places: Arc<Book>,
}

/// A runner that is to be made.
pub(crate) struct Wanted {
    pub(crate) name: RunnerName,
    /// The runner that it is to take the place of.
    pub(crate) replaces: Option<RunnerName>,
    /// Where it is asked for, in this order.
    pub(crate) places: Vec<Place>,
}

/// What makes a VM the one runner that it is to be.
struct Identity {
    custom_data: SecretString,
    runner_id: Option<RunnerId>,
    host_key: Option<String>,
    admin_key: Option<String>,
}

impl Lifecycle {
    pub(crate) fn new(outside: Outside, places: Arc<Book>, stop: CancellationToken) -> Self {
        Lifecycle { outside, stop, downloads: Fetched::default(), places }
    }

    /// Makes a runner, as the fleet's bootstrap has it.
    pub(crate) async fn provision(&self, fleet: &Fleet, wanted: &Wanted) -> Outcome {
        let download = match self.download(fleet).await {
            Ok(download) => download,
            Err(why) => return Outcome::Failed(Failure::later(why)),
        };
        match fleet.bootstrap.method {
            Method::CloudInit => self.by_itself(fleet, wanted, &download).await,
            Method::Ssh => self.over_ssh(fleet, wanted).await,
        }
    }

    /// Makes a VM that is there a runner, over SSH.
    pub(crate) async fn install(&self, fleet: &Fleet, task: &Install) -> Outcome {
        let download = match self.download(fleet).await {
            Ok(download) => download,
            Err(why) => return Outcome::Failed(Failure::later(why)),
        };
        install(&self.outside, &self.stop, fleet, task, &download).await
    }

    /// Prepares GitHub's side, then asks for the VM, which becomes the runner by itself. What was
    /// prepared is taken back when there is no VM for it.
    async fn by_itself(&self, fleet: &Fleet, wanted: &Wanted, download: &Download) -> Outcome {
        let config = RunnerConfig {
            scope: fleet.scope.clone(),
            runner_name: wanted.name.clone(),
            labels: labels(fleet),
            runner_group: fleet.runner_group.clone(),
        };
        let runner = match self.outside.github(fleet).jit_config(&config).await {
            Ok(runner) => runner,
            Err(error) => return Outcome::Failed(error.into()),
        };
        let identity = Identity {
            custom_data: cloud_init::self_made(
                &runner,
                download,
                fleet.bootstrap.install_dependencies,
                fleet.lifecycle.dead_mans_switch,
            ),
            runner_id: Some(runner.runner_id),
            host_key: None,
            admin_key: None,
        };
        let outcome = self.create(fleet, wanted, identity).await;
        if let Outcome::Failed(_) | Outcome::NoRoom(_) = outcome
            && let Err(error) = self.outside.github(fleet).deregister(&fleet.scope, runner.runner_id).await
        {
            tracing::debug!(fleet = %fleet.name, reason = %error, "{}: entry left for a later tick to remove: {error}", fleet.name);
        }
        outcome
    }

    /// Asks for a VM with a host key that is known, then installs the runner on it.
    async fn over_ssh(&self, fleet: &Fleet, wanted: &Wanted) -> Outcome {
        let admin_key = match self.outside.ssh.public_key(fleet.bootstrap.ssh_private_key.as_deref()) {
            Ok(key) => key,
            Err(error) => return Outcome::Failed(error.into()),
        };
        let host_key = self.outside.ssh.host_key();
        let created_at = self.outside.now();
        let identity = Identity {
            custom_data: cloud_init::reachable(&host_key, &admin_key, fleet.lifecycle.dead_mans_switch),
            runner_id: None,
            host_key: Some(host_key.public.clone()),
            admin_key: Some(admin_key),
        };
        match self.create(fleet, wanted, identity).await {
            Outcome::Started => {}
            other => return other,
        }
        tracing::debug!(fleet = %fleet.name, runner = %wanted.name, "{}: {} is asked for, to be installed over SSH", fleet.name, wanted.name);
        let task = bootstrap::just_made(fleet, wanted.name.clone(), host_key.public, created_at);
        match self.install(fleet, &task).await {
            // The VM is there, and whoever comes next goes on with it.
            Outcome::LeftAlone(_) => Outcome::Started,
            Outcome::Failed(failure) => Outcome::Unclear(failure.why),
            other => other,
        }
    }

    /// Each place in turn, until one is to be had.
    async fn create(&self, fleet: &Fleet, wanted: &Wanted, identity: Identity) -> Outcome {
        let name = wanted.name.clone();
        let tags = VmTags {
            pool: fleet.name.clone(),
            runner_name: name.clone(),
            github: fleet.github.clone(),
            scope: fleet.scope.clone(),
            created_at: self.outside.now()
                + Duration::from_secs(if planted::has(Bug::LocalTime) { 7200 } else { 0 }),
            config_hash: fleet.config_hash().to_owned(),
            runner_id: identity.runner_id,
            replaces: wanted.replaces.as_ref().map(ToString::to_string),
            host_key: identity.host_key,
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
            trusted_launch: vm.trusted_launch,
            admin_user: vm.admin_user.clone(),
            admin_key: identity.admin_key,
            identity: vm.identity.clone(),
            tags: vm.tags.clone().into_iter().chain(tags.to_tags()).collect(),
            custom_data: identity.custom_data,
            name,
        };
        let subscription = &vm.group.subscription_id;
        let mut refusals: Vec<String> = Vec::new();
        for place in &wanted.places {
            let turn = match self.places.turn(subscription, place, || self.outside.now()).await {
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
            let answer = self.outside.azure.create(&spec).await;
            let no_room =
                self.places.answered(subscription, place, answer.as_ref().copied(), self.outside.now());
            drop(turn);
            match answer {
                Ok(()) => return Outcome::Started,
                Err(error) if no_room => refusals.push(error.to_string()),
                Err(error) => {
                    return match error.kind {
                        Trouble::OutcomeUnknown if planted::has(Bug::UnknownIsFailed) => {
                            Outcome::Failed(Failure::later(error.to_string()))
                        }
                        Trouble::OutcomeUnknown => Outcome::Unclear(error.to_string()),
                        _ => Outcome::Failed(error.into()),
                    };
                }
            }
        }
        refusals.dedup();
        Outcome::NoRoom(refusals.join("; "))
    }

    /// Where the runner's program is: asked once an hour, after a failure once in ten seconds.
    async fn download(&self, fleet: &Fleet) -> Result<Download, String> {
        let ask = async || {
            let downloads = self.outside.github(fleet).downloads(&fleet.scope).await;
            downloads.map_err(|error| error.to_string())
        };
        let ago = |age| Instant::now().checked_sub(Duration::from_secs(age)).unwrap_or_else(Instant::now);
        let mut downloads = self.downloads.get(fleet.site(), ago(3600), ask()).await;
        if downloads.is_err() {
            downloads = self.downloads.get(fleet.site(), ago(10), ask()).await;
        }
        let architecture = fleet.vm.architecture().label();
        let offered = downloads.as_ref().as_ref().map_err(String::clone)?;
        download_for(fleet, offered)
            .cloned()
            .ok_or_else(|| format!("GitHub offers no runner for Linux on {architecture}"))
    }
}

impl Lifecycle {
    /// Removes a runner: GitHub's side first, which refuses while a job runs; then its service, then
    /// its VM.
    pub(crate) async fn destroy(&self, fleet: &Fleet, destroy: &Destroy) -> Outcome {
        let outside = &self.outside;
        if let (true, Some((group, name))) = (planted::has(Bug::VmBeforeEntry), &destroy.vm) {
            let _ = outside.azure.delete(group, name).await;
        }
        match released(outside.github(fleet), destroy).await {
            Err(why) => return Outcome::Failed(Failure::later(why)),
            Ok(Some(why)) => return Outcome::LeftAlone(why.to_owned()),
            Ok(None) => {}
        }
        let Some((group, name)) = &destroy.vm else { return Outcome::Removed };
        if let Some(host_key) = &destroy.stop {
            let task = bootstrap::just_made(fleet, destroy.runner.clone(), host_key.clone(), outside.now());
            let task = Install { vm: (group.clone(), name.clone()), ..task };
            let stopped = timeout(STOP_LIMIT, stop_service(outside, fleet, &task)).await;
            let why = stopped.unwrap_or_else(|_| Err("it took too long".to_owned())).err();
            tracing::debug!(fleet = %fleet.name, runner = %destroy.runner, reason = why, "{}: {}: its service was asked to stop before its VM goes: {}", fleet.name, destroy.runner, why.as_deref().unwrap_or("done"));
        }
        if matches!(destroy.why, DrainReason::BootTimeout(_) | DrainReason::Broken(_)) {
            tell_console(outside, fleet, destroy).await;
            // What GitHub offers may be what is wrong.
            self.downloads.forget(&fleet.site());
        }
        match outside.azure.delete(group, name).await {
            Ok(()) => {
                self.places.freed(&group.subscription_id, outside.now());
                Outcome::Removed
            }
            Err(error) => Outcome::Failed(error.into()),
        }
    }
}

/// Says what a VM that goes for its trouble printed last: it is lost with the VM.
async fn tell_console(outside: &Outside, fleet: &Fleet, destroy: &Destroy) {
    let Some((group, name)) = &destroy.vm else { return };
    let Ok(Ok(Some(text))) = timeout(CONSOLE_LIMIT, outside.azure.console(group, name)).await else { return };
    if let Some(last) = telling(&text) {
        let (fleet, runner, reason) = (&fleet.name, &destroy.runner, &destroy.reason);
        tracing::warn!(%fleet, %runner, vm = %name, %reason, console = %last, "{fleet}: {runner} is to be removed ({reason}); what it printed last: {last}");
    }
}
