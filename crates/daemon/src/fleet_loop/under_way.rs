//! What a loop has under way beside its ticks: begun as it was planned, and remembered when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::plan::{Action, Outcome};
use azlin_fleet::remedy::Failure;
use azlin_fleet::runner_name::RunnerName;
use azlin_fleet::snapshot::Operation;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::FleetLoop;
use crate::act::RunnerRequest;
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
        self.memory.begin(&name, &action, self.shared.outside.now());
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
            Action::Provision { replaces, places, .. } => {
                let request = RunnerRequest { name: name.clone(), replaces, places };
                self.spawn_permitted(name.clone(), async move {
                    shared.lifecycle.provision(&fleet, &request).await
                })
            }
            Action::Install(task) => self
                .spawn_permitted(name.clone(), async move { shared.lifecycle.install(&fleet, &task).await }),
            Action::Destroy(task) => {
                let name = name.clone();
                self.operations.spawn(async move { (name, shared.lifecycle.destroy(&fleet, &task).await) })
            }
        };
        self.in_flight.insert(name, InFlight { operation, action, task: task.id(), began: Instant::now() });
    }

    /// Begins a provisioning operation as soon as it may begin.
    fn spawn_permitted(
        &mut self,
        name: RunnerName,
        operation: impl Future<Output = Outcome> + Send + 'static,
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
            let outcome = match &allowed {
                Ok(_) => operation.await,
                Err(why) => Outcome::LeftAlone((*why).to_owned()),
            };
            drop(allowed);
            (name, outcome)
        })
    }

    pub(super) fn new_name(&self) -> RunnerName {
        loop {
            let name =
                RunnerName::new(&self.fleet.name, self.shared.outside.now(), (self.shared.outside.random)());
            if !self.in_flight.contains_key(&name) && !self.memory.runners.contains_key(&name) {
                return name;
            }
        }
    }

    /// Remembers and tells how an action ended.
    pub(super) fn ended(&mut self, done: Result<(RunnerName, Outcome), tokio::task::JoinError>) {
        let (name, outcome) = match done {
            Ok(done) => done,
            Err(error) => {
                let panicked = self.in_flight.iter().find(|(_, under_way)| under_way.task == error.id());
                let Some((name, _)) = panicked else { return };
                (name.clone(), Outcome::Failed(Failure::later(format!("a bug, please report it: {error}"))))
            }
        };
        let Some(InFlight { action, began, .. }) = self.in_flight.remove(&name) else { return };
        self.shared.status_store.metrics().ended(&self.fleet.name, &action, &outcome, began.elapsed());
        self.memory.record(&name, &action, &outcome, self.shared.outside.now());
        self.memory.places = self.shared.capacity.of(&self.fleet.vm.group.subscription_id);
        self.save();
        let complaint = match &outcome {
            Outcome::Failed(Failure { why, .. })
            | Outcome::NoRoom(why)
            | Outcome::Unclear(why)
            | Outcome::Broken { why, .. } => Some(why.clone()),
            Outcome::Started
            | Outcome::Installed { .. }
            | Outcome::Ended(_)
            | Outcome::Removed
            | Outcome::LeftAlone(_) => None,
        };
        let is_new = complaint.is_none() || self.complaints.get(&name) != complaint.as_ref();
        report::ended(&self.fleet.name, &name, &action, &outcome, is_new, self.tick);
        self.complaints.retain(|runner, _| self.memory.runners.contains_key(runner));
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
