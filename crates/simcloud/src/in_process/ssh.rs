//! The port for SSH over simulated VMs. Steps take time, fail and are cut off as faults say, and change a VM
//! as the real program would.

use std::path::Path;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use azlin_fleet::model::{HostKey, Machine, SshError, SshErrorKind, Step};
use azlin_fleet::ports::{Session, Ssh};
use rand::RngExt;
use secrecy::SecretString;

use super::InProcess;
use crate::azure::SimVm;
use crate::fault::{FaultKind, random_duration};
use crate::world::{Occurrence, World};

fn trouble(trouble: SshErrorKind, vm: &str, why: impl std::fmt::Display) -> SshError {
    SshError::new(trouble, format!("{vm}: {why}"))
}

/// Where the connection is lost in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Before,
    Halfway,
    After,
}

/// A connection to a simulated VM.
struct SimSession {
    cloud: InProcess,
    vm: String,
    uid: u64,
}

#[async_trait]
impl Ssh for InProcess {
    fn public_key(&self, _: Option<&Path>) -> Result<String, SshError> {
        Ok("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISIMULATED azlin".to_owned())
    }

    fn host_key(&self) -> HostKey {
        let number = self.host_keys.fetch_add(1, Ordering::Relaxed);
        HostKey {
            public: format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{number:020}"),
            private: SecretString::from(format!("simulated private key {number}")),
        }
    }

    async fn connect(&self, machine: &Machine) -> Result<Box<dyn Session>, SshError> {
        let wait = {
            let mut world = self.world();
            let step = world.settings.step.clone();
            random_duration(step, &mut world.rng) / 4
        };
        tokio::time::sleep(wait).await;
        let world = self.world();
        let found = world.state.azure.vms.values().find(|vm| vm.name == machine.vm);
        let Some(vm) = found.filter(|vm| is_up(vm)) else {
            return Err(trouble(SshErrorKind::Unreachable, &machine.vm, "nothing answers there"));
        };
        if !vm.custom_data.contains(&machine.host_key) {
            return Err(trouble(
                SshErrorKind::WrongHostKey,
                &machine.vm,
                "its host key is not the expected one",
            ));
        }
        Ok(Box::new(SimSession { cloud: self.clone(), vm: vm.name.clone(), uid: vm.uid }))
    }
}

fn is_up(vm: &SimVm) -> bool {
    vm.guest.is_up && vm.is_running()
}

#[async_trait]
impl Session for SimSession {
    async fn run(&self, step: &Step) -> Result<String, SshError> {
        self.cloud.crash.pass_point().await;
        let (wait, cut) = {
            let mut world = self.cloud.world();
            let span = world.settings.step.clone();
            (random_duration(span, &mut world.rng), cut(&mut world, step))
        };
        tokio::time::sleep(wait).await;
        let mut world = self.cloud.world();
        let lost =
            || trouble(SshErrorKind::Lost, &self.vm, format!("the connection was lost in {}", step.name()));
        if !world.vm(self.uid).is_some_and(|vm| is_up(vm)) || cut == Some(Cut::Before) {
            return Err(lost());
        }
        let fails =
            |what: &FaultKind| matches!(what, FaultKind::StepFails(only) if is_it(only.as_deref(), step));
        if world.strikes(fails) {
            return Err(trouble(SshErrorKind::StepFailed, &self.vm, format!("{}: a fault", step.name())));
        }
        let output = world.step(self.uid, step, cut == Some(Cut::Halfway));
        world.notify(&Occurrence::Step { vm: &self.vm, step: step.name() });
        self.cloud.crash.count_down();
        match (cut, output) {
            (Some(_), _) => Err(lost()),
            (None, Ok(output)) => Ok(output),
            (None, Err(why)) => {
                Err(trouble(SshErrorKind::StepFailed, &self.vm, format!("{}: {why}", step.name())))
            }
        }
    }
}

fn is_it(only: Option<&str>, step: &Step) -> bool {
    only.is_none_or(|only| only == step.name())
}

fn cut(world: &mut World, step: &Step) -> Option<Cut> {
    let is_lost =
        |what: &FaultKind| matches!(what, FaultKind::ConnectionLost(only) if is_it(only.as_deref(), step));
    if !world.strikes(is_lost) {
        return None;
    }
    Some([Cut::Before, Cut::Halfway, Cut::After][world.rng.random_range(0..3)])
}

#[cfg(test)]
mod tests;
