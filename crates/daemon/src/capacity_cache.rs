//! What all fleets have learned of where Azure has room, by subscription.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azlin_fleet::place::{Place, Places};
use azlin_fleet::ports::CallError;
use azlin_fleet::vm::Vm;
use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

type Turns = BTreeMap<(String, Place), Arc<tokio::sync::Mutex<()>>>;

/// What is known, and whose turn it is to find out more.
#[derive(Default)]
pub(crate) struct CapacityCache {
    known: Mutex<BTreeMap<String, Places>>,
    turns: Mutex<Turns>,
}

impl CapacityCache {
    /// What is known of a subscription.
    pub(crate) fn of(&self, subscription: &str) -> Places {
        self.known().get(subscription).cloned().unwrap_or_default()
    }

    /// Takes in what was known before a restart.
    pub(crate) fn recall(&self, subscription: &str, earlier: Places, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().recall(earlier, now);
    }

    /// Takes in what a look at a subscription's VMs shows.
    pub(crate) fn saw<'v>(&self, subscription: &str, vms: impl IntoIterator<Item = &'v Vm>, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().saw(vms, now);
    }

    /// Takes in that a VM goes.
    pub(crate) fn freed(&self, subscription: &str, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().freed(now);
    }

    /// Takes in how Azure answered to a request; whether it refused it for want of room.
    pub(crate) fn answered(
        &self,
        subscription: &str,
        place: &Place,
        answer: Result<(), &CallError>,
        now: Timestamp,
    ) -> bool {
        let mut known = self.known();
        let places = known.entry(subscription.to_owned()).or_default();
        match answer {
            Ok(()) => places.took(place, now),
            Err(error) => return places.refused(place, error, now),
        }
        false
    }

    /// Waits for the turn to ask for a place. Of many that would ask together for one of which nothing is
    /// known, one asks, and the others hear what came of it: so a size that is not to be had is asked for
    /// once. Where there is room they go together. The error is what Azure said to somebody else.
    pub(crate) async fn turn(
        &self,
        subscription: &str,
        place: &Place,
        now: impl Fn() -> Timestamp,
    ) -> Result<Option<OwnedMutexGuard<()>>, String> {
        let may = || {
            let known = self.of(subscription);
            match known.closed(place, now()) {
                Some(closed) => Err(closed.why),
                None => Ok(known.is_proven(place, now())),
            }
        };
        if may()? {
            return Ok(None);
        }
        let key = (subscription.to_owned(), place.clone());
        let turn =
            Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        let turn = turn.lock_owned().await;
        Ok(if may()? { None } else { Some(turn) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Places>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
