//! How often GitHub is polled: decided for each credential, over all fleets that use it.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{Carried, CredentialName};
use azlin_fleet::observe::{PollPacer, SlowedBy, SlowedPolling, TriggerPacer};
use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::context::DaemonContext;
use crate::first_looks::FirstLooks;

/// The pace of polls, by credential.
#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Option<CredentialName>, Paced>>);

/// The polls with one credential.
#[derive(Default)]
struct Paced {
    pacer: PollPacer,
    triggers: TriggerPacer,
    /// The end of the budget window in which rarer polls were reported.
    reported_until: Option<Timestamp>,
}

impl Pace {
    /// The shortest time between two looks of a fleet after triggers.
    pub(crate) fn pause(&self, context: &DaemonContext, fleet: &Fleet) -> Duration {
        let budget = context.github(fleet).budget();
        let mut all = self.0.lock();
        all.entry(fleet.credential.clone()).or_default().triggers.pause(budget, context.now())
    }

    /// Takes in that a fleet looks after triggers.
    pub(crate) fn looks(&self, context: &DaemonContext, fleet: &Fleet) {
        let spent = context.github(fleet).event_reads();
        let mut all = self.0.lock();
        let paced = all.entry(fleet.credential.clone()).or_default();
        paced.triggers.looks(&fleet.name, spent, context.now());
    }

    /// Whether polls must be rarer than every `poll`. The start is reported once in each budget window, and
    /// the end only when a window ends: in between, the answer may change with every job.
    pub(crate) fn slowed(
        &self,
        context: &DaemonContext,
        fleet: &Fleet,
        first_looks: &FirstLooks,
        repositories: u64,
        poll: Duration,
    ) -> Option<SlowedPolling> {
        let mut all = self.0.lock();
        let Paced { pacer, reported_until, .. } = all.entry(fleet.credential.clone()).or_default();
        let now = context.now();
        let github = context.github(fleet);
        let budget = github.budget();
        let once = github.burst_reads() + first_looks.requests(&fleet.credential);
        let carried = Carried::new(repositories, poll);
        // A server without limits carries any number.
        let is_too_many = budget.is_some() && carried.every > poll;
        let every = if is_too_many { carried.every } else { poll };
        let slowed = pacer.look(budget, once, every, now);
        match (&slowed, *reported_until) {
            (Some(reason @ SlowedPolling { by: SlowedBy::Budget(budget), .. }), reported)
                if reported.is_none_or(|until| until < budget.reset) =>
            {
                *reported_until = Some(budget.reset);
                warn!(%reason, "polling slows: {reason}");
            }
            (None, Some(until)) if until <= now => {
                *reported_until = None;
                info!("polling is as often as configured again");
            }
            _ => {}
        }
        slowed.or_else(|| is_too_many.then_some(SlowedPolling { every, by: SlowedBy::Repositories(carried) }))
    }
}
