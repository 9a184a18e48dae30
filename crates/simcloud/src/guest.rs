//! What a step of the bootstrap does on a simulated VM, as the real program would.

use std::time::Duration;

use azlin_fleet::model::{Configure, Download, DrainAnswer, Register, Step};
use secrecy::ExposeSecret;

use crate::azure::{Guest, SimVmState};
use crate::fault::random_duration;
use crate::package::RUNNER_VERSION;
use crate::registration::{Registration, scope_of};
use crate::world::{World, WorldEvent};

/// The checksum of the runner's program on simulated VMs.
pub(crate) fn true_checksum() -> String {
    "5d".repeat(32)
}

impl World {
    /// Runs a step on a VM, or its first half if it is cut. Returns its output, or why it failed.
    pub(crate) fn step(&mut self, uid: u64, step: &Step, is_cut: bool) -> Result<String, String> {
        let vm = self.vm(uid).ok_or("there is no such machine")?;
        let (guest, name) = (vm.guest.clone(), vm.name.clone());
        match step {
            Step::Probe => Ok(self.probe(&guest, &name)),
            Step::Setup(_) => {
                self.change(uid, |guest| guest.is_set_up = !is_cut);
                Ok(String::new())
            }
            Step::Fetch(download) => self.fetch(uid, download, is_cut),
            Step::Dependencies => {
                self.change(uid, |guest| guest.has_dependencies = !is_cut);
                Ok(String::new())
            }
            Step::Register(runner) => self.register_by_jit(uid, &guest, runner, is_cut),
            Step::Configure(config) => self.configure(uid, &guest, config, is_cut),
            Step::Start => {
                self.start(uid, &guest, is_cut);
                Ok(String::new())
            }
            Step::Drain => Ok(match self.drain(uid) {
                DrainAnswer::Ended => "drain=ended\n".to_owned(),
                DrainAnswer::Busy => "drain=busy\n".to_owned(),
            }),
        }
    }

    fn change(&mut self, uid: u64, change: impl FnOnce(&mut Guest)) {
        if let Some(vm) = self.vm(uid) {
            change(&mut vm.guest);
        }
    }

    fn probe(&self, guest: &Guest, name: &str) -> String {
        let id = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
        let runner = guest.runner_id.and_then(|id| self.state.github.runners.get(&id));
        let service = match guest.service {
            None => "none",
            Some(true) => "active",
            Some(false) => "inactive",
        };
        format!(
            "version={}\nrunner_id={}\nrunner_name={}\nregistered={}\nservice={service}\njob={}\ndependencies={}\nsetup={}\n",
            guest.program.clone().unwrap_or_default(),
            id(guest.runner_id),
            guest.runner_id.map(|_| name).unwrap_or_default(),
            guest.registered.map(|id| format!("{id} {name}")).unwrap_or_default(),
            if runner.is_some_and(|runner| runner.job.is_some()) { "running" } else { "none" },
            if guest.has_dependencies { "installed" } else { "unknown" },
            if guest.is_set_up { "done" } else { "none" },
        )
    }

    fn fetch(&mut self, uid: u64, download: &Download, is_cut: bool) -> Result<String, String> {
        if download.sha256.as_ref().is_some_and(|expected| *expected != true_checksum()) {
            return Err("wrong checksum".to_owned());
        }
        let version = download.version().unwrap_or(RUNNER_VERSION).to_owned();
        self.change(uid, |guest| guest.program = (!is_cut).then_some(version));
        Ok(String::new())
    }

    /// If it is cut, the VM has not got the configuration.
    fn register_by_jit(
        &mut self,
        uid: u64,
        guest: &Guest,
        runner: &Register,
        is_cut: bool,
    ) -> Result<String, String> {
        if guest.program.is_none() {
            return Err("there is no runner program".to_owned());
        }
        let id = self.runner_of_jit(runner.jit_config.expose_secret());
        // A configuration that GitHub takes no more shows when the runner's program starts.
        let id = id.unwrap_or(runner.runner_id.0);
        if !is_cut {
            self.change(uid, |guest| {
                (guest.runner_id, guest.registered) = (Some(id), Some(id));
                guest.powers_off = true;
            });
        }
        Ok(String::new())
    }

    /// If it is cut, the runner is registered but the VM does not know it.
    fn configure(
        &mut self,
        uid: u64,
        guest: &Guest,
        config: &Configure,
        is_cut: bool,
    ) -> Result<String, String> {
        let id = match guest.runner_id {
            Some(id) => id,
            None if guest.program.is_none() => return Err("config.sh: not found".to_owned()),
            None => {
                let path = url::Url::parse(&config.url).map_err(|error| error.to_string())?;
                let asked = Registration {
                    scope: scope_of(path.path().trim_matches('/')).ok_or("the URL is no runner's page")?,
                    token: config.token.expose_secret().to_owned(),
                    name: config.name.clone(),
                    labels: config.labels.clone(),
                    group: config.group.clone(),
                    ephemeral: false,
                    replace: true,
                };
                self.register(&asked).map_err(|refused| refused.message)?.id
            }
        };
        if !is_cut {
            self.change(uid, |guest| (guest.runner_id, guest.registered) = (Some(id), Some(id)));
        }
        Ok(format!("runner_id={id}\n"))
    }

    /// If it is cut, the service is installed but does not run.
    fn start(&mut self, uid: u64, guest: &Guest, is_cut: bool) {
        let runner = guest.runner_id;
        let is_known = runner.is_some_and(|id| self.state.github.runners.contains_key(&id));
        let runs = is_known && guest.works && !is_cut;
        self.change(uid, |guest| {
            guest.service = Some(guest.service == Some(true) || runs);
        });
        match runner {
            _ if is_cut || guest.service == Some(true) => {}
            Some(runner) if runs => {
                let delay = random_duration(self.settings.register.clone(), &mut self.rng);
                self.after(delay, WorldEvent::Online(uid, runner));
            }
            // The program of a runner that GitHub does not know ends, and its unit with it.
            _ if guest.powers_off && !is_known => self.after(Duration::from_secs(2), WorldEvent::Off(uid)),
            _ => {}
        }
    }

    /// Whether the runner's program runs on a VM: from custom data, or as a service that was started.
    pub(crate) fn is_running_on(&mut self, uid: u64, runner: u64) -> bool {
        self.vm(uid).is_some_and(|vm| {
            let is_up = vm.is_running() && vm.state != SimVmState::Deleting;
            let is_by_itself = vm.guest.service.is_none() && vm.guest.runner_id.is_none();
            is_up
                && !vm.guest.is_drained
                && (is_by_itself || vm.guest.service == Some(true) && vm.guest.runner_id == Some(runner))
        })
    }
}
