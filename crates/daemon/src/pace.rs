//! How often GitHub is polled: decided for each credential, over all fleets that use it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::names::CredentialName;
use azlin_fleet::pace::{Pacer, Slowed};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::outside::Outside;

/// The pace of polls, by credential.
#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Option<CredentialName>, Paced>>);

/// The polls with one credential.
#[derive(Default)]
struct Paced {
    pacer: Pacer,
    /// The end of the window of the budget in which it was reported that polls are rarer.
    reported_until: Option<Timestamp>,
}

impl Pace {
    /// Whether polls have to be rarer than every `poll`. It is reported once in each window of the budget, and when a
    /// window ends after which they are not; in between it may change with every job.
    pub(crate) fn slowed(&self, outside: &Outside, fleet: &Fleet, poll: Duration) -> Option<Slowed> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Paced { pacer, reported_until } = all.entry(fleet.credential.clone()).or_default();
        let now = outside.now();
        let slowed = pacer.look(outside.github(fleet).budget(), poll, now);
        match (&slowed, *reported_until) {
            (Some(reason), reported) if reported.is_none_or(|until| until < reason.budget.reset) => {
                *reported_until = Some(reason.budget.reset);
                warn!(%reason, "polling slows: {reason}");
            }
            (None, Some(until)) if until <= now => {
                *reported_until = None;
                info!("polling is as often as configured again");
            }
            _ => {}
        }
        slowed
    }
}
