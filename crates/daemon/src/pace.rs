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
    /// The end of the budget window in which rarer polls were reported.
    reported_until: Option<Timestamp>,
}

impl Pace {
    /// Whether polls must be rarer than every `poll`. The start is reported once in each budget window, and
    /// the end only when a window ends: in between, the answer may change with every job.
    pub(crate) fn slowed(
        &self,
        context: &DaemonContext,
        fleet: &Fleet,
        poll: Duration,
    ) -> Option<SlowedPolling> {
        let mut all = self.0.lock();
        let Paced { pacer, reported_until } = all.entry(fleet.credential.clone()).or_default();
        let now = context.now();
        let github = context.github(fleet);
        let slowed = pacer.look(github.budget(), github.burst_reads(), poll, now);
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
