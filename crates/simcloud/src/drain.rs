//! How a simulated VM drains when it is asked to: by its user data, which it reads every few seconds, or over
//! SSH. The VM is the witness: it looks whether a job runs on it, whatever GitHub says.
//!
//! The listener is ended without a word to GitHub. So the entry stays online for a moment, and a job that
//! GitHub gives it in that moment goes back to the queue after a while.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::DrainAnswer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::azure::{SimVm, key};
use crate::fault::{FaultKind, random_duration};
use crate::world::{World, WorldEvent};

/// The first word of the user data of a VM that shall drain.
const DRAIN: &str = "azlin-drain";
/// How often a guest reads its user data.
const READS_EVERY: Duration = Duration::from_secs(5);

impl World {
    /// Asks a simulated VM to drain, as a program on it would.
    pub fn drain(&mut self, uid: u64) -> DrainAnswer {
        let Some(vm) = self.vm(uid).filter(|vm| vm.is_running() && !vm.guest.is_drained) else {
            return DrainAnswer::Ended;
        };
        let runner = vm.runner.or(vm.guest.runner_id);
        let entry = runner.and_then(|id| self.state.github.runners.get_mut(&id));
        if entry.as_ref().is_some_and(|entry| entry.job.is_some()) {
            return DrainAnswer::Busy;
        }
        if let Some(entry) = entry {
            entry.is_abandoned = true;
            let id = entry.id;
            let notices = random_duration(Duration::from_secs(2)..Duration::from_secs(30), &mut self.rng);
            self.after(notices, WorldEvent::Offline(id));
        }
        if let Some(vm) = self.vm(uid) {
            vm.guest.is_drained = true;
            vm.guest.service = vm.guest.service.map(|_| false);
        }
        self.after(Duration::from_secs(2), WorldEvent::Off(uid));
        DrainAnswer::Ended
    }

    /// Sets a VM's user data, as a PATCH does; false if there is no such VM.
    pub fn set_user_data(&mut self, subscription: &str, group: &str, name: &str, text: &str) -> bool {
        let Some(vm) = self.state.azure.vms.get_mut(&key(subscription, group, name)) else { return false };
        Arc::make_mut(&mut vm.body)["properties"]["userData"] = json!(text);
        let uid = vm.uid;
        self.reads_user_data(uid);
        true
    }

    /// Sets a VM's tags, as a PATCH does: they replace all that it has.
    pub(crate) fn set_tags(&mut self, subscription: &str, group: &str, name: &str, tags: &serde_json::Value) {
        if let Some(vm) = self.state.azure.vms.get_mut(&key(subscription, group, name)) {
            Arc::make_mut(&mut vm.body)["tags"] = tags.clone();
        }
    }

    /// A guest that is up reads its user data from now on, if that asks it to drain.
    pub(crate) fn reads_user_data(&mut self, uid: u64) {
        let is_real = self.settings.real_machines;
        let Some(vm) = self.vm(uid).filter(|vm| vm.guest.is_up && vm.guest.works && !is_real) else { return };
        let asks = drain_request(&vm.body).is_some();
        if asks && !std::mem::replace(&mut vm.guest.is_draining, true) {
            let wait = random_duration(Duration::from_secs(1)..Duration::from_secs(6), &mut self.rng);
            self.after(wait, WorldEvent::Drain(uid));
        }
    }

    /// A guest reads its user data.
    pub(crate) fn drains(&mut self, uid: u64) {
        let Some(vm) = self.vm(uid).filter(|vm| vm.is_running()) else { return };
        let request = drain_request(&vm.body);
        vm.guest.is_draining = request.is_some();
        let Some(request) = request else { return };
        if self.is_deaf(uid) {
            return;
        }
        if self.drain(uid) == DrainAnswer::Busy {
            if let Some(vm) = self.vm(uid) {
                vm.guest.refusal = Some(format!("{request}: busy"));
            }
            self.after(READS_EVERY, WorldEvent::Drain(uid));
        }
    }

    /// Whether a fault keeps a VM from answering when it is asked to drain. It is drawn once for each VM.
    pub(crate) fn is_deaf(&mut self, uid: u64) -> bool {
        if let Some(known) = self.vm(uid).and_then(|vm| vm.guest.is_deaf) {
            return known;
        }
        let is_deaf = self.strikes(|what| matches!(what, FaultKind::GuestDeaf));
        if let Some(vm) = self.vm(uid) {
            vm.guest.is_deaf = Some(is_deaf);
        }
        is_deaf
    }
}

impl SimVm {
    /// Whether its user data asks it to drain. It may hold the word that a registration was sent to it instead.
    pub fn is_asked_to_drain(&self) -> bool {
        drain_request(&self.body).is_some()
    }
}

/// The user data of a VM, if it asks the VM to drain.
fn drain_request(body: &serde_json::Value) -> Option<String> {
    let encoded = body["properties"]["userData"].as_str()?;
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (text.split_whitespace().next() == Some(DRAIN)).then_some(text)
}

#[cfg(test)]
mod tests;
