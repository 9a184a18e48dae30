//! Every six hours: asks Azure which sizes it has where fleets create VMs. A place that the list speaks against is not
//! requested, as after a refusal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::check::refused_by_facts;
use azlin_fleet::config::Fleet;
use azlin_fleet::model::{CallError, Offering};
use azlin_fleet::ports::preflight::{ImageFacts, Size};
use azlin_fleet::state::RefusalEffect;
use tokio::time::{MissedTickBehavior, interval_at};
use tracing::debug;

use crate::fleet_loop::LoopContext;
use crate::report;

/// The first look, after the start. Jobs that wait come first.
const FIRST_LOOK: Duration = Duration::from_secs(5 * 60);
/// The time between two looks: what the list speaks against stays closed for as long.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// Looks while it is polled.
pub(crate) async fn follow_sizes(shared: Arc<LoopContext>) {
    let mut timer = interval_at(shared.schedule.epoch + FIRST_LOOK, INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        look(&shared).await;
    }
}

/// Facts that were asked for already, by what was asked.
type Asked<T> = BTreeMap<(String, String, String), Option<T>>;

async fn look(shared: &LoopContext) {
    let set = shared.fleets.now();
    let fleets: Vec<Arc<Fleet>> = set.names().filter_map(|name| set.get(name)).cloned().collect();
    let (mut sizes, mut images) = (Asked::<Vec<Size>>::new(), Asked::<ImageFacts>::new());
    let facts = &shared.context.azure_facts;
    for fleet in &fleets {
        let (subscription, image) = (&fleet.vm.group.subscription_id, &fleet.vm.image);
        let mut closes = Vec::new();
        for offering in fleet.vm.offerings(true) {
            let Offering { location, .. } = &offering;
            let key = |of: String| (subscription.to_ascii_lowercase(), location.clone(), of);
            let of_place = key(String::new());
            if !sizes.contains_key(&of_place) {
                let found = facts.sizes(subscription, location).await;
                sizes.insert(of_place.clone(), known("sizes", location, found));
            }
            let of_image = key(image.to_string());
            if !images.contains_key(&of_image) {
                let found = facts.image(subscription, location, image).await;
                images.insert(of_image.clone(), known("image", location, found));
            }
            let Some(Some(sizes)) = sizes.get(&of_place) else { continue };
            let image = images.get(&of_image).and_then(Option::as_ref);
            let Some(why) = refused_by_facts(fleet, &offering, sizes, image) else { continue };
            let now = shared.context.now();
            let effect = shared.capacity.answered(fleet, &offering, Err(&why), now);
            closes.extend((effect == RefusalEffect::Closes { is_new: true }).then_some(why));
        }
        report::closed(fleet, &closes);
    }
}

/// What Azure told. A role that lacks this permission costs nothing: refusals tell the same, one by one.
fn known<T>(what: &str, location: &str, found: Result<T, CallError>) -> Option<T> {
    found
        .inspect_err(|error| debug!(reason = %error, "the {what} in {location} cannot be read: {error}"))
        .ok()
}
