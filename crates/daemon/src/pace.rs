//! How often GitHub is looked at: for each credential over all fleets that use it.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::names::CredentialName;
use azlin_fleet::pace::{Pacer, Slowed};
use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::outside::Outside;

#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Option<CredentialName>, Paced>>);

/// The looks of one credential.
#[derive(Default)]
struct Paced {
    pacer: Pacer,
    /// That they are rarer was told, in the window that ends then.
    told_until: Option<Timestamp>,
}

impl Pace {
    /// Whether looks are to be rarer than every `poll`. That they are is told once in each window of the
    /// budget, and when a window has ended after which they are not: in between it may change with every job.
    pub(crate) fn slowed(&self, outside: &Outside, fleet: &Fleet, poll: Duration) -> Option<Slowed> {
        let mut all = self.0.lock();
        let Paced { pacer, told_until } = all.entry(fleet.credential.clone()).or_default();
        let now = outside.now();
        let slowed = pacer.look(outside.github(fleet).budget(), poll, now);
        match (&slowed, *told_until) {
            (Some(reason), told) if told.is_none_or(|until| until < reason.budget.reset) => {
                *told_until = Some(reason.budget.reset);
                warn!(%reason, "polling slows: {reason}");
            }
            (None, Some(until)) if until <= now => {
                *told_until = None;
                info!("polling is as often as configured again");
            }
            _ => {}
        }
        slowed
    }
}
