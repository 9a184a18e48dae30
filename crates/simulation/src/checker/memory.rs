//! Whether the daemon remembers no more of a fleet than its runners are worth.

use std::path::PathBuf;
use std::time::Duration;

use azlin_simcloud::World;
use serde_json::Value;

use super::{Checker, Invariant};

/// Runners that a list may not show yet, or that were asked for and did not come, in two minutes of a fleet.
const MORE: usize = 40;
/// The bytes of a state file, for the fleet and for each of its runners.
const FOR_THE_FLEET: usize = 32 * 1024;
const FOR_A_RUNNER: usize = 2 * 1024;

impl Checker {
    /// Checks the state files, which hold what a daemon remembers of each fleet. One that is no JSON was cut off.
    pub fn check_memory(&self, world: &World, at: Duration, files: &[(PathBuf, Vec<u8>)]) {
        for (path, bytes) in files {
            let Some(pool) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let Ok(state) = serde_json::from_slice::<Value>(bytes) else { continue };
            let is_its = |name: &str| name.rsplit_once('-').is_some_and(|(head, _)| head == pool);
            let vms = world.state.azure.vms.values().filter(|vm| is_its(&vm.name)).count();
            let entries = world.state.github.runners.values().filter(|entry| is_its(&entry.name)).count();
            let most = vms + entries + MORE;
            let runners = state["runners"].as_object().map_or(0, serde_json::Map::len);
            let what = if runners > most {
                format!("{pool} remembers {runners} runners, and has {vms} VMs and {entries} entries")
            } else if bytes.len() > FOR_THE_FLEET + FOR_A_RUNNER * most {
                format!("{pool} remembers {} bytes of {runners} runners", bytes.len())
            } else {
                continue;
            };
            self.violate(at, Invariant::StaysSmall, what);
        }
    }
}
