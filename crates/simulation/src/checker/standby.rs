//! Whether VMs on standby are no more than they may be, and none of them serves twice.

use std::time::Duration;

use azlin_simcloud::World;
use azlin_simcloud::azure::{SimVm, SimVmState};

use super::{CheckerState, Invariant, ON_ITS_WAY};

impl CheckerState {
    /// The VMs of a fleet that run, start or stop: all but those on standby.
    pub(super) fn running<'w>(&'w self, world: &'w World, number: usize) -> impl Iterator<Item = &'w SimVm> {
        self.vms(world, number).filter(|vm| !vm.is_on_standby())
    }

    /// How many VMs of a fleet are on standby.
    pub(super) fn on_standby(&self, world: &World, number: usize) -> usize {
        let is_kept = |vm: &&SimVm| vm.is_on_standby() && vm.state != SimVmState::Deleting;
        self.vms(world, number).filter(is_kept).count()
    }

    /// Checks that no more VMs are deallocated than may be on standby, when that is requested.
    pub(super) fn check_deallocation(&mut self, world: &World, at: Duration, path: &str) {
        let name = path.trim_end_matches("/deallocate").rsplit('/').next().unwrap_or_default();
        let Some(number) =
            (0..self.fleets.len()).find(|number| self.vms(world, *number).any(|vm| vm.name == name))
        else {
            return;
        };
        let since = at.saturating_sub(ON_ITS_WAY);
        let most = &self.most_standby[number];
        let before = most.iter().rposition(|(from, _)| *from <= since).unwrap_or(0);
        let most = most[before..].iter().map(|(_, most)| *most).max().unwrap_or_default() as usize;
        let count = self.on_standby(world, number);
        if count > most {
            let name = self.fleets[number].name;
            let what = format!("{name} has {count} VMs on standby, and may have {most}");
            self.violate(at, Invariant::Maximum, what);
        }
    }
}
