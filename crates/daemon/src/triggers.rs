//! Hints on their way from the listener to the loops of the fleets that they concern.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_fleet::model::PoolName;
use azlin_fleet::observe::{JobEvent, Triggers};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::fleet_set::Fleets;

/// Tells fleets of hints.
#[derive(Clone)]
pub struct TriggerRouter {
    fleets: Fleets,
    inboxes: Arc<Mutex<BTreeMap<PoolName, Arc<TriggerQueue>>>>,
    epoch: Instant,
}

/// What one fleet was hinted at.
pub(crate) struct TriggerQueue {
    triggers: Mutex<Triggers>,
    came: Notify,
    epoch: Instant,
}

impl TriggerRouter {
    pub(crate) fn new(fleets: Fleets, epoch: Instant) -> Self {
        TriggerRouter { fleets, inboxes: Arc::default(), epoch }
    }

    /// Wakes the fleets that it concerns; how many those are.
    pub fn tell(&self, job_event: &JobEvent) -> usize {
        let fleets = self.fleets.now();
        let concerned =
            fleets.names().filter(|name| fleets.get(name).is_some_and(|fleet| job_event.concerns(fleet)));
        concerned.map(|name| self.trigger_queue(name).add(job_event)).count()
    }

    /// What a fleet is hinted at.
    pub(crate) fn trigger_queue(&self, fleet: &PoolName) -> Arc<TriggerQueue> {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || TriggerQueue { triggers: Mutex::default(), came: Notify::new(), epoch: self.epoch };
        Arc::clone(inboxes.entry(fleet.clone()).or_insert_with(|| Arc::new(new())))
    }
}

impl TriggerQueue {
    fn add(&self, job_event: &JobEvent) {
        self.triggers().add(job_event, self.epoch.elapsed());
        self.came.notify_one();
    }

    /// What is in it.
    pub(crate) fn triggers(&self) -> MutexGuard<'_, Triggers> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is time to look at what is in it.
    pub(crate) async fn due(&self, poll: Duration, pause: Option<Duration>) {
        loop {
            let due = self.triggers().due(poll, pause);
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
