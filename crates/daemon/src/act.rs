//! Act: carries out one action. Each step is idempotent, and nothing is decided here.

use std::time::Duration;

use azlin_fleet::bootstrap::{cloud_init, download_for, labels};
use azlin_fleet::config::Fleet;
use azlin_fleet::names::Scope;
use azlin_fleet::plan::{Deregister, Destroy, Outcome};
use azlin_fleet::ports::{Download, Trouble};
use azlin_fleet::runner::{Deregistration, RunnerConfig, RunnerRegistration};
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::vm::{VmSpec, VmTags};
use tokio::time::Instant;

use crate::fetched::Fetched;
use crate::outside::Outside;

/// What a provisioning operation needs beside its fleet.
pub(crate) struct Provisioner {
    outside: Outside,
    downloads: Fetched<Scope, Result<Vec<Download>, String>>,
}

impl Provisioner {
    pub(crate) fn new(outside: Outside) -> Self {
        Provisioner { outside, downloads: Fetched::default() }
    }

    /// Prepares GitHub's side, then asks for the VM. What was prepared is taken back when there is
    /// no VM for it.
    pub(crate) async fn provision(
        &self,
        fleet: &Fleet,
        name: RunnerName,
        replaces: Option<RunnerName>,
        attempt: u32,
    ) -> Outcome {
        let download = match self.download(fleet).await {
            Ok(download) => download,
            Err(why) => return Outcome::Failed(why),
        };
        let config = RunnerConfig {
            scope: fleet.scope.clone(),
            runner_name: name,
            labels: labels(fleet),
            runner_group: fleet.runner_group.clone(),
        };
        let runner = match self.outside.github.jit_config(&config).await {
            Ok(runner) => runner,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let outcome = self.create(fleet, replaces, attempt, &runner, &download).await;
        if let Outcome::Failed(_) = outcome
            && let Err(error) = self.outside.github.deregister(&fleet.scope, runner.runner_id).await
        {
            tracing::debug!(fleet = %fleet.name, reason = %error, "entry left for a later tick to remove");
        }
        outcome
    }

    /// Each place in turn, until one is to be had.
    async fn create(
        &self,
        fleet: &Fleet,
        replaces: Option<RunnerName>,
        attempt: u32,
        runner: &RunnerRegistration,
        download: &Download,
    ) -> Outcome {
        let name = runner.runner_name.clone();
        let tags = VmTags {
            pool: fleet.name.clone(),
            runner_name: name.clone(),
            github: fleet.github.clone(),
            scope: fleet.scope.clone(),
            created_at: self.outside.now(),
            config_hash: fleet.config_hash().to_owned(),
            runner_id: Some(runner.runner_id),
            replaces: replaces.map(|old| old.to_string()),
        };
        let vm = &fleet.vm;
        let mut spec = VmSpec {
            group: vm.group.clone(),
            location: vm.location.clone(),
            size: String::new(),
            image: vm.image.clone(),
            subnet_id: vm.subnet_id.clone(),
            public_ip: vm.public_ip,
            zone: None,
            spot: vm.spot,
            ephemeral_os_disk: vm.ephemeral_os_disk,
            os_disk_size_gb: vm.os_disk_size_gb,
            admin_user: vm.admin_user.clone(),
            identity: vm.identity.clone(),
            tags: vm.tags.clone().into_iter().chain(tags.to_tags()).collect(),
            custom_data: cloud_init::self_made(runner, download, false),
            name,
        };
        let mut refusals = Vec::new();
        for (size, zone) in vm.places(attempt) {
            (spec.size, spec.zone) = (size.to_owned(), zone.map(str::to_owned));
            match self.outside.azure.create(&spec).await {
                Ok(()) => return Outcome::Started,
                Err(error) => match error.trouble {
                    Trouble::NoCapacity | Trouble::NoQuota => refusals.push(error.message),
                    Trouble::OutcomeUnknown => return Outcome::Unclear(error.message),
                    Trouble::NotPermitted
                    | Trouble::NotFound
                    | Trouble::Invalid
                    | Trouble::NameTaken
                    | Trouble::Throttled(_)
                    | Trouble::Unavailable => return Outcome::Failed(error.message),
                },
            }
        }
        Outcome::Failed(refusals.join("; "))
    }

    /// Where the runner's program is: asked once an hour, after a failure once in ten seconds.
    async fn download(&self, fleet: &Fleet) -> Result<Download, String> {
        let ask = async || {
            let downloads = self.outside.github.downloads(&fleet.scope).await;
            downloads.map_err(|error| error.to_string())
        };
        let ago = |age| Instant::now().checked_sub(Duration::from_secs(age)).unwrap_or_else(Instant::now);
        let mut downloads = self.downloads.get(fleet.scope.clone(), ago(3600), ask()).await;
        if downloads.is_err() {
            downloads = self.downloads.get(fleet.scope.clone(), ago(10), ask()).await;
        }
        let architecture = fleet.vm.architecture().label();
        let offered = downloads.as_ref().as_ref().map_err(String::clone)?;
        download_for(fleet, offered)
            .cloned()
            .ok_or_else(|| format!("GitHub offers no runner for Linux on {architecture}"))
    }
}

/// Removes a runner: GitHub's side first, which refuses while a job runs, then the VM.
pub(crate) async fn destroy(outside: &Outside, destroy: &Destroy) -> Outcome {
    let github = match destroy.first {
        Deregister::Nothing => Ok(None),
        Deregister::Entry(id) => match outside.github.deregister(&destroy.scope, id).await {
            Ok(Deregistration::Removed) => Ok(None),
            Ok(Deregistration::NotFound) if destroy.vm.is_none() => Ok(None),
            Ok(Deregistration::NotFound) => {
                Ok(Some("its entry was gone before it was removed; the next look decides"))
            }
            Ok(Deregistration::Busy) => Ok(Some("it has taken a job")),
            Err(error) => Err(error.to_string()),
        },
        Deregister::ConfirmGone(id) => match outside.github.runner(&destroy.scope, id).await {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Ok(Some("GitHub still has its entry: the list lags")),
            Err(error) => Err(error.to_string()),
        },
        Deregister::IfPossible(id) => match outside.github.deregister(&destroy.scope, id).await {
            Ok(Deregistration::Busy) => Ok(Some("GitHub still says that it runs a job")),
            Ok(Deregistration::Removed | Deregistration::NotFound) | Err(_) => Ok(None),
        },
        Deregister::Elsewhere(id) => match outside.github.deregister(&destroy.scope, id).await {
            Ok(Deregistration::Removed) => Ok(None),
            Ok(Deregistration::Busy) => Ok(Some("it runs a job")),
            Err(error) => Err(error.to_string()),
            // Gone, or not shown to us: the whole list tells the two apart.
            Ok(Deregistration::NotFound) => match outside.github.runners(&destroy.scope).await {
                Ok(list) if list.iter().all(|entry| entry.runner_id != id) => Ok(None),
                Ok(_) => Ok(Some("GitHub still has its entry: the list lags")),
                Err(error) => Err(error.to_string()),
            },
        },
    };
    match github {
        Err(why) => return Outcome::Failed(why),
        Ok(Some(why)) => return Outcome::LeftAlone(why.to_owned()),
        Ok(None) => {}
    }
    match &destroy.vm {
        None => Outcome::Removed,
        Some((group, name)) => match outside.azure.delete(group, name).await {
            Ok(()) => Outcome::Removed,
            Err(error) => Outcome::Failed(error.to_string()),
        },
    }
}
