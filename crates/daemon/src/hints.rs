//! Triggers on their way from the webhook listener to the loops of the fleets that they concern.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_fleet::hint::{Hint, Hints};
use azlin_fleet::names::PoolName;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::fleet_set::Fleets;

/// Brings each event to the fleets that it concerns.
#[derive(Clone)]
pub struct Hinter {
    fleets: Fleets,
    inboxes: Arc<Mutex<BTreeMap<PoolName, Arc<Inbox>>>>,
    epoch: Instant,
}

/// The triggers of one fleet.
pub(crate) struct Inbox {
    hints: Mutex<Hints>,
    came: Notify,
    epoch: Instant,
}

impl Hinter {
    pub(crate) fn new(fleets: Fleets, epoch: Instant) -> Self {
        Hinter { fleets, inboxes: Arc::default(), epoch }
    }

    /// Wakes the fleets that the event concerns; returns how many.
    pub fn tell(&self, hint: &Hint) -> usize {
        let fleets = self.fleets.now();
        let concerned =
            fleets.names().filter(|name| fleets.get(name).is_some_and(|fleet| hint.concerns(fleet)));
        concerned.map(|name| self.inbox(name).add(hint)).count()
    }

    /// The triggers of a fleet.
    pub(crate) fn inbox(&self, fleet: &PoolName) -> Arc<Inbox> {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Inbox { hints: Mutex::default(), came: Notify::new(), epoch: self.epoch };
        Arc::clone(inboxes.entry(fleet.clone()).or_insert_with(|| Arc::new(new())))
    }
}

impl Inbox {
    fn add(&self, hint: &Hint) {
        self.hints().add(hint, self.epoch.elapsed());
        self.came.notify_one();
    }

    /// The triggers that wait.
    pub(crate) fn hints(&self) -> MutexGuard<'_, Hints> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a tick is due. `poll` is the time between two polls, and `pause` the least between two ticks after
    /// triggers while GitHub's budget is short.
    pub(crate) async fn due(&self, poll: Duration, pause: Option<Duration>) {
        loop {
            let due = self.hints().due(poll, pause);
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
