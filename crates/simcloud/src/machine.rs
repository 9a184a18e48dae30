//! The life of a VM after its creation: it boots, reads its custom data, becomes a runner, runs jobs, stops.
//! And what happens to its job when it is lost.

use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{OrphanKind, elapsed};
use rand::RngExt;

use crate::azure::{SimPower, SimResource, SimVm, SimVmState};
use crate::fault::{FaultKind, random_duration};
use crate::github::{Conclusion, JobState, SimJob};
use crate::given::HOSTED;
use crate::operations::OperationKind;
use crate::world::{World, WorldEvent};

/// How long after its creation Azure may call a VM failed that runs.
const LATEST_IMPAIRMENT: Duration = Duration::from_secs(600);
/// How long Azure keeps the NIC of a VM that it failed to create.
const NIC_RESERVED: Duration = Duration::from_secs(180);

impl World {
    pub(crate) fn vm(&mut self, uid: u64) -> Option<&mut SimVm> {
        let key = self.by_uid.get(&uid)?;
        self.state.azure.vms.get_mut(key).filter(|vm| vm.uid == uid)
    }

    pub(crate) fn made(&mut self, uid: u64) {
        let now = self.now();
        let boots = !self.strikes(|what| matches!(what, FaultKind::NeverBoots));
        let impairment = self.impairment();
        let is_mute =
            self.settings.real_machines && self.strikes(|what| matches!(what, FaultKind::NeverRegisters));
        let Some(vm) = self.vm(uid).filter(|vm| vm.state == SimVmState::Creating) else { return };
        vm.changed_at = now;
        if let Some(code) = vm.failure.clone() {
            vm.state = SimVmState::Failed;
            let size = vm.size().to_owned();
            return self.creation_fails(uid, &code, &size);
        }
        vm.state = SimVmState::Succeeded;
        vm.power = Some(SimPower::Running);
        vm.guest.works = boots;
        vm.guest.is_mute = is_mute;
        vm.failure = impairment.as_ref().map(|(code, _)| code.clone());
        if let Some((_, delay)) = impairment {
            self.after(delay, WorldEvent::Impaired(uid));
        }
        self.succeeds(OperationKind::Create, uid);
        if boots && !self.settings.real_machines {
            let boot = random_duration(self.settings.boot.clone(), &mut self.rng);
            self.after(boot, WorldEvent::Booted(uid));
        }
    }

    /// Why Azure will call a VM failed that runs, and how long after its creation; `None` where it will not.
    fn impairment(&mut self) -> Option<(String, Duration)> {
        let mut named = None;
        let strikes = self.strikes(|what| match what {
            FaultKind::FailsRunning(code) => {
                named.clone_from(code);
                true
            }
            _ => false,
        });
        if !strikes {
            return None;
        }
        if let Some(code) = named {
            return Some((code, Duration::ZERO));
        }
        let is_late = self.rng.random_bool(0.3);
        let code = if is_late { "OSProvisioningTimedOut" } else { "VMExtensionProvisioningError" };
        let is_at_once = self.rng.random_bool(0.5);
        let later = random_duration(Duration::ZERO..LATEST_IMPAIRMENT, &mut self.rng);
        Some((code.to_owned(), if is_at_once { Duration::ZERO } else { later }))
    }

    pub(crate) fn impaired(&mut self, uid: u64) {
        let now = self.now();
        if let Some(vm) = self.vm(uid).filter(|vm| vm.state == SimVmState::Succeeded) {
            vm.state = SimVmState::Failed;
            vm.changed_at = now;
        }
    }

    /// cloud-init reads the custom data once.
    pub(crate) fn booted(&mut self, uid: u64) {
        let starts = !self.strikes(|what| matches!(what, FaultKind::NeverRegisters));
        let Some(vm) = self.vm(uid).filter(|vm| vm.is_running()) else { return };
        vm.guest.is_up = true;
        vm.guest.works = starts;
        let text = Arc::clone(&vm.custom_data);
        if let Some(limit) = vm.dead_mans_switch() {
            self.after(limit, WorldEvent::Watch(uid));
        }
        let is_blob = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let mut words = text.split(|c: char| !is_blob(c)).filter(|word| word.len() > 100);
        let runner = words.find_map(|word| self.runner_of_jit(word));
        self.reads_user_data(uid);
        if self.vm(uid).is_some_and(|vm| vm.is_for_standby) {
            if starts {
                self.standby_boots(uid);
            }
            return;
        }
        if let Some(runner) = runner.filter(|_| starts) {
            let setup = random_duration(self.settings.setup.clone(), &mut self.rng);
            let register = random_duration(self.settings.register.clone(), &mut self.rng);
            self.after(setup + register, WorldEvent::Online(uid, runner));
        }
    }

    pub(crate) fn online(&mut self, uid: u64, runner: u64) {
        let is_up = self.is_running_on(uid, runner);
        let Some(entry) = self.state.github.runners.get_mut(&runner).filter(|_| is_up) else { return };
        entry.online = true;
        entry.offline_since = None;
        entry.lost = false;
        entry.has_connected = true;
        let waiting = entry.job;
        let jit = std::mem::take(&mut entry.jit);
        // A JIT configuration is valid for one registration.
        self.state.github.jits.remove(&jit);
        let before = self.vm(uid).and_then(|vm| vm.runner.replace(runner));
        self.statistics.vms_used_again += u32::from(before.is_some_and(|before| before != runner));
        if let Some(job) = waiting {
            self.acquire(runner, job);
        }
        if self.strikes(|what| matches!(what, FaultKind::Eviction)) {
            let delay = random_duration(Duration::from_secs(1)..Duration::from_secs(30), &mut self.rng);
            self.after(delay, WorldEvent::Evicted(uid));
        }
    }

    /// A job ends, and its ephemeral runner removes itself.
    pub(crate) fn done(&mut self, job: u64) {
        let Some(runner) = self.state.github.jobs.get(&job).and_then(|job| job.runner.clone()) else {
            return;
        };
        if runner.0 == HOSTED {
            self.statistics.jobs_completed += 1;
            self.complete(job, Conclusion::Success);
            return;
        }
        let runs = self
            .state
            .github
            .runners
            .get(&runner.0)
            .is_some_and(|entry| entry.online && entry.job == Some(job));
        if !runs {
            return; // Its machine was lost meanwhile.
        }
        self.statistics.jobs_completed += 1;
        self.complete(job, Conclusion::Success);
        self.job_ends(runner.0);
    }

    /// An ephemeral runner removes itself after its job. Any other runner waits for the next job.
    pub(crate) fn job_ends(&mut self, runner: u64) {
        let Some(entry) = self.state.github.runners.get_mut(&runner) else { return };
        entry.job = None;
        let now = self.now();
        if let Some(vm) = self.state.azure.vms.values_mut().find(|vm| vm.runner == Some(runner)) {
            vm.idle_since = Some(now);
        }
        let Some(entry) = self.state.github.runners.get_mut(&runner) else { return };
        if entry.ephemeral || entry.is_hidden {
            self.entry_ends(runner);
            self.runner_ends(runner);
            // The runner's program deletes at its end what `config.sh` wrote.
            let vm = self.state.azure.vms.values_mut().find(|vm| vm.runner == Some(runner));
            if let Some(vm) = vm {
                vm.guest.runner_id = None;
            }
        }
    }

    /// The runner's program on a VM ends. Its unit may power the VM off.
    pub(crate) fn runner_ends(&mut self, runner: u64) {
        let Some(vm) = self.state.azure.vms.values_mut().find(|vm| vm.runner == Some(runner)) else { return };
        vm.guest.service = vm.guest.service.map(|_| false);
        let powers_off = vm.guest.powers_off || vm.custom_data.contains("poweroff");
        let uid = vm.uid;
        if powers_off && !self.settings.real_machines {
            self.after(Duration::from_secs(2), WorldEvent::Off(uid));
        }
    }

    /// The dead man's switch: powers the VM off after the time without a job in its custom data; else checks
    /// again later.
    pub(crate) fn has_had_no_job(&mut self, uid: u64) {
        let now = self.now();
        let Some(vm) = self.vm(uid).filter(|vm| vm.is_running()) else { return };
        let (limit, runner, idle_since) =
            (vm.dead_mans_switch().unwrap_or_default(), vm.runner, vm.idle_since);
        let entry = runner.and_then(|runner| self.state.github.runners.get(&runner));
        let is_busy = entry.is_some_and(|entry| entry.online && entry.job.is_some());
        let idle = idle_since.map_or(limit, |since| elapsed(since, now));
        if is_busy || idle < limit {
            self.after(if is_busy { limit } else { limit - idle }, WorldEvent::Watch(uid));
            return;
        }
        self.dies(uid);
    }

    pub(crate) fn off(&mut self, uid: u64) {
        if let Some(vm) = self.vm(uid).filter(|vm| vm.is_running()) {
            vm.power = Some(SimPower::Stopped);
        }
    }

    /// A VM dies, with the connection of its runner.
    pub(crate) fn dies(&mut self, uid: u64) {
        let Some(vm) = self.vm(uid).filter(|vm| vm.state != SimVmState::Deleting) else { return };
        vm.power = Some(SimPower::Stopped);
        let runner = vm.runner;
        if self.disconnect(runner) {
            self.statistics.jobs_lost_to_faults += 1;
        }
    }

    /// Azure evicts a VM: it deletes it, or deallocates it with everything on it.
    pub(crate) fn evicted(&mut self, uid: u64) {
        let is_removed = self.vm(uid).is_some_and(|vm| {
            vm.state != SimVmState::Deleting && vm.body["properties"]["evictionPolicy"] == "Delete"
        });
        self.dies(uid);
        if let Some(vm) = self.vm(uid).filter(|_| is_removed) {
            vm.state = SimVmState::Deleting;
            let leaks = vm.leaks();
            self.statistics.vms_leaking += u64::from(leaks);
            let delay = random_duration(self.settings.delete.clone(), &mut self.rng);
            self.after(delay, WorldEvent::Gone(uid));
        }
    }

    pub(crate) fn gone(&mut self, uid: u64) {
        if self.vm(uid).is_some_and(|vm| vm.machine.is_some()) {
            // Azure lists a VM while anything of it exists.
            self.after(Duration::from_millis(50), WorldEvent::Gone(uid));
            return;
        }
        self.succeeds(OperationKind::Delete, uid);
        let Some(key) = self.by_uid.remove(&uid) else { return };
        if self.state.azure.vms.get(&key).is_none_or(|vm| vm.uid != uid) {
            return;
        }
        let Some(vm) = self.state.azure.vms.remove(&key) else { return };
        let free = vm.parts().into_iter().map(|part| SimResource { vm: None, ..part });
        if vm.leaks() || self.strikes(|what| matches!(what, FaultKind::LeavesBehind)) {
            self.state.azure.left.extend(free.map(|part| (part.id.to_ascii_lowercase(), part)));
        } else if vm.power.is_none() && self.strikes(|what| matches!(what, FaultKind::NicReserved)) {
            let until = self.now() + NIC_RESERVED;
            let nics = free.filter(|part| part.kind == OrphanKind::NetworkInterface);
            let nics = nics.map(|nic| SimResource { reserved: Some((until, vm.id())), ..nic });
            self.state.azure.left.extend(nics.map(|nic| (nic.id.to_ascii_lowercase(), nic)));
        }
    }

    /// Ends a runner's connection. Returns whether a job was lost with it. GitHub reports the runner as busy
    /// until it notices.
    pub(crate) fn disconnect(&mut self, runner: Option<u64>) -> bool {
        let now = self.now();
        let Some(entry) = runner.and_then(|id| self.state.github.runners.get_mut(&id)) else { return false };
        let was_connected = std::mem::replace(&mut entry.online, false);
        entry.lost = true;
        entry.offline_since.get_or_insert(now);
        let (id, job) = (entry.id, entry.job);
        self.after(self.settings.entry_limit, WorldEvent::Forget(id));
        let runs = job.and_then(|job| self.state.github.jobs.get(&job));
        let is_its = |job: &SimJob| job.runner.as_ref().is_some_and(|(its, _)| *its == id);
        let loses_job =
            was_connected && runs.is_some_and(|job| job.state == JobState::InProgress && is_its(job));
        if loses_job {
            let delay = self.settings.lost_after;
            self.after(delay, WorldEvent::Lost(id));
        }
        loses_job
    }

    pub(crate) fn lost(&mut self, runner: u64) {
        if self.state.github.runners.get(&runner).is_some_and(|entry| entry.online) {
            return; // It is back.
        }
        let job = self.state.github.runners.get_mut(&runner).and_then(|entry| entry.job.take());
        if let Some(job) = job {
            self.complete(job, Conclusion::Failure);
            let (now, stays) = (self.now(), self.entry_stays());
            if let Some(entry) = self.state.github.runners.get_mut(&runner).filter(|entry| entry.ephemeral) {
                entry.stays_until = stays.map(|time| now + time);
            }
        }
        if self.state.github.runners.get(&runner).is_some_and(|entry| entry.is_hidden) {
            // Nobody sees it, and now nobody works for it either.
            self.state.github.runners.remove(&runner);
        }
    }
}

#[cfg(test)]
mod tests;
