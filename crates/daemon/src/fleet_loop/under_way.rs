//! What a loop has under way beside its ticks: begun as it was planned, and remembered when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::model::{Completed, Failure, RunnerName};
use azlin_fleet::observe::Operation;
use azlin_fleet::plan::Action;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::FleetLoop;
use crate::act::Wanted;
use crate::report;

/// Something under way beside the loop.
pub(super) struct InFlight {
    pub(super) operation: Operation,
    pub(super) action: Action,
    pub(super) task: tokio::task::Id,
    pub(super) began: Instant,
}

impl FleetLoop {
    /// The runner that an action is about, which is remembered.
    pub(super) fn name(&mut self, action: Action) -> (RunnerName, Action) {
        let name = match &action {
            Action::Provision { .. } => self.new_name(),
            Action::Install(install) => install.runner.clone(),
            Action::Destroy(destroy) => destroy.runner.clone(),
        };
        self.fleet_state.begin(&name, &action, self.shared.context.now());
        (name, action)
    }

    /// Starts an action beside the loop.
    pub(super) fn begin(&mut self, name: RunnerName, action: Action) {
        let (shared, fleet) = (Arc::clone(&self.shared), Arc::clone(&self.fleet));
        let operation = match &action {
            Action::Provision { replaces, .. } => Operation::Provision { replaces: replaces.clone() },
            Action::Install(_) => Operation::Install,
            Action::Destroy(_) => Operation::Destroy,
        };
        let task = match action.clone() {
            Action::Provision { replaces, offerings, reason } => {
                let wanted = Wanted { name: name.clone(), replaces, offerings };
                self.spawn_permitted(name.clone(), action.clone(), async move {
                    let outcome = shared.lifecycle.provision(&fleet, &wanted).await;
                    Completed::Provision { reason, outcome }
                })
            }
            Action::Install(install) => self.spawn_permitted(name.clone(), action.clone(), async move {
                let outcome = shared.lifecycle.install(&fleet, &install).await;
                Completed::Install { install, outcome }
            }),
            Action::Destroy(destroy) => {
                let name = name.clone();
                self.operations.spawn(async move {
                    let outcome = shared.lifecycle.destroy(&fleet, &destroy).await;
                    (name, Completed::Destroy { destroy, outcome })
                })
            }
        };
        self.in_flight.insert(name, InFlight { operation, action, task: task.id(), began: Instant::now() });
    }

    /// Begins a provisioning operation as soon as it may begin.
    fn spawn_permitted(
        &mut self,
        name: RunnerName,
        action: Action,
        operation: impl Future<Output = Completed> + Send + 'static,
    ) -> AbortHandle {
        let (shared, own) = (Arc::clone(&self.shared), Arc::clone(&self.own_provisioning));
        let fleet = Arc::clone(&self.fleet);
        self.operations.spawn(async move {
            let allowed = tokio::select! {
                biased;
                () = shared.stop.cancelled() => Err("the daemon is stopping"),
                () = shared.fleets.differs(&fleet) => Err("the configuration changed while it waited"),
                allowed = async { (own.acquire().await, shared.provisioning.acquire().await) } => Ok(allowed),
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
            let name =
                RunnerName::new(&self.fleet.name, self.shared.context.now(), (self.shared.context.random)());
            if !self.in_flight.contains_key(&name) && !self.fleet_state.runners.contains(&name) {
                return name;
            }
        }
    }

    /// Remembers and tells how an action ended.
    pub(super) fn ended(&mut self, done: Result<(RunnerName, Completed), tokio::task::JoinError>) {
        let (name, completed) = match done {
            Ok(done) => done,
            Err(error) => {
                let panicked = self.in_flight.iter().find(|(_, under_way)| under_way.task == error.id());
                let Some((name, InFlight { action, .. })) = panicked else { return };
                let failure = Failure::later(format!("a bug, please report it: {error}"));
                (name.clone(), Completed::failed(action.clone(), failure))
            }
        };
        let Some(InFlight { began, .. }) = self.in_flight.remove(&name) else { return };
        self.shared.board.metrics().ended(&self.fleet.name, &completed, began.elapsed());
        self.fleet_state.record(&name, &completed, self.shared.context.now());
        self.fleet_state.capacity = self.shared.places.of(&self.fleet.vm.group.subscription_id);
        self.save();
        let complaint = completed.error().map(str::to_owned);
        let is_new = complaint.is_none() || self.complaints.get(&name) != complaint.as_ref();
        report::ended(&self.fleet.name, &name, &completed, is_new, self.tick);
        self.complaints.retain(|runner, _| self.fleet_state.runners.contains(runner));
        if let Some(why) = complaint {
            self.failed.push(why.clone());
            self.complaints.insert(name, why);
        }
        self.post_runners();
    }

    /// Waits for what is under way.
    pub(super) async fn settle(&mut self) {
        while let Some(done) = self.operations.join_next().await {
            self.ended(done);
        }
    }
}

pub(super) fn under_way(in_flight: &BTreeMap<RunnerName, InFlight>) -> BTreeMap<RunnerName, Operation> {
    in_flight.iter().map(|(name, under_way)| (name.clone(), under_way.operation.clone())).collect()
}

/// How many provisioning operations one of so many fleets may hold: where there are several, a
/// quarter, and at least one, is left to the others.
pub(super) fn share(limit: usize, fleets: usize) -> usize {
    if fleets > 1 { (limit - (limit / 4).max(1)).max(1) } else { limit }
}
