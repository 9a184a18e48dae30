//! GitHub's service of runner scale sets: GitHub assigns jobs to a set, reports that by messages, and the set's owner
//! makes a runner for each.
//!
//! The rules are those that others have measured, since GitHub documents none of them:
//! - A set has one session, and its messages outlive it. What was not deleted comes again.
//! - A job is assigned to one set alone, and goes to any runner of that set. If no runner takes it in time, the
//!   assignment lapses, and the job is assigned anew under another id.
//! - Statistics are a level. Messages are news of what has changed.

mod jobs;
mod messages;
mod runners;
mod sessions;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::model::Scope;
use jiff::Timestamp;
use tokio::sync::Notify;

pub use jobs::{NewsKind, SetNews};
pub use messages::{PolledMessage, SetStatistics, SimMessage};
pub(crate) use sessions::OpenSession;
pub use sessions::SimSetSession;
pub(crate) use tokens::AdminToken;

use crate::registration::group_id;
use crate::scale_set_fault::ScaleSetFault;
use crate::world::World;

/// The service's own state.
#[derive(Debug, Default)]
pub struct ScaleSetService {
    /// The sets, by id.
    pub sets: BTreeMap<u64, SimScaleSet>,
    /// Tokens of clients that have signed in.
    pub(crate) admins: BTreeMap<String, AdminToken>,
    /// The set and the session of each token of a message queue, with the token's end.
    pub(crate) queue_tokens: BTreeMap<String, (u64, String, Timestamp)>,
}

/// A scale set.
#[derive(Debug)]
pub struct SimScaleSet {
    /// Its id.
    pub id: u64,
    /// Where it is registered.
    pub scope: Scope,
    /// Its name, which is unique in its group.
    pub name: String,
    /// The id of its runner group.
    pub group: u64,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether its runners do not update themselves.
    pub disable_update: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its session, until that is deleted or replaced.
    pub session: Option<SimSetSession>,
    /// The messages that nobody has deleted, by id.
    pub log: BTreeMap<u64, SimMessage>,
    /// The id of the next message.
    pub(crate) next_message: u64,
    /// How many jobs it may hold, as the last poll said; 0 before the first.
    pub capacity: u32,
    /// The jobs that it holds, or is offered.
    pub(crate) jobs: BTreeMap<u64, jobs::HeldJob>,
    /// What no message has reported yet.
    pub(crate) news: Vec<SetNews>,
    /// Notified when there is a message.
    pub(crate) has_message: Arc<Notify>,
}

/// What a client asks a scale set to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedScaleSet {
    /// Its name.
    pub name: Option<String>,
    /// The id of its runner group.
    pub group: Option<u64>,
    /// Its labels. Without any its name is its only label.
    pub labels: Option<Vec<String>>,
    /// Whether its runners do not update themselves.
    pub disable_update: Option<bool>,
}

/// Why the service refuses a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceRefusal {
    /// The name is taken in the group.
    SetExists,
    /// There is no such set.
    NoSet,
    /// The set has a session.
    SessionConflict,
    /// The session is over.
    SessionExpired,
    /// The token is not valid.
    InvalidToken,
    /// A runner of that name exists.
    AgentExists,
    /// There is no such runner.
    NoAgent,
    /// The runner has a job.
    JobStillRunning,
    /// The request cannot be read.
    Invalid,
    /// There is no such address.
    NoRoute,
}

impl ServiceRefusal {
    /// The status and the name of the exception; no name where the answer is plain text.
    pub fn parts(self) -> (u16, Option<&'static str>) {
        match self {
            ServiceRefusal::SetExists => (400, Some("RunnerScaleSetExistsException")),
            ServiceRefusal::NoSet => (404, Some("RunnerScaleSetNotFoundException")),
            ServiceRefusal::SessionConflict => (409, Some("RunnerScaleSetSessionConflictException")),
            ServiceRefusal::SessionExpired => (400, Some("RunnerScaleSetSessionExpiredException")),
            ServiceRefusal::InvalidToken => (401, Some("InvalidTokenException")),
            ServiceRefusal::AgentExists => (409, Some("TaskAgentExistsException")),
            ServiceRefusal::NoAgent => (404, Some("TaskAgentNotFoundException")),
            ServiceRefusal::JobStillRunning => (400, Some("TaskAgentJobStillRunningException")),
            ServiceRefusal::Invalid => (400, None),
            ServiceRefusal::NoRoute => (404, None),
        }
    }
}

impl SimScaleSet {
    /// Its live session at this time, if it has one.
    pub fn live_session(&self, now: Timestamp) -> Option<&SimSetSession> {
        self.session.as_ref().filter(|session| session.is_live(now))
    }

    fn is_of(&self, scope: &Scope) -> bool {
        self.scope.to_string().eq_ignore_ascii_case(&scope.to_string())
    }
}

impl World {
    /// The sets of a scope.
    pub fn scale_sets(&self, scope: &Scope) -> Vec<&SimScaleSet> {
        self.scale_sets.sets.values().filter(|set| set.is_of(scope)).collect()
    }

    /// A set of a scope.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn scale_set(&self, scope: &Scope, id: u64) -> Result<&SimScaleSet, ServiceRefusal> {
        self.scale_sets.sets.get(&id).filter(|set| set.is_of(scope)).ok_or(ServiceRefusal::NoSet)
    }

    /// The groups of a scope, by id. A repository has the default group alone.
    pub fn scale_set_groups(scope: &Scope) -> Vec<(u64, &'static str)> {
        let all = [(1, "Default"), (group_id("builders"), "builders")];
        if matches!(scope, Scope::Repo(_)) { all[..1].to_vec() } else { all.to_vec() }
    }

    /// Makes a set. Returns its id.
    ///
    /// # Errors
    /// If its name is taken in its group, or the request is not one.
    pub fn create_scale_set(&mut self, scope: &Scope, asked: AskedScaleSet) -> Result<u64, ServiceRefusal> {
        let name = asked.name.filter(|name| !name.is_empty()).ok_or(ServiceRefusal::Invalid)?;
        let group = asked.group.unwrap_or(1);
        if !World::scale_set_groups(scope).iter().any(|(id, _)| *id == group) {
            return Err(ServiceRefusal::Invalid);
        }
        let is_same = |set: &SimScaleSet| set.group == group && set.name.eq_ignore_ascii_case(&name);
        if self.scale_sets(scope).into_iter().any(is_same) {
            return Err(ServiceRefusal::SetExists);
        }
        let labels = asked.labels.filter(|labels| !labels.is_empty());
        let mut labels = labels.unwrap_or_else(|| vec![name.clone()]);
        if self.set_fault(ScaleSetFault::LabelsDropped) {
            labels.truncate(1);
        }
        let id = self.state.github.number();
        let set = SimScaleSet {
            id,
            scope: scope.clone(),
            name,
            group,
            labels,
            disable_update: asked.disable_update.unwrap_or_default(),
            created_at: self.now(),
            session: None,
            log: BTreeMap::new(),
            next_message: 1,
            capacity: 0,
            jobs: BTreeMap::new(),
            news: Vec::new(),
            has_message: Arc::default(),
        };
        self.scale_sets.sets.insert(id, set);
        Ok(id)
    }

    /// Changes a set.
    ///
    /// # Errors
    /// If there is none of that id, or its new name is taken.
    pub fn change_scale_set(
        &mut self,
        scope: &Scope,
        id: u64,
        asked: AskedScaleSet,
    ) -> Result<(), ServiceRefusal> {
        let before = self.scale_set(scope, id)?;
        let name = asked.name.unwrap_or_else(|| before.name.clone());
        let group = asked.group.unwrap_or(before.group);
        let is_same =
            |set: &SimScaleSet| set.id != id && set.group == group && set.name.eq_ignore_ascii_case(&name);
        if self.scale_sets(scope).into_iter().any(is_same) {
            return Err(ServiceRefusal::SetExists);
        }
        let drops_labels = self.set_fault(ScaleSetFault::LabelsDropped);
        let Some(set) = self.scale_sets.sets.get_mut(&id) else { return Err(ServiceRefusal::NoSet) };
        (set.name, set.group) = (name, group);
        if let Some(labels) = asked.labels.filter(|_| !drops_labels) {
            set.labels = labels;
        }
        set.disable_update = asked.disable_update.unwrap_or(set.disable_update);
        Ok(())
    }

    /// Deletes a set: its waiting jobs go back to GitHub's queue, and its runners that are not connected go.
    ///
    /// # Errors
    /// If there is none of that id, or one of its runners has a job.
    pub fn delete_scale_set(&mut self, scope: &Scope, id: u64) -> Result<(), ServiceRefusal> {
        self.scale_set(scope, id)?;
        let mut own = self.state.github.runners.values().filter(|runner| runner.scale_set == Some(id));
        if own.any(|runner| runner.job.is_some()) {
            return Err(ServiceRefusal::JobStillRunning);
        }
        self.scale_set_vanishes(id);
        Ok(())
    }

    /// A set is gone, whatever it has.
    pub(crate) fn scale_set_vanishes(&mut self, id: u64) {
        let Some(set) = self.scale_sets.sets.remove(&id) else { return };
        self.scale_sets.queue_tokens.retain(|_, (of, ..)| *of != id);
        for job in set.jobs.keys() {
            if let Some(job) = self.state.github.jobs.get_mut(job) {
                (job.scale_set, job.is_offered) = (None, false);
            }
        }
        let gone = |runner: &crate::github::SimRunner| runner.scale_set == Some(id) && !runner.online;
        let offline: Vec<u64> =
            self.state.github.runners.values().filter(|it| gone(it)).map(|it| it.id).collect();
        for runner in offline {
            if let Some(entry) = self.state.github.runners.remove(&runner) {
                self.state.github.jits.remove(&entry.jit);
            }
        }
        set.has_message.notify_waiters();
    }

    /// Whether a fault of scale sets strikes.
    pub(crate) fn set_fault(&mut self, fault: ScaleSetFault) -> bool {
        self.strikes(|what| *what == crate::fault::FaultKind::ScaleSet(fault))
    }
}

#[cfg(test)]
mod tests;
