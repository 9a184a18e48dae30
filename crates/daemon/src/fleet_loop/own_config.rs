//! A fleet's configuration, as its loop uses it.

use std::sync::Arc;

use azlin_fleet::config::Fleet;
use tokio::time::Instant;

use crate::fleet_set::{Fleets, FleetsReader};

/// The most ticks in a row that are abandoned. Files that keep changing must not stop a fleet's ticks.
const MOST_GIVEN_UP: u32 = 3;

/// The configuration of one fleet.
pub(super) struct OwnConfig {
    pub(super) fleet: Arc<Fleet>,
    /// Whether the file exists. Without one its VMs are left alone.
    pub(super) is_configured: bool,
    pub(super) reader: FleetsReader,
    /// Set when a tick was abandoned, so that the next one begins at once.
    pub(super) is_behind: bool,
    /// How many ticks in a row were abandoned.
    given_up: u32,
}

impl OwnConfig {
    pub(super) fn new(fleet: Arc<Fleet>, reader: FleetsReader) -> Self {
        OwnConfig { fleet, is_configured: true, reader, is_behind: false, given_up: 0 }
    }

    /// Takes the fleet's current file. Returns whether a tick is due at once.
    pub(super) fn update(&mut self, configured: Option<&Arc<Fleet>>) -> bool {
        let Some(fleet) = configured else {
            self.is_configured = false;
            return false;
        };
        let is_new = !self.is_configured || **fleet != *self.fleet;
        (self.fleet, self.is_configured) = (Arc::clone(fleet), true);
        is_new
    }

    /// Whether to abandon a tick that began with `before`: its observations were shared out among other
    /// fleets, or the fleet has moved to another place.
    pub(super) fn gives_up(&mut self, before: &Fleet, began: Instant, fleets: &Fleets) -> bool {
        let shared_since = fleets.now().since(&self.fleet.credential);
        let is_shared_anew = shared_since.is_some_and(|since| since > began);
        let is_elsewhere = (before.site(), &before.vm.group) != (self.fleet.site(), &self.fleet.vm.group);
        self.is_behind = is_elsewhere || (is_shared_anew && self.given_up < MOST_GIVEN_UP);
        self.given_up += u32::from(self.is_behind);
        self.is_behind
    }

    /// Records that a tick reached its plan.
    pub(super) fn kept_up(&mut self) {
        self.given_up = 0;
    }
}
