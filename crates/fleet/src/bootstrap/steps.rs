//! Bootstrap by SSH, as a decision: from what is found on the machine follows the next step.
//!
//! Each step can be repeated, and what was done is found again by the next probe. So whoever comes
//! after a crash begins like everybody else.

use crate::model::{Download, RunnerId};

pub use crate::model::{Configure, RUNNER_PATH, Step};

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The version of the runner's program, if there is one.
    pub version: Option<String>,
    /// The id and name in `.runner`: it is configured.
    pub configured: Option<(RunnerId, String)>,
    /// The id and name that it was configured with before. An ephemeral runner removes `.runner` at
    /// its end.
    pub registered: Option<(RunnerId, String)>,
    /// Whether its service runs.
    pub is_active: bool,
    /// Whether a job runs.
    pub runs_job: bool,
    /// Whether `installdependencies.sh` has run.
    pub has_dependencies: bool,
}

impl Found {
    /// Reads what a probe printed; lines that it does not know are left out.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(text: &str) -> Result<Found, String> {
        let value = |name: &str| {
            let line = text.lines().filter_map(|line| line.trim_end().split_once('='));
            line.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
        };
        let required = |name: &str| value(name).ok_or_else(|| format!("the probe did not tell {name}"));
        let named = |id: &str, name: &str| Some((RunnerId(id.parse().ok()?), name.to_owned()));
        Ok(Found {
            version: Some(required("version")?.to_owned()).filter(|version| !version.is_empty()),
            configured: named(required("runner_id")?, required("runner_name")?),
            registered: required("registered")?.split_once(' ').and_then(|(id, name)| named(id, name)),
            is_active: required("service")? == "active",
            runs_job: required("job")? == "running",
            has_dependencies: required("dependencies")? == "installed",
        })
    }
}

impl Found {
    /// What a probe would find after a step, so that none is needed.
    ///
    /// # Errors
    /// What the step did not tell.
    pub fn after(mut self, step: &Step, printed: &str) -> Result<Found, String> {
        match step {
            Step::Probe => return Found::parse(printed),
            Step::Fetch(download) => self.version = Some(download.version().unwrap_or("unknown").to_owned()),
            Step::Dependencies => self.has_dependencies = true,
            Step::Configure(config) => {
                let id = printed.lines().rev().find_map(|line| line.trim_end().strip_prefix("runner_id="));
                let id = id.and_then(|id| id.parse().ok()).map(RunnerId);
                let id = id.ok_or("config.sh has not told the runner's id")?;
                self.configured = Some((id, config.name.clone()));
                self.registered = self.configured.clone();
                // What ran before was another runner's.
                (self.is_active, self.runs_job) = (false, false);
            }
            Step::Start { .. } => self.is_active = true,
            Step::Stop => self.is_active = false,
        }
        Ok(self)
    }
}

/// What is to be on the machine.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The runner's name.
    pub name: &'a str,
    /// The runner's program.
    pub download: &'a Download,
    /// Whether `installdependencies.sh` is to run.
    pub dependencies: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The program is missing, or is another version.
    Fetch,
    /// The system lacks what the program needs.
    Dependencies,
    /// It is not registered.
    Configure,
    /// It is registered, and does not run.
    Start,
    /// It runs.
    Done(RunnerId),
    /// It was registered, and is no more: it had its job, or was removed.
    Ended(RunnerId),
}

/// What comes next on a machine that is as it was found. Another runner's traces, in an image that was
/// made of its machine, count for nothing.
pub fn next(found: &Found, wanted: &Wanted<'_>) -> Next {
    match (own(&found.configured, wanted), own(&found.registered, wanted)) {
        (Some(id), _) if found.runs_job || found.is_active => Next::Done(id),
        (Some(_), _) => Next::Start,
        (None, Some(id)) => Next::Ended(id),
        (None, None) if !has_program(found, wanted.download) => Next::Fetch,
        (None, None) if wanted.dependencies && !found.has_dependencies => Next::Dependencies,
        (None, None) => Next::Configure,
    }
}

/// GitHub's number of the runner, once it was registered from the machine.
pub fn runner_id(found: &Found, wanted: &Wanted<'_>) -> Option<RunnerId> {
    own(&found.configured, wanted).or_else(|| own(&found.registered, wanted))
}

fn own(trace: &Option<(RunnerId, String)>, wanted: &Wanted<'_>) -> Option<RunnerId> {
    let (id, name) = trace.as_ref()?;
    name.eq_ignore_ascii_case(wanted.name).then_some(*id)
}

/// Whether the machine has the program in the version that GitHub offers; in any, where that is not told.
fn has_program(found: &Found, download: &Download) -> bool {
    match (&found.version, download.version()) {
        (Some(found), Some(offered)) => found == offered,
        (found, _) => found.is_some(),
    }
}

#[cfg(test)]
mod tests;
