//! How often GitHub is looked at: for each credential over all fleets that use it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::names::CredentialName;
use azlin_fleet::pace::{Pacer, Slowed};
use tracing::{info, warn};

use crate::outside::Outside;

#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Option<CredentialName>, (Pacer, bool)>>);

impl Pace {
    /// Whether looks are to be rarer than every `poll`. That they are is told when it begins and ends.
    pub(crate) fn slowed(&self, outside: &Outside, fleet: &Fleet, poll: Duration) -> Option<Slowed> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (pacer, is_told) = all.entry(fleet.credential.clone()).or_default();
        let slowed = pacer.look(outside.github(fleet).budget(), poll, outside.now());
        match (&slowed, std::mem::replace(is_told, slowed.is_some())) {
            (Some(reason), false) => warn!(%reason, "polling slows: {reason}"),
            (None, true) => info!("polling is as often as configured again"),
            _ => {}
        }
        slowed
    }
}
