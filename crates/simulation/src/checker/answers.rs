//! Whether each VM was asked before it was deleted. The VM is the only one that knows whether a job runs on it.

use std::time::Duration;

use azlin_simcloud::azure::SimVm;
use azlin_simcloud::{Occurrence, World};

use super::{CheckerState, Invariant, MINUTE};

/// The default of `lifecycle.drain_timeout`: a VM that answers to nothing may be deleted after it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(90 * 60);
/// Faults that are no further apart than this are one storm: nothing gets through between them.
const LULL: Duration = Duration::from_secs(10 * 60);

impl CheckerState {
    /// Notes who was asked to drain, and checks a VM's deletion.
    pub(super) fn check_answer(&mut self, world: &World, at: Duration, what: &Occurrence<'_>) {
        match what {
            Occurrence::Step { vm, step: "drain" } => self.asked(world, vm, at),
            Occurrence::Call { method, path, refused: None, .. } => {
                let Some((kind, name)) = path.rsplit_once('/') else { return };
                if !kind.ends_with("/virtualMachines") {
                    return;
                }
                match *method {
                    "PATCH" if is_asked_to_drain(world, name) => self.asked(world, name, at),
                    "DELETE" if self.deleted.insert(name.to_owned()) => self.check_deletion(world, at, name),
                    _ => {}
                }
            }
            Occurrence::Event(_) | Occurrence::Step { .. } | Occurrence::Call { .. } => {}
        }
    }

    fn asked(&mut self, world: &World, vm: &str, at: Duration) {
        if !self.asked.contains_key(vm) {
            self.check_churn(world, at, vm);
        }
        self.asked.entry(vm.to_owned()).or_insert(at);
    }

    fn check_deletion(&mut self, world: &World, at: Duration, name: &str) {
        if !self.asked.contains_key(name) {
            self.check_churn(world, at, name);
        }
        let vm = world.state.azure.vms.values().find(|vm| vm.name == name);
        if !vm.is_some_and(can_answer) {
            return;
        }
        let since = at.saturating_sub(DRAIN_TIMEOUT);
        let has_waited = self.asked.get(name).is_some_and(|asked| *asked <= since + MINUTE);
        if !has_waited && !self.fault_schedule.is_stormy(since, at, LULL) {
            let what = format!("{name} was deleted while it ran, though it could have said whether it works");
            self.violate(at, Invariant::VmAnswers, what);
        }
    }
}

/// Whether a VM's user data asks it to drain. Another change of it is no question.
pub(super) fn is_asked_to_drain(world: &World, vm: &str) -> bool {
    world.state.azure.vms.values().any(|there| there.name == vm && there.is_asked_to_drain())
}

/// Whether a VM runs, has been a runner, and would answer.
fn can_answer(vm: &SimVm) -> bool {
    let guest = &vm.guest;
    vm.is_running()
        && vm.runner.is_some()
        && guest.is_up
        && guest.works
        && !guest.is_drained
        && guest.is_deaf != Some(true)
}
