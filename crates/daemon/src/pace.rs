//! How often GitHub is polled: decided for each credential, over all fleets that use it.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::CredentialName;
use azlin_fleet::observe::{PollPacer, SlowedPolling};
use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::context::DaemonContext;

/// The pace of polls, by credential.
#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Option<CredentialName>, Paced>>);

/// The polls with one credential.
#[derive(Default)]
struct Paced {
    pacer: PollPacer,
    /// The end of the window of the budget in which it was reported that polls are rarer.
    reported_until: Option<Timestamp>,
}

impl Pace {
    /// Whether polls have to be rarer than every `poll`. It is reported once in each window of the budget, and when a
    /// window ends after which they are not; in between it may change with every job.
    pub(crate) fn slowed(
        &self,
        context: &DaemonContext,
        fleet: &Fleet,
        poll: Duration,
    ) -> Option<SlowedPolling> {
        let mut all = self.0.lock();
        let Paced { pacer, reported_until } = all.entry(fleet.credential.clone()).or_default();
        let now = context.now();
        let slowed = pacer.look(context.github(fleet).budget(), poll, now);
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
