//! Azure's capacity as all fleets have observed it, by subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{CallError, Offering, Vm};
use azlin_fleet::state::{CapacityBackoff, RefusalEffect};
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
    /// The capacity of the fleet's subscription, as far as it concerns the fleet.
    pub(crate) fn of(&self, fleet: &Fleet) -> CapacityBackoff {
        let known = self.known();
        let subscription = known.get(&fleet.vm.group.subscription_id);
        subscription.map(|known| known.of_configuration(fleet.config_hash())).unwrap_or_default()
    }

    /// Adds what was known before a restart.
    pub(crate) fn recall(&self, subscription: &str, earlier: CapacityBackoff, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().recall(earlier, now);
    }

    /// Adds the capacity that a list of a subscription's VMs shows. What is closed by it is reported once.
    pub(crate) fn saw<'v>(&self, subscription: &str, vms: impl IntoIterator<Item = &'v Vm>, now: Timestamp) {
        for why in self.known().entry(subscription.to_owned()).or_default().saw(vms, now) {
            tracing::error!(subscription, error = %why, "Azure never makes such a VM, and it is asked for no more for hours; a person must act: {why}");
        }
    }

    /// Notes that a VM is deleted.
    pub(crate) fn freed(&self, subscription: &str, now: Timestamp) {
        self.known().entry(subscription.to_owned()).or_default().freed(now);
    }

    /// Notes Azure's answer to a request of the fleet; returns what a refusal says of the place.
    pub(crate) fn answered(
        &self,
        fleet: &Fleet,
        place: &Offering,
        answer: Result<(), &CallError>,
        now: Timestamp,
    ) -> RefusalEffect {
        let mut known = self.known();
        let places = known.entry(fleet.vm.group.subscription_id.clone()).or_default();
        match answer {
            Ok(()) => {
                places.took(place, now);
                RefusalEffect::Nothing
            }
            Err(error) => places.refused(fleet, place, error, now),
        }
    }

    /// Waits for the turn to request an offering. If nothing is known of it, one request goes first and the
    /// others wait for its answer, so an unavailable size is requested once. If capacity is known, requests
    /// go together. The error is Azure's answer to an earlier request.
    pub(crate) async fn turn(
        &self,
        fleet: &Fleet,
        place: &Offering,
        now: impl Fn() -> Timestamp,
    ) -> Result<Option<OwnedMutexGuard<()>>, String> {
        let subscription = &fleet.vm.group.subscription_id;
        let may = || {
            let known = self.known();
            let Some(known) = known.get(subscription) else { return Ok(false) };
            match known.unavailable(fleet, place, now()) {
                Some(unavailable) => Err(unavailable.why),
                None => Ok(known.is_proven(fleet, place, now())),
            }
        };
        if may()? {
            return Ok(None);
        }
        let key = (subscription.clone(), place.clone());
        let turn = Arc::clone(self.turns.lock().entry(key).or_default());
        let turn = turn.lock_owned().await;
        Ok(if may()? { None } else { Some(turn) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, CapacityBackoff>> {
        self.known.lock()
    }
}
