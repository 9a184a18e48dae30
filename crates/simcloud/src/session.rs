//! The session of a runner on a real machine with GitHub: it polls for a job, and reports on it. It is online
//! while it polls.

use crate::azure::SimVmState;
use crate::fault::{FaultKind, random_duration};
use crate::github::{Conclusion, JobResult, SimJob};
use crate::registration::RunnerRefusal;
use crate::world::{World, WorldEvent};

/// A runner's report on its job.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// The id of the job.
    pub job: u64,
    /// How the job ended.
    pub conclusion: Conclusion,
    /// What is kept of the report.
    pub result: JobResult,
}

impl World {
    fn known(&self, runner: u64, secret: &str) -> Result<(), RunnerRefusal> {
        match self.state.github.runners.get(&runner) {
            Some(entry) if !entry.secret.is_empty() && entry.secret == secret => Ok(()),
            Some(_) => Err(RunnerRefusal::new(401, "The runner's credentials are wrong.")),
            None => Err(RunnerRefusal::new(404, "The runner registration has been deleted from the server.")),
        }
    }

    /// A runner polls. Returns its job, if it has one. `machine` is the VM that the connection comes from, and
    /// `job` the job that the runner works on: once it names one that it was sent, it has acquired it.
    ///
    /// # Errors
    /// If the runner is not registered, or its machine is being removed.
    pub fn poll(
        &mut self,
        runner: u64,
        secret: &str,
        machine: Option<&str>,
        job: Option<u64>,
    ) -> Result<Option<SimJob>, RunnerRefusal> {
        self.known(runner, secret)?;
        let now = self.now();
        let uid = self.stand_on(runner, machine)?;
        let Some(entry) = self.state.github.runners.get_mut(&runner) else { return Ok(None) };
        let is_new = entry.heard_at.replace(now).is_none();
        let was_online = std::mem::replace(&mut entry.online, true);
        entry.lost = false;
        entry.has_connected = true;
        entry.offline_since = None;
        // A JIT configuration is valid for one registration.
        let jit = std::mem::take(&mut entry.jit);
        self.state.github.jits.remove(&jit);
        if !was_online {
            self.after(self.settings.runner_silence, WorldEvent::Silent(runner));
        }
        if let Some(uid) = uid.filter(|_| is_new)
            && self.strikes(|what| matches!(what, FaultKind::Eviction))
        {
            let delay = random_duration(
                std::time::Duration::from_secs(1)..std::time::Duration::from_secs(30),
                &mut self.rng,
            );
            self.after(delay, WorldEvent::Evicted(uid));
        }
        if let Some(job) = job {
            self.acquire(runner, job);
        }
        self.assign();
        let job = self.state.github.runners.get(&runner).and_then(|entry| entry.job);
        Ok(job.and_then(|job| self.state.github.jobs.get(&job)).cloned())
    }

    /// Records the VM of a runner. Returns the VM's number.
    fn stand_on(&mut self, runner: u64, machine: Option<&str>) -> Result<Option<u64>, RunnerRefusal> {
        let Some(name) = machine else { return Ok(None) };
        let vm = self.state.azure.vms.values_mut().find(|vm| vm.name == name);
        match vm {
            Some(vm) if vm.guest.is_mute => {
                Err(RunnerRefusal::new(503, "A fault keeps this machine from GitHub."))
            }
            Some(vm) if vm.is_running() && vm.state != SimVmState::Deleting => {
                vm.runner = Some(runner);
                Ok(Some(vm.uid))
            }
            // GitHub does not hear a machine that is being removed.
            _ => Err(RunnerRefusal::new(503, "The machine is being removed.")),
        }
    }

    /// A job on a real machine has ended.
    ///
    /// # Errors
    /// If the runner is not registered, or does not have this job.
    pub fn report_job(&mut self, runner: u64, secret: &str, report: JobReport) -> Result<(), RunnerRefusal> {
        self.known(runner, secret)?;
        self.stand_on(runner, report.result.machine.as_deref())?;
        if !self.acquire(runner, report.job) {
            return Err(RunnerRefusal::new(409, "The runner does not have this job."));
        }
        if let Some(job) = self.state.github.jobs.get_mut(&report.job) {
            job.result = Some(report.result);
        }
        match report.conclusion {
            Conclusion::Success | Conclusion::Failure => self.statistics.jobs_completed += 1,
            // The runner's service was stopped.
            Conclusion::Cancelled => self.statistics.jobs_killed += 1,
        }
        self.complete(report.job, report.conclusion);
        self.job_ends(runner);
        self.assign();
        Ok(())
    }

    /// A runner ends its session, and is offline at once.
    ///
    /// # Errors
    /// If the runner is not registered.
    pub fn end_session(&mut self, runner: u64, secret: &str) -> Result<(), RunnerRefusal> {
        self.known(runner, secret)?;
        self.goes_offline(runner);
        Ok(())
    }

    pub(crate) fn silent(&mut self, runner: u64) {
        let (now, limit) = (self.now(), self.settings.runner_silence);
        let Some(entry) = self.state.github.runners.get(&runner).filter(|entry| entry.online) else { return };
        let Some(heard_at) = entry.heard_at else { return };
        let quiet = std::time::Duration::try_from(now.duration_since(heard_at)).unwrap_or_default();
        if quiet >= limit {
            self.goes_offline(runner);
        } else {
            self.after(limit - quiet, WorldEvent::Silent(runner));
        }
    }

    fn goes_offline(&mut self, runner: u64) {
        if self.disconnect(Some(runner)) {
            self.statistics.jobs_lost_to_faults += 1;
        }
    }

    /// A real machine has powered itself off.
    pub(crate) fn powered_off(&mut self, uid: u64) {
        self.dies(uid);
        self.assign();
    }
}
