//! Configuration: `azlin.toml` and `fleets/<pool>.toml`, parsed into types that hold nothing bad.
//!
//! Everything that is wrong with a file is told at once, each problem with its line, key, what was
//! found, what is allowed and the nearest right key. Reading the files is the caller's.

mod bootstrap;
mod changes;
mod daemon;
mod defaults;
mod demand;
pub mod edit;
mod effective;
mod fleet;
mod forgotten;
mod github;
mod hours;
mod machine;
mod misplaced;
mod prices;
mod problem;
mod reader;
mod reserved;
mod secret;
mod spot;
mod stray;
mod syntax;
mod value;
mod variable;
mod vm;
mod warm;

pub use bootstrap::{BootstrapConfig, Method};
pub use changes::changes;
pub use daemon::DaemonConfig;
pub use defaults::{FleetDefaults, defaults_in_words};
pub use demand::{DemandConfig, DemandSource, wanted_set};
pub use effective::{BadFile, ConfigChange, EffectiveConfig, FoundFiles};
pub use fleet::{Fleet, LifecycleConfig, ScalingConfig, Site};
pub use forgotten::{ForgottenFleet, FoundVm, GroupContent, forgotten};
pub use github::{AppConfig, GitHubConfig};
pub use hours::Hours;
pub use machine::{MachineConfig, NamedFile, NamedFiles, ProxyConfig, ROOM, ReadNamed};
pub use problem::{Faulty, Problem, ProblemKind, Problems};
pub use secret::may_be_shown;
pub use stray::{is_like_a_fleet, stray_beside, stray_in_fleets};
pub use vm::{Elsewhere, VmConfig};
pub use warm::{Limits, WarmConfig};

use std::collections::BTreeMap;

use crate::model::{PoolName, runner_name};

/// Two fleets whose runners would bear the same names: the second one's problem.
///
/// Azure compares names without regard to case and knows no underscore, so `ci_x` and `CI-x` are
/// one name to it.
pub fn name_clash<'a>(
    pool: &PoolName,
    others: impl IntoIterator<Item = &'a PoolName>,
) -> Option<&'a PoolName> {
    let prefix = runner_name::prefix(pool);
    others.into_iter().find(|other| *other != pool && runner_name::prefix(other) == prefix)
}

/// Of many pools, each that clashes with another one, and which.
pub fn name_clashes<'a>(
    pools: impl IntoIterator<Item = &'a PoolName>,
) -> BTreeMap<&'a PoolName, &'a PoolName> {
    let mut by_prefix = BTreeMap::<String, Vec<&PoolName>>::new();
    for pool in pools {
        by_prefix.entry(runner_name::prefix(pool)).or_default().push(pool);
    }
    let alike = by_prefix.into_values().filter(|alike| alike.len() > 1);
    alike.flat_map(|alike| (0..alike.len()).map(move |n| (alike[n], alike[usize::from(n == 0)]))).collect()
}

#[cfg(test)]
mod tests;
