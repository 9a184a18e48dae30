//! Hints on their way from the listener to the loops of the fleets that they concern.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::hint::{Hint, Hints};
use azlin_fleet::names::PoolName;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::fleet_set::Fleets;

/// Tells fleets of hints.
#[derive(Clone)]
pub struct Hinter {
    fleets: Fleets,
    inboxes: Arc<Mutex<BTreeMap<PoolName, Arc<Inbox>>>>,
    epoch: Instant,
}

/// What one fleet was hinted at.
pub(crate) struct Inbox {
    hints: Mutex<Hints>,
    came: Notify,
    epoch: Instant,
}

impl Hinter {
    pub(crate) fn new(fleets: Fleets, epoch: Instant) -> Self {
        Hinter { fleets, inboxes: Arc::default(), epoch }
    }

    /// Wakes the fleets that it concerns; how many those are.
    pub fn tell(&self, hint: &Hint) -> usize {
        let fleets = self.fleets.now();
        let concerned =
            fleets.names().filter(|name| fleets.get(name).is_some_and(|fleet| hint.concerns(fleet)));
        concerned.map(|name| self.inbox(name).add(hint)).count()
    }

    /// What a fleet is hinted at.
    pub(crate) fn inbox(&self, fleet: &PoolName) -> Arc<Inbox> {
        let mut inboxes = self.inboxes.lock();
        let new = || Inbox { hints: Mutex::default(), came: Notify::new(), epoch: self.epoch };
        Arc::clone(inboxes.entry(fleet.clone()).or_insert_with(|| Arc::new(new())))
    }
}

impl Inbox {
    fn add(&self, hint: &Hint) {
        self.hints().add(hint, self.epoch.elapsed());
        self.came.notify_one();
    }

    /// What is in it.
    pub(crate) fn hints(&self) -> MutexGuard<'_, Hints> {
        self.hints.lock()
    }

    /// Waits until it is time to look at what is in it.
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
