//! Triggers on their way from the webhook listener to the loops of the affected fleets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{JobEvent, PoolName};
use azlin_fleet::observe::Triggers;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::fleet_set::Fleets;

/// Brings each event to the fleets that it affects.
#[derive(Clone)]
pub struct TriggerRouter {
    fleets: Fleets,
    queues: Arc<Mutex<BTreeMap<PoolName, Arc<TriggerQueue>>>>,
    epoch: Instant,
}

/// The triggers of one fleet.
pub(crate) struct TriggerQueue {
    triggers: Mutex<Triggers>,
    came: Notify,
    epoch: Instant,
}

impl TriggerRouter {
    pub(crate) fn new(fleets: Fleets, epoch: Instant) -> Self {
        TriggerRouter { fleets, queues: Arc::default(), epoch }
    }

    /// Wakes the fleets that the event affects; returns how many.
    pub fn tell(&self, job_event: &JobEvent) -> usize {
        let fleets = self.fleets.now();
        let wakes = |name: &&PoolName| {
            fleets.get(name).is_some_and(|fleet| self.trigger_queue(name).add_if_concerned(job_event, fleet))
        };
        fleets.names().filter(wakes).count()
    }

    /// The triggers of a fleet.
    pub(crate) fn trigger_queue(&self, fleet: &PoolName) -> Arc<TriggerQueue> {
        let mut queues = self.queues.lock();
        let new = || TriggerQueue { triggers: Mutex::default(), came: Notify::new(), epoch: self.epoch };
        Arc::clone(queues.entry(fleet.clone()).or_insert_with(|| Arc::new(new())))
    }
}

impl TriggerQueue {
    /// Takes in an event that affects the fleet; whether it does.
    fn add_if_concerned(&self, job_event: &JobEvent, fleet: &Fleet) -> bool {
        let mut triggers = self.triggers();
        let Some(job_event) = triggers.concerning(fleet, job_event) else { return false };
        triggers.add(fleet, &job_event, self.epoch.elapsed());
        self.came.notify_one();
        true
    }

    /// Takes in that the fleet's scale set has reported something; whether a job has ended.
    pub(crate) fn told(&self, has_ended: bool) {
        self.triggers().told(has_ended, self.epoch.elapsed());
        self.came.notify_one();
    }

    /// The triggers that wait.
    pub(crate) fn triggers(&self) -> MutexGuard<'_, Triggers> {
        self.triggers.lock()
    }

    /// Waits until a tick is due. `pause` is the shortest time between two triggered ticks at this moment.
    pub(crate) async fn due(&self, pause: impl Fn() -> Duration) {
        loop {
            let due = self.triggers().due(pause());
            let wait = async {
                match due {
                    Some(at) => sleep_until(self.epoch + at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = wait => return,
                () = self.came.notified() => {}
            }
        }
    }
}
