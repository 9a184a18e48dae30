//! What a loop reports: journal lines for each tick, and its status in the store.

use std::collections::{BTreeMap, BTreeSet};

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{PoolName, RunnerName};
use azlin_fleet::observe::Snapshot;
use azlin_fleet::plan::{Plan, runners};
use azlin_fleet::report::{FleetStatus, Tick};
use jiff::Timestamp;

use super::FleetLoop;
use crate::report;

/// The most parts of messages that are kept.
const MOST_FAILED_STARTS: usize = 200;

/// What a loop has already reported, so that each thing is reported once.
#[derive(Default)]
pub(super) struct Reported {
    pub(super) status: Option<FleetStatus>,
    /// The last failure of each runner.
    pub(super) complaints: BTreeMap<RunnerName, String>,
    /// What failed starts said, in parts and without names of VMs: each try has another, and a fleet that is stopped
    /// tries one place after another. Empty once starts work again.
    pub(super) failed_starts: BTreeSet<String>,
    /// What has failed since the last tick began, for `run --once`.
    pub(super) failed: Vec<String>,
}

/// A message without the names of the fleet's VMs, to compare it with that of another try.
fn without_names(fleet: &PoolName, message: &str) -> String {
    let is_name = |word: &&str| word.strip_prefix(fleet.as_str()).is_some_and(|rest| rest.starts_with('-'));
    let words = message.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
    words.filter(|word| !is_name(word)).collect::<Vec<_>>().join(" ")
}

impl Reported {
    /// Takes in that a start failed; returns whether that says something new.
    pub(super) fn start_failed(&mut self, fleet: &PoolName, why: &str) -> bool {
        if self.failed_starts.len() > MOST_FAILED_STARTS {
            self.failed_starts.clear();
        }
        let parts = why.split("; ").map(|part| without_names(fleet, part));
        parts.filter(|part| self.failed_starts.insert(part.clone())).count() > 0
    }
}

impl FleetLoop {
    /// Writes what was decided to the journal, and posts the status.
    pub(super) fn report(&mut self, fleet: &Fleet, plan: &Plan, seen: &Snapshot) {
        report::decided(fleet, plan, self.tick);
        let tick = Tick { number: self.tick, at: self.shared.context.now(), next: Some(self.next_poll()) };
        let errors = self.reported.status.as_ref().map_or(&[][..], |status| &status.errors);
        let presentation = &self.shared.presentation;
        let status = FleetStatus::of(fleet, plan, seen, &self.fleet_state, presentation, tick, errors);
        report::errors_changed(fleet, errors, &status.errors, tick.at, self.tick);
        self.shared.status_store.publish(status.clone());
        self.reported.status = Some(status);
        if self.fleet_state.failures.count == 0 {
            self.reported.failed_starts.clear();
        }
    }

    fn next_poll(&self) -> Timestamp {
        let wait = self.shared.schedule.until_next();
        let wait = self.last_look.slowed.as_ref().map_or(wait, |slowed| wait.max(slowed.every));
        self.shared.context.now() + wait
    }

    /// Posts the runners again, after an operation began or ended.
    pub(super) fn post_runners(&mut self) {
        let (Some(seen), Some(status)) = (&mut self.last_look.seen, &mut self.reported.status) else {
            return;
        };
        seen.in_flight = self.operations.under_way();
        let there = runners(&self.config.fleet, seen, &self.fleet_state, self.shared.context.now());
        status.update(&there, seen, &self.fleet_state, &self.shared.presentation);
        if self.config.is_configured {
            self.shared.status_store.publish(status.clone());
        }
    }
}
