//! The messages of a scale set: a log that outlives sessions. A cursor hides messages and deletes none.

use serde_json::{Value, json};

use super::jobs::{HeldState, SetNews};
use super::{ServiceRefusal, SimScaleSet};
use crate::github::SimRunner;
use crate::scale_set_fault::ScaleSetFault;
use crate::world::World;

/// The most jobs that one message reports.
const MOST_NEWS: usize = 50;

/// The level of a scale set at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetStatistics {
    /// Jobs that are offered to it.
    pub available: u32,
    /// Jobs that it has acquired and that are not assigned yet.
    pub acquired: u32,
    /// Jobs that are assigned to it, waiting or running.
    pub assigned: u32,
    /// Jobs that run.
    pub running: u32,
    /// Its runners with an entry.
    pub registered: u32,
    /// Its runners with a job.
    pub busy: u32,
    /// Its connected runners without one.
    pub idle: u32,
}

impl SetStatistics {
    /// In the form of GitHub's JSON.
    pub fn to_json(self) -> Value {
        json!({
            "totalAvailableJobs": self.available, "totalAcquiredJobs": self.acquired,
            "totalAssignedJobs": self.assigned, "totalRunningJobs": self.running,
            "totalRegisteredRunners": self.registered, "totalBusyRunners": self.busy,
            "totalIdleRunners": self.idle,
        })
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct SimMessage {
    /// Its id.
    pub id: u64,
    /// What it reports, as the JSON of its body.
    pub body: String,
    /// The same.
    pub news: Vec<SetNews>,
    /// The level when it was made.
    pub statistics: SetStatistics,
}

/// What a poll finds.
#[derive(Debug, Clone, PartialEq)]
pub enum PolledMessage {
    /// A message.
    Message(SimMessage),
    /// No message yet.
    Nothing,
    /// An answer without anything in it.
    Empty,
}

impl World {
    /// The level of a set.
    pub fn set_statistics(&self, set: u64) -> SetStatistics {
        let Some(held) = self.scale_sets.sets.get(&set) else { return SetStatistics::default() };
        let jobs =
            |is: fn(&HeldState) -> bool| number(held.jobs.values().filter(|job| is(&job.state)).count());
        let own = || self.state.github.runners.values().filter(|runner| runner.scale_set == Some(set));
        let runners = |is: fn(&&SimRunner) -> bool| number(own().filter(is).count());
        SetStatistics {
            available: jobs(|state| matches!(state, HeldState::Offered)),
            acquired: 0,
            assigned: jobs(|state| !matches!(state, HeldState::Offered)),
            running: jobs(|state| matches!(state, HeldState::Running)),
            registered: runners(|_| true),
            busy: runners(|runner| runner.is_busy()),
            idle: runners(|runner| runner.online && !runner.is_busy()),
        }
    }

    /// Puts what is new of a set into messages.
    pub(crate) fn write_messages(&mut self, set: u64) {
        let statistics = self.set_statistics(set);
        let Some(held) = self.scale_sets.sets.get_mut(&set) else { return };
        let news = std::mem::take(&mut held.news);
        for some in news.chunks(MOST_NEWS) {
            let restarts = self.set_fault(ScaleSetFault::IdsRestart);
            let is_zero = self.set_fault(ScaleSetFault::ZeroStatistics);
            let body: Vec<Value> = some.iter().map(|news| self.news_json(news)).collect();
            let Some(held) = self.scale_sets.sets.get_mut(&set) else { return };
            if restarts {
                held.log.clear();
                held.next_message = 1;
            }
            let (id, body) = (held.next_message, Value::from(body).to_string());
            held.next_message += 1;
            let statistics = if is_zero { SetStatistics::default() } else { statistics };
            held.log.insert(id, SimMessage { id, body, news: some.to_vec(), statistics });
            held.has_message.notify_waiters();
        }
    }

    /// What a poll of the queue with this token finds. It says how many jobs the set may hold.
    ///
    /// # Errors
    /// If the token, the session or the set is valid no more.
    pub(crate) fn poll_messages(
        &mut self,
        token: &str,
        after: u64,
        capacity: u32,
    ) -> Result<PolledMessage, ServiceRefusal> {
        let (set, _) = self.queue_of(token)?;
        self.heard(set);
        if let Some(held) = self.scale_sets.sets.get_mut(&set) {
            held.capacity = capacity;
        }
        self.settle_scale_sets();
        let Some(held) = self.scale_sets.sets.get(&set) else { return Err(ServiceRefusal::NoSet) };
        let found = held.log.range(after + 1..).next().map(|(_, message)| message.clone());
        Ok(found.map_or(PolledMessage::Nothing, PolledMessage::Message))
    }

    /// What goes wrong with a poll when it begins.
    ///
    /// # Errors
    /// If a fault strikes that ends the token, the session or the set.
    pub(crate) fn poll_begins(&mut self, token: &str) -> Result<Option<PolledMessage>, ServiceRefusal> {
        let (set, _) = self.queue_of(token)?;
        if self.set_fault(ScaleSetFault::QueueTokenDies) {
            self.scale_sets.queue_tokens.remove(token);
            return Err(ServiceRefusal::InvalidToken);
        }
        if self.set_fault(ScaleSetFault::SessionEnded) {
            if let Some(held) = self.scale_sets.sets.get_mut(&set) {
                held.session = None;
            }
            return Err(ServiceRefusal::SessionExpired);
        }
        if self.set_fault(ScaleSetFault::Deleted) {
            self.scale_set_vanishes(set);
            return Err(ServiceRefusal::NoSet);
        }
        Ok(self.set_fault(ScaleSetFault::EmptyMessage).then_some(PolledMessage::Empty))
    }

    /// Deletes a message; whether it was there.
    ///
    /// # Errors
    /// If the token, the session or the set is valid no more.
    pub(crate) fn delete_message(&mut self, token: &str, id: u64) -> Result<bool, ServiceRefusal> {
        let (set, _) = self.queue_of(token)?;
        self.heard(set);
        Ok(self.scale_sets.sets.get_mut(&set).is_some_and(|set| set.log.remove(&id).is_some()))
    }

    /// The queue that a poll waits for.
    pub(crate) fn queue_waits(&self, token: &str) -> Option<std::sync::Arc<tokio::sync::Notify>> {
        let (set, _) = self.queue_of(token).ok()?;
        self.scale_sets.sets.get(&set).map(|set: &SimScaleSet| std::sync::Arc::clone(&set.has_message))
    }

    fn news_json(&self, news: &SetNews) -> Value {
        let github = &self.state.github;
        let job = github.jobs.get(&news.job);
        let run = job.and_then(|job| github.runs.get(&job.run));
        let repo = run.map(|run| run.repo.as_str()).unwrap_or_default();
        let (owner, name) = repo.split_once('/').unwrap_or_default();
        let never = "0001-01-01T00:00:00Z".to_owned();
        let time = |at: Option<jiff::Timestamp>| at.map_or(never.clone(), |at| at.to_string());
        let kind = news.kind;
        let mut value = json!({
            "messageType": kind.as_str(), "runnerRequestId": news.request, "repositoryName": name,
            "ownerName": owner, "jobId": news.guid,
            "jobWorkflowRef": format!("{repo}/{}@refs/heads/main", crate::account::WORKFLOW),
            "jobDisplayName": job.map(|job| job.name.as_str()).unwrap_or_default(),
            "workflowRunId": job.map(|job| job.run), "eventName": "push",
            "requestLabels": job.map(|job| job.labels.clone()).unwrap_or_default(),
            "queueTime": time(job.map(|job| job.queued_at)),
            "scaleSetAssignTime": time(news.assigned_at),
            "runnerAssignTime": time(job.and_then(|job| job.started_at)),
            "finishTime": time(job.and_then(|job| job.completed_at)),
        });
        match kind {
            super::NewsKind::Available => {
                value["acquireJobUrl"] = json!(format!("{}/_actions/rest/acquirejobs", self.url));
            }
            super::NewsKind::Assigned => {}
            super::NewsKind::Started | super::NewsKind::Completed => {
                let (id, name) = news.runner.clone().unwrap_or_default();
                (value["runnerId"], value["runnerName"]) = (json!(id), json!(name));
            }
        }
        if let Some(result) = news.result {
            value["result"] = json!(result);
        }
        value
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
