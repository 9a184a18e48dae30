//! The runners of a scale set: made one by one, by a JIT configuration.

use azlin_fleet::model::Scope;

use super::ServiceRefusal;
use crate::calls::{NoRunner, Removal};
use crate::github::SimRunner;
use crate::world::World;

impl World {
    /// Makes the entry of a set's runner. Returns it with its JIT configuration.
    ///
    /// # Errors
    /// If there is no such set, or the name is in use.
    pub fn set_jit_config(
        &mut self,
        scope: &Scope,
        set: u64,
        name: &str,
    ) -> Result<(SimRunner, String), ServiceRefusal> {
        let held = self.scale_set(scope, set)?;
        let (group, labels) = (held.group, held.labels.clone());
        let made = self.jit_config(scope, name, group, labels);
        let (runner, jit) = made.map_err(|refused| match refused {
            NoRunner::NameTaken => ServiceRefusal::AgentExists,
            NoRunner::Invalid(_) => ServiceRefusal::Invalid,
        })?;
        if let Some(entry) = self.state.github.runners.get_mut(&runner.id) {
            entry.scale_set = Some(set);
        }
        Ok((SimRunner { scale_set: Some(set), ..runner }, jit))
    }

    /// The runners of a scope, those of sets and all others; only the one of a name, if there is one.
    pub fn agents(&self, scope: &Scope, name: Option<&str>) -> Vec<&SimRunner> {
        let mut all = self.state.github.runners_of(scope);
        all.retain(|runner| name.is_none_or(|name| runner.name.eq_ignore_ascii_case(name)));
        all
    }

    /// Removes a runner, unless it has a job. That there is none is no error.
    ///
    /// # Errors
    /// If it has a job.
    pub fn delete_agent(&mut self, scope: &Scope, id: u64) -> Result<(), ServiceRefusal> {
        match self.deregister(scope, id) {
            Removal::Removed | Removal::NotFound => Ok(()),
            Removal::Busy => Err(ServiceRefusal::JobStillRunning),
        }
    }
}
