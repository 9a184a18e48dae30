//! Rotation: an idle runner that is too old, or made from a configuration that has changed, is
//! replaced: a new one is online first, then the old one goes. One after another.
//!
//! Which new one is for which old one stands in a tag of the new VM, so a crash between the two
//! steps loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{EphemeralRunner, Phase, RunnerName};
use crate::observe::Operation;
use crate::plan::{elapsed, in_words};
use crate::state::FleetState;

/// Who is due, and which replacements are under way.
pub(crate) struct Rotation<'a> {
    due: Vec<(&'a EphemeralRunner, String)>,
    /// Old runners that are idle, and the new ones that are to take their place.
    pairs: Vec<(&'a EphemeralRunner, &'a EphemeralRunner)>,
}

/// The next thing to do about those that are due.
pub(crate) enum Step<'a> {
    /// Start one to take the place of this one.
    Start { old: &'a EphemeralRunner, why: &'a str },
    /// Remove this one first, since there is no room for two.
    MakeRoom { old: &'a EphemeralRunner, why: &'a str },
}

impl<'a> Rotation<'a> {
    pub(crate) fn of(
        fleet: &Fleet,
        runners: &'a [EphemeralRunner],
        in_flight: &BTreeMap<RunnerName, Operation>,
        fleet_state: &FleetState,
        now: Timestamp,
    ) -> Self {
        let idle = runners.iter().filter(|runner| matches!(runner.status, Phase::Registered { .. }));
        let idle: BTreeMap<&str, &EphemeralRunner> =
            idle.map(|runner| (runner.runner_name.as_str(), runner)).collect();
        let mut due: Vec<(&EphemeralRunner, String)> =
            idle.values().filter_map(|runner| Some((*runner, why_due(fleet, runner, now)?))).collect();
        due.sort_by_key(|(runner, _)| runner.created_at);
        let replaced_by = |runner: &EphemeralRunner| match in_flight.get(&runner.runner_name) {
            Some(Operation::Provision { replaces: Some(old) }) => Some(old.to_string()),
            _ => match &runner.vm {
                Some(vm) => vm.tags.replaces.clone(),
                None => {
                    fleet_state.runners.get(&runner.runner_name)?.replaces.as_ref().map(ToString::to_string)
                }
            },
        };
        let pairs = runners
            .iter()
            .filter(|runner| runner.is_available() || runner.is_busy())
            .filter_map(|new| Some((*idle.get(replaced_by(new)?.as_str())?, new)))
            .collect();
        Rotation { due, pairs }
    }

    /// Old runners whose replacement is online, with the replacement's name.
    pub(crate) fn completed(&self) -> impl Iterator<Item = (&'a EphemeralRunner, &'a RunnerName)> {
        let mut seen = BTreeSet::new();
        let online = self.pairs.iter().filter(|(_, new)| new.is_online());
        online
            .filter(move |(old, _)| seen.insert(&old.runner_name))
            .map(|(old, new)| (*old, &new.runner_name))
    }

    /// Replacements that are not online yet.
    pub(crate) fn coming(&self) -> BTreeSet<&'a RunnerName> {
        self.pairs.iter().filter(|(_, new)| !new.is_online()).map(|(_, new)| &new.runner_name).collect()
    }

    pub(crate) fn is_due(&self, name: &RunnerName) -> bool {
        self.why_due(name).is_some()
    }

    /// Why a runner is due, if it is.
    pub(crate) fn why_due(&self, name: &RunnerName) -> Option<&str> {
        self.due.iter().find(|(runner, _)| runner.runner_name == *name).map(|(_, why)| why.as_str())
    }

    /// The runner that is to take another's place, if one is under way.
    pub(crate) fn replaced_by(&self, name: &RunnerName) -> Option<&'a RunnerName> {
        self.pairs.iter().find(|(old, _)| old.runner_name == *name).map(|(_, new)| &new.runner_name)
    }

    /// What to do next, unless a replacement is still under way. Room is only made where all runners
    /// are online: one that comes may be the replacement, and one that goes makes room by itself.
    pub(crate) fn next_step(&self, has_room: bool, is_calm: bool) -> Option<Step<'_>> {
        if !self.pairs.is_empty() {
            return None;
        }
        let (old, why) = self.due.first()?;
        match (has_room, is_calm) {
            (true, _) => Some(Step::Start { old, why }),
            (false, true) => Some(Step::MakeRoom { old, why }),
            (false, false) => None,
        }
    }
}

fn why_due(fleet: &Fleet, runner: &EphemeralRunner, now: Timestamp) -> Option<String> {
    let vm = runner.vm.as_ref()?;
    let (age, limit) = (elapsed(runner.created_at, now), fleet.lifecycle.rotation_interval);
    if vm.tags.config_hash != fleet.config_hash() {
        Some("it was made from another configuration of the fleet".to_owned())
    } else if age > limit {
        Some(format!("it is {} old, more than rotation_interval ({})", in_words(age), in_words(limit)))
    } else {
        None
    }
}
