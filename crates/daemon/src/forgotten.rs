//! Finds VMs of fleets whose file is gone: in every resource group where a fleet's VMs are or were, by their tags and
//! names. Nothing is done to them; they are told until they are gone, or their fleet is back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::{Fleet, ForgottenFleet, GroupContent, forgotten};
use azlin_fleet::model::{CallErrorKind, PoolName, ResourceGroup, elapsed, in_words};
use azlin_fleet::report::BadFileStatus;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, info, warn};

use crate::config_dir::Configuration;
use crate::context::DaemonContext;
use crate::fleet_loop::LoopContext;
use crate::observe::Observer;
use crate::state::StateDir;

/// Looks at each poll and after each change of the fleets, while it is polled.
pub(crate) async fn follow_forgotten(shared: Arc<LoopContext>) {
    let poll = shared.schedule.queue;
    let mut timer = interval_at(shared.schedule.epoch + poll, poll);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut configured = shared.fleets.reader();
    let mut contents = BTreeMap::new();
    let mut groups = groups_of_state(&shared.state);
    loop {
        // At a poll the lists of the fleets serve, and after a change none that is older.
        let lists_age = tokio::select! {
            biased;
            () = configured.changed() => Duration::ZERO,
            _ = timer.tick() => 2 * poll,
        };
        let set = Arc::clone(configured.latest());
        let fleets: Vec<Arc<Fleet>> = set.names().filter_map(|name| set.get(name)).cloned().collect();
        groups.extend(shared.observer.known_groups());
        let since = Instant::now().checked_sub(lists_age).unwrap_or(shared.schedule.epoch);
        look(&shared.observer, &groups, since, &mut contents).await;
        let (now, view) = (shared.context.now(), shared.status_store.read());
        let bad = pools_of(&view.bad_files);
        let fleets = fleets.iter().map(Arc::as_ref);
        let found = forgotten(&contents, fleets, &bad, &shared.presentation.prices, &view.forgotten, now);
        report(&view.forgotten, &found, now);
        shared.status_store.forgotten(found);
    }
}

/// The same once, for a command where no daemon runs.
pub async fn find_forgotten(
    configuration: &Configuration,
    context: &DaemonContext,
    state: &StateDir,
) -> Vec<ForgottenFleet> {
    let Configuration { daemon, fleets, problems, .. } = configuration;
    let observer = Observer::new(context.clone(), fleets, daemon.poll_queue);
    let mut groups = groups_of_state(state);
    groups.extend(fleets.iter().map(|fleet| fleet.vm.group.clone()));
    let mut contents = BTreeMap::new();
    look(&observer, &groups, Instant::now(), &mut contents).await;
    let bad: BTreeSet<PoolName> = problems.iter().filter_map(|problem| pool_of(&problem.path)).collect();
    forgotten(&contents, fleets, &bad, &daemon.prices, &[], context.now())
}

/// Where fleets' VMs were, by what is remembered.
fn groups_of_state(state: &StateDir) -> BTreeSet<ResourceGroup> {
    state.pools().iter().flat_map(|pool| state.load(pool).groups().clone()).collect()
}

/// Reads what is in the groups. What cannot be read is as it was.
async fn look(
    observer: &Observer,
    groups: &BTreeSet<ResourceGroup>,
    since: Instant,
    contents: &mut BTreeMap<ResourceGroup, GroupContent>,
) {
    for group in groups {
        match observer.content(group, since).await {
            Ok(content) => drop(contents.insert(group.clone(), content)),
            // A group that was removed took its VMs with it.
            Err(error) if error.kind == CallErrorKind::NotFound => drop(contents.remove(group)),
            Err(error) => {
                debug!(reason = %error, "VMs without a fleet were not looked for in {group}: {error}");
            }
        }
    }
}

/// The pools whose files cannot be used.
fn pools_of(bad_files: &[BadFileStatus]) -> BTreeSet<PoolName> {
    bad_files.iter().filter_map(|bad| pool_of(Path::new(&bad.file))).collect()
}

/// The pool of a fleet's file.
fn pool_of(path: &Path) -> Option<PoolName> {
    let is_file = path.extension().is_some_and(|extension| extension == "toml");
    path.file_stem().filter(|_| is_file)?.to_str()?.parse().ok()
}

/// Reports each forgotten fleet when it is found, and when none of its VMs is left or its file is back.
fn report(before: &[ForgottenFleet], found: &[ForgottenFleet], now: jiff::Timestamp) {
    let has = |list: &[ForgottenFleet], one: &ForgottenFleet| list.iter().any(|other| other.pool == one.pool);
    for one in found.iter().filter(|one| !has(before, one)) {
        let (fleet, vms) = (&one.pool, one.vms);
        warn!(%fleet, kind = "forgotten", vms, reason = %one, "{fleet}: error: {one}");
    }
    for one in before.iter().filter(|one| !has(found, one)) {
        let (fleet, lasted) = (&one.pool, in_words(elapsed(one.since, now)));
        info!(%fleet, kind = "forgotten", "{fleet}: recovered after {lasted}: no VM is without a fleet");
    }
}
