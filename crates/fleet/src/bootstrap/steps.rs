//! The decisions of a bootstrap over SSH: the next step follows from what a probe finds on the machine.
//!
//! Each step can be repeated, and the next probe finds what was done. So a crash needs no special case.

use crate::model::{Download, RunnerId};

use crate::model::Step;

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// The version of the runner program. Absent means that there is no program.
    pub version: Option<String>,
    /// The id and name of the runner that the machine is: of a JIT configuration that waits or is at work, or in `.runner`.
    pub configured: Option<(RunnerId, String)>,
    /// The id and name of an earlier configuration. An ephemeral runner removes `.runner` when it ends.
    pub registered: Option<(RunnerId, String)>,
    /// Whether the runner's service runs.
    pub is_active: bool,
    /// Whether a job runs.
    pub runs_job: bool,
    /// Whether `installdependencies.sh` has run.
    pub has_dependencies: bool,
    /// Whether the machine is set up as its fleet says.
    pub is_set_up: bool,
}

impl ProbeResult {
    /// Parses the output of a probe. Unknown lines are ignored.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn parse(text: &str) -> Result<ProbeResult, String> {
        let value = |name: &str| {
            let line = text.lines().filter_map(|line| line.trim_end().split_once('='));
            line.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
        };
        let required = |name: &str| value(name).ok_or_else(|| format!("the probe did not tell {name}"));
        let named = |id: &str, name: &str| Some((RunnerId(id.parse().ok()?), name.to_owned()));
        Ok(ProbeResult {
            version: Some(required("version")?.to_owned()).filter(|version| !version.is_empty()),
            configured: named(required("runner_id")?, required("runner_name")?),
            registered: required("registered")?.split_once(' ').and_then(|(id, name)| named(id, name)),
            is_active: required("service")? == "active",
            runs_job: required("job")? == "running",
            has_dependencies: required("dependencies")? == "installed",
            is_set_up: required("setup")? == "done",
        })
    }
}

impl ProbeResult {
    /// What a probe would find after a step, which saves that probe.
    ///
    /// # Errors
    /// A sentence that says what the step did not print.
    pub fn after(mut self, step: &Step, printed: &str) -> Result<ProbeResult, String> {
        match step {
            Step::Probe => return ProbeResult::parse(printed),
            Step::Setup(_) => self.is_set_up = true,
            Step::Fetch(download) => self.version = Some(download.version().unwrap_or("unknown").to_owned()),
            Step::Dependencies => self.has_dependencies = true,
            Step::Register(runner) => {
                self.is_registered_as(runner.runner_id, &runner.name);
            }
            Step::Configure(config) => {
                let id = printed.lines().rev().find_map(|line| line.trim_end().strip_prefix("runner_id="));
                let id = id.and_then(|id| id.parse().ok()).map(RunnerId);
                let id = id.ok_or("config.sh has not told the runner's id")?;
                self.is_registered_as(id, &config.name);
            }
            Step::Start => self.is_active = true,
            Step::Drain => self.is_active = false,
        }
        Ok(self)
    }

    fn is_registered_as(&mut self, id: RunnerId, name: &str) {
        self.configured = Some((id, name.to_owned()));
        self.registered = self.configured.clone();
        // The service and job belonged to another runner.
        (self.is_active, self.runs_job) = (false, false);
    }
}

/// The runner that the machine should have.
#[derive(Debug, Clone)]
pub struct WantedRunner<'a> {
    /// The runner's name.
    pub name: &'a str,
    /// The runner program.
    pub download: &'a Download,
    /// Whether `installdependencies.sh` must run.
    pub dependencies: bool,
    /// Whether the machine gets something beside the runner.
    pub setup: bool,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// The machine is not set up as its fleet says.
    Setup,
    /// The runner program is missing, or has another version.
    Fetch,
    /// The system lacks packages that the runner program needs.
    Dependencies,
    /// The runner is not registered: [`Step::Register`] for one job, [`Step::Configure`] for several.
    Configure,
    /// The runner is registered, and its service does not run.
    Start,
    /// The runner's service runs.
    Done(RunnerId),
    /// The runner was registered, and is not registered any more: it had its job, or was removed.
    Ended(RunnerId),
}

/// What a VM's user data says once a registration was sent to it. The VM's metadata service shows it, and nothing on the VM
/// can change it.
pub const REGISTERED: &str = "azlin-registered";

/// Why a machine gets no registration a second time: a job may have run on it, as root, and whatever it says of itself may be
/// that job's.
pub const WAS_REGISTERED: &str = "a registration was sent to this VM before, and it says that it was never configured: \
    it gets no other one";

/// The next step on a machine. An image may hold traces of another runner, from whose machine it was made.
/// They are ignored.
pub fn next(found: &ProbeResult, wanted: &WantedRunner<'_>) -> NextStep {
    match (own(&found.configured, wanted), own(&found.registered, wanted)) {
        (Some(id), _) if found.runs_job || found.is_active => NextStep::Done(id),
        (Some(_), _) => NextStep::Start,
        (None, Some(id)) => NextStep::Ended(id),
        (None, None) if wanted.setup && !found.is_set_up => NextStep::Setup,
        (None, None) if !has_program(found, wanted.download) => NextStep::Fetch,
        (None, None) if wanted.dependencies && !found.has_dependencies => NextStep::Dependencies,
        (None, None) => NextStep::Configure,
    }
}

/// GitHub's id of the runner, if it was registered from this machine.
pub fn runner_id(found: &ProbeResult, wanted: &WantedRunner<'_>) -> Option<RunnerId> {
    own(&found.configured, wanted).or_else(|| own(&found.registered, wanted))
}

fn own(trace: &Option<(RunnerId, String)>, wanted: &WantedRunner<'_>) -> Option<RunnerId> {
    let (id, name) = trace.as_ref()?;
    name.eq_ignore_ascii_case(wanted.name).then_some(*id)
}

/// Whether the machine has the version that GitHub offers. Any version counts if GitHub's is not known.
fn has_program(found: &ProbeResult, download: &Download) -> bool {
    match (&found.version, download.version()) {
        (Some(found), Some(offered)) => found == offered,
        (found, _) => found.is_some(),
    }
}

#[cfg(test)]
mod tests;
