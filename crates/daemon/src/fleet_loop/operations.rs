//! The operations that a loop runs beside its ticks. They begin as planned; their outcomes are recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::model::{
    Action, Completed, DestroyOutcome, Failure, ProvisionOutcome, RunnerName, StartReason,
};
use azlin_fleet::observe::Operation;
use azlin_fleet::plan::fleet_share;
use azlin_fleet::state::RunnerState;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Duration, Instant};

use super::FleetLoop;
use crate::act::RunnerRequest;
use crate::report;

/// For how long operations that end are gathered before they are saved and posted. Each time costs in proportion to the
/// runners of the fleet, and a thousand operations may end within a second. A crash in between loses nothing: a start
/// without a recorded answer is resumed, and a removal can be repeated.
const TOGETHER: Duration = Duration::from_millis(100);

/// The operations of one fleet.
pub(super) struct Operations {
    /// How many provisioning operations the fleet may have under way.
    pub(super) share: usize,
    /// One permit for each of them.
    pub(super) permits: Arc<Semaphore>,
    /// What is under way, by runner.
    pub(super) in_flight: BTreeMap<RunnerName, InFlight>,
    pub(super) tasks: JoinSet<(RunnerName, Completed)>,
    /// When those that have ended are saved and posted, if any have.
    pub(super) posted_at: Option<Instant>,
}

/// One operation under way.
pub(super) struct InFlight {
    pub(super) operation: Operation,
    pub(super) action: Action,
    pub(super) task: tokio::task::Id,
    pub(super) began: Instant,
}

impl Operations {
    /// No operation yet. The fleet is one of `fleets`, which share `limit` provisioning operations.
    pub(super) fn new(limit: usize, fleets: usize) -> Self {
        let share = fleet_share(limit, fleets);
        Operations {
            share,
            permits: Arc::new(Semaphore::new(share)),
            in_flight: BTreeMap::new(),
            tasks: JoinSet::new(),
            posted_at: None,
        }
    }

    /// Applies a change in the number of fleets. Running operations keep their permits.
    pub(super) fn share_among(&mut self, limit: usize, fleets: usize) {
        let share = fleet_share(limit, fleets);
        if std::mem::replace(&mut self.share, share) != share {
            self.permits = Arc::new(Semaphore::new(share));
        }
    }

    /// The running operations, as a plan needs them.
    pub(super) fn under_way(&self) -> BTreeMap<RunnerName, Operation> {
        let in_flight = self.in_flight.iter();
        in_flight.map(|(name, one)| (name.clone(), one.operation.clone())).collect()
    }

    /// The runner of a task that has ended, and what it completed. A panic is a failure.
    fn completed(&self, done: Result<(RunnerName, Completed), JoinError>) -> Option<(RunnerName, Completed)> {
        let error = match done {
            Ok(done) => return Some(done),
            Err(error) => error,
        };
        let (name, panicked) = self.in_flight.iter().find(|(_, in_flight)| in_flight.task == error.id())?;
        let failure = Failure::later(format!("a bug, please report it: {error}"));
        Some((name.clone(), Completed::failed(panicked.action.clone(), failure)))
    }
}

impl FleetLoop {
    /// The runner that an action concerns. Records in the fleet's state that the action begins.
    pub(super) fn name(&mut self, action: Action) -> (RunnerName, Action) {
        let name = match &action {
            Action::Provision { reason: StartReason::Interrupted { runner }, .. } => runner.clone(),
            Action::Provision { standby: Some(standby), .. }
            | Action::Deallocate(standby)
            | Action::ClearUserData(standby) => standby.runner.clone(),
            Action::Provision { standby: None, .. } | Action::Prepare { .. } => self.new_name(),
            Action::Install(install) => install.runner.clone(),
            Action::Destroy(destroy) => destroy.runner.clone(),
        };
        self.fleet_state.begin(&name, &action, self.shared.context.now());
        (name, action)
    }

    /// Starts an action beside the loop.
    pub(super) fn begin(&mut self, name: RunnerName, action: Action) {
        let (shared, fleet) = (Arc::clone(&self.shared), Arc::clone(&self.config.fleet));
        let operation = match &action {
            Action::Provision { replaces, .. } => Operation::Provision { replaces: replaces.clone() },
            Action::Install(_) => Operation::Install,
            Action::Destroy(_) => Operation::Destroy,
            Action::Prepare { .. } => Operation::Prepare,
            Action::Deallocate(_) => Operation::Deallocate,
            Action::ClearUserData(_) => Operation::ClearUserData,
        };
        let task = match action.clone() {
            Action::Provision { standby: Some(standby), offerings, reason, .. } => {
                self.spawn_permitted(name.clone(), action.clone(), async move {
                    let place = offerings.first();
                    let outcome = shared.lifecycle.take_from_standby(&fleet, &standby, place).await;
                    Completed::Provision { reason, is_from_standby: true, outcome }
                })
            }
            Action::Provision { replaces, standby: None, offerings, reason } => {
                let is_resumed = matches!(reason, StartReason::Interrupted { .. });
                let request = RunnerRequest { name: name.clone(), is_resumed, replaces, offerings };
                self.spawn_permitted(name.clone(), action.clone(), async move {
                    let outcome = shared.lifecycle.provision(&fleet, &request).await;
                    Completed::Provision { reason, is_from_standby: false, outcome }
                })
            }
            Action::Install(install) => self.spawn_permitted(name.clone(), action.clone(), async move {
                let outcome = shared.lifecycle.install(&fleet, &install).await;
                Completed::Install { install, outcome }
            }),
            Action::Prepare { offerings, standby } => {
                let (is_resumed, replaces) = (false, None);
                let request = RunnerRequest { name: name.clone(), is_resumed, replaces, offerings };
                self.spawn_permitted(name.clone(), action.clone(), async move {
                    let outcome = shared.lifecycle.prepare(&fleet, &request).await;
                    Completed::Prepare { standby, outcome }
                })
            }
            Action::Deallocate(standby) => {
                let name = name.clone();
                self.operations.tasks.spawn(async move {
                    let outcome = shared.lifecycle.deallocate(&fleet, &standby).await;
                    (name, Completed::Deallocate { standby, outcome })
                })
            }
            Action::ClearUserData(standby) => {
                let name = name.clone();
                self.operations.tasks.spawn(async move {
                    let outcome = shared.lifecycle.clear_user_data(&standby).await;
                    (name, Completed::ClearUserData { standby, outcome })
                })
            }
            Action::Destroy(destroy) => {
                let name = name.clone();
                self.operations.tasks.spawn(async move {
                    let outcome = shared.lifecycle.destroy(&fleet, &destroy).await;
                    (name, Completed::Destroy { destroy, outcome })
                })
            }
        };
        let in_flight = InFlight { operation, action, task: task.id(), began: Instant::now() };
        self.operations.in_flight.insert(name, in_flight);
    }

    /// Starts a provisioning operation once the fleet and the daemon have a permit for it.
    fn spawn_permitted(
        &mut self,
        name: RunnerName,
        action: Action,
        operation: impl Future<Output = Completed> + Send + 'static,
    ) -> AbortHandle {
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(&self.operations.permits));
        let fleet = Arc::clone(&self.config.fleet);
        self.operations.tasks.spawn(async move {
            let all = &shared.provisioning.permits;
            let allowed = tokio::select! {
                biased;
                () = shared.stop.cancelled() => Err("the daemon is stopping"),
                () = shared.fleets.differs(&fleet) => Err("the configuration changed while it waited"),
                allowed = async { (own.acquire().await, all.acquire().await) } => Ok(allowed),
            };
            let completed = match &allowed {
                Ok(_) => operation.await,
                Err(why) => Completed::left_alone(action, *why),
            };
            drop(allowed);
            (name, completed)
        })
    }

    pub(super) fn new_name(&self) -> RunnerName {
        loop {
            let context = &self.shared.context;
            let name = RunnerName::new(&self.config.fleet.name, context.now(), (context.random)());
            if !self.operations.in_flight.contains_key(&name) && !self.fleet_state.runners.contains(&name) {
                return name;
            }
        }
    }

    /// Records and reports how an action ended.
    pub(super) fn ended(&mut self, done: Result<(RunnerName, Completed), JoinError>) {
        let Some((name, completed)) = self.operations.completed(done) else { return };
        let Some(InFlight { began, .. }) = self.operations.in_flight.remove(&name) else { return };
        let fleet = Arc::clone(&self.config.fleet);
        self.shared.status_store.metrics().ended(&fleet.name, &completed, began.elapsed());
        let failure = match &completed {
            Completed::Destroy { outcome: DestroyOutcome::Failed(failure), .. } => Some(failure),
            Completed::Provision { .. }
            | Completed::Install { .. }
            | Completed::Destroy { .. }
            | Completed::Prepare { .. }
            | Completed::Deallocate { .. }
            | Completed::ClearUserData { .. } => None,
        };
        let removals = &self.fleet_state.removals;
        let (failed_before, is_news) =
            (!removals.is_empty(), failure.map(|failure| removals.is_news(failure)));
        let was_asked = self.fleet_state.runners.get(&name).is_some_and(RunnerState::was_asked_to_drain);
        let now = self.shared.context.now();
        if let Some(why) = self.fleet_state.record(&name, &completed, now) {
            self.shared.status_store.start_failed(&fleet.name, why, now);
        }
        if let Some(console) = self.shared.lifecycle.printed(&name) {
            self.fleet_state.failed_start_printed(console);
        }
        report::removals_end(&fleet.name, failed_before && self.fleet_state.removals.is_empty(), self.tick);
        self.has_room_again |= self.lacks_room && completed.frees_room();
        let complaint = completed.error().map(str::to_owned);
        let is_new = match (&completed, &complaint) {
            (Completed::Provision { outcome: ProvisionOutcome::Failed(_), .. }, Some(why)) => {
                self.reported.start_failed(&fleet.name, why)
            }
            (_, why) => why.is_none() || self.reported.complaints.get(&name) != why.as_ref(),
        };
        let is_new = is_news.unwrap_or(is_new && !was_asked);
        report::ended(&fleet.name, &name, &completed, is_new, self.tick);
        if let Some(why) = complaint {
            self.reported.complaints.insert(name, why.clone());
            self.reported.failed.push(why);
        }
        self.operations.posted_at.get_or_insert_with(|| Instant::now() + TOGETHER);
    }

    /// Saves and posts what ended since the last time.
    pub(super) fn post_ended(&mut self) {
        self.operations.posted_at = None;
        self.fleet_state.capacity = self.shared.capacity.of(&self.config.fleet);
        self.save();
        self.reported.complaints.retain(|runner, _| self.fleet_state.runners.contains(runner));
        self.post_runners();
    }

    /// Waits for what is under way.
    pub(super) async fn settle(&mut self) {
        while let Some(done) = self.operations.tasks.join_next().await {
            self.ended(done);
        }
        if self.operations.posted_at.is_some() {
            self.post_ended();
        }
    }
}
