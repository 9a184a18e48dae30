//! Rotation: an idle runner that is too old, or was made from a configuration that has changed, is replaced. The
//! new runner is online before the old one is removed, and runners are replaced one after another.
//!
//! A tag of the new VM names the runner that it replaces, so a crash between the two steps loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{EphemeralRunner, Outdated, Phase, RunnerName, elapsed};
use crate::observe::Operation;
use crate::state::FleetState;

/// Which runners are due, and which replacements are under way.
pub(crate) struct Rotation<'a> {
    fleet: &'a Fleet,
    now: Timestamp,
    due: BTreeMap<&'a RunnerName, Outdated>,
    /// The one of them that was made first.
    oldest: Option<(&'a EphemeralRunner, Outdated)>,
    /// Idle old runners and their replacements.
    pairs: Vec<(&'a EphemeralRunner, &'a EphemeralRunner)>,
}

/// The next step of a rotation.
pub(crate) enum RotationStep<'a> {
    /// Start a replacement.
    Start { old: &'a EphemeralRunner, why: Outdated },
    /// Remove the old runner first, since the maximum allows no second one.
    MakeRoom { old: &'a EphemeralRunner, why: Outdated },
}

impl<'a> Rotation<'a> {
    pub(crate) fn of(
        fleet: &'a Fleet,
        runners: &'a [EphemeralRunner],
        in_flight: &BTreeMap<RunnerName, Operation>,
        fleet_state: &FleetState,
        now: Timestamp,
    ) -> Self {
        let idle = runners.iter().filter(|runner| matches!(runner.status, Phase::Registered { .. }));
        let idle: BTreeMap<&str, &EphemeralRunner> =
            idle.map(|runner| (runner.runner_name.as_str(), runner)).collect();
        let due: Vec<(&EphemeralRunner, Outdated)> =
            idle.values().filter_map(|runner| Some((*runner, why_due(fleet, runner, now)?))).collect();
        let oldest = due.iter().min_by_key(|(runner, _)| runner.created_at).copied();
        let due = due.into_iter().map(|(runner, why)| (&runner.runner_name, why)).collect();
        let replaced_by = |runner: &EphemeralRunner| match in_flight.get(&runner.runner_name) {
            Some(Operation::Provision { replaces: Some(old) }) => Some(old.to_string()),
            _ => match &runner.vm {
                Some(vm) => vm.tags.replaces.as_ref().map(ToString::to_string),
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
        Rotation { fleet, now, due, oldest, pairs }
    }

    /// Old runners whose replacement is online, with its name.
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

    /// Why a runner is due for rotation, if it is.
    pub(crate) fn why_due(&self, name: &RunnerName) -> Option<Outdated> {
        self.due.get(name).copied()
    }

    /// Why a runner needs a replacement, also while it has a job and its turn comes later.
    pub(crate) fn outdated(&self, runner: &EphemeralRunner) -> Option<Outdated> {
        why_due(self.fleet, runner, self.now)
    }

    /// An old runner and its replacement that is not online yet.
    pub(crate) fn under_way(&self) -> Option<(&'a RunnerName, &'a RunnerName)> {
        let coming = self.pairs.iter().find(|(_, new)| !new.is_online());
        coming.map(|(old, new)| (&old.runner_name, &new.runner_name))
    }

    /// The replacement of a runner, if one is under way.
    pub(crate) fn replaced_by(&self, name: &RunnerName) -> Option<&'a RunnerName> {
        self.pairs.iter().find(|(old, _)| old.runner_name == *name).map(|(_, new)| &new.runner_name)
    }

    /// What to do next, unless a replacement is still under way. An old runner is removed first only when all
    /// runners are online: one that is starting may be the replacement, and one that is leaving makes room by
    /// itself.
    pub(crate) fn next_step(&self, has_room: bool, is_calm: bool) -> Option<RotationStep<'_>> {
        if !self.pairs.is_empty() {
            return None;
        }
        let (old, why) = self.oldest?;
        match (has_room, is_calm) {
            (true, _) => Some(RotationStep::Start { old, why }),
            (false, true) => Some(RotationStep::MakeRoom { old, why }),
            (false, false) => None,
        }
    }
}

fn why_due(fleet: &Fleet, runner: &EphemeralRunner, now: Timestamp) -> Option<Outdated> {
    let vm = runner.vm.as_ref()?;
    let (age, limit) = (elapsed(runner.created_at, now), fleet.lifecycle.rotation_interval);
    if vm.tags.config_hash != fleet.config_hash() {
        Some(Outdated::OtherConfiguration)
    } else if age > limit {
        Some(Outdated::TooOld { age, limit })
    } else {
        None
    }
}
