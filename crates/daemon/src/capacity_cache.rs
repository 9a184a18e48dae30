//! Azure's capacity as all fleets have observed it, by subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::model::{CallError, Offering, Vm};
use azlin_fleet::state::CapacityBackoff;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OwnedMutexGuard;

type Turns = BTreeMap<(String, Offering), Arc<tokio::sync::Mutex<()>>>;

/// Known refusals, and the turns of waiting requests.
#[derive(Default)]
pub(crate) struct CapacityCache {
    known: Mutex<BTreeMap<String, CapacityBackoff>>,
    turns: Mutex<Turns>,
}

impl CapacityCache {
    /// The capacity of one subscription.
    pub(crate) fn of(&self, subscription: &str) -> CapacityBackoff {
        self.known().get(subscription).cloned().unwrap_or_default()
    }

    /// Adds what was known before a restart.
    pub(crate) fn recall(&self, subscription: &str, earlier: CapacityBackoff, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().recall(earlier, now);
    }

    /// Adds the capacity that a list of a subscription's VMs shows.
    pub(crate) fn saw<'v>(&self, subscription: &str, vms: impl IntoIterator<Item = &'v Vm>, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().saw(vms, now);
    }

    /// Notes that a VM is deleted.
    pub(crate) fn freed(&self, subscription: &str, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().freed(now);
    }

    /// Notes Azure's answer to a request; returns whether it was refused for lack of capacity.
    pub(crate) fn answered(
        &self,
        subscription: &str,
        place: &Offering,
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

    /// Waits for the turn to request an offering. If nothing is known of it, one request goes first and the
    /// others wait for its answer, so an unavailable size is requested once. If capacity is known, requests
    /// go together. The error is Azure's answer to an earlier request.
    pub(crate) async fn turn(
        &self,
        subscription: &str,
        place: &Offering,
        now: impl Fn() -> Timestamp,
    ) -> Result<Option<OwnedMutexGuard<()>>, String> {
        let may = || {
            let known = self.of(subscription);
            match known.unavailable(place, now()) {
                Some(unavailable) => Err(unavailable.why),
                None => Ok(known.is_proven(place, now())),
            }
        };
        if may()? {
            return Ok(None);
        }
        let key = (subscription.to_owned(), place.clone());
        let turn = Arc::clone(self.turns.lock().entry(key).or_default());
        let turn = turn.lock_owned().await;
        Ok(if may()? { None } else { Some(turn) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, CapacityBackoff>> {
        self.known.lock()
    }
}
