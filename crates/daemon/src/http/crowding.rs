//! Watches the doors: says once when one is crowded, and once when it is so no more.

use std::time::Duration;

use azlin_fleet::model::in_words;
use azlin_fleet::report::{Crowding, CrowdingChange, DaemonError, DaemonErrorKind, DoorKind, crowded};
use tokio::time::sleep;
use tracing::{info, warn};

use super::Doors;
use crate::context::DaemonContext;
use crate::status_store::StatusStore;

/// How often the doors are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Reports what happens at the doors, until it is dropped.
pub(crate) async fn watch_doors(doors: Doors, status_store: StatusStore, context: DaemonContext) {
    let about = DaemonErrorKind::Crowded;
    for door in DoorKind::ALL {
        status_store.ends(about, door.as_str());
    }
    let mut crowding = [Crowding::default(); DoorKind::ALL.len()];
    loop {
        sleep(LOOK).await;
        let now = context.now();
        for ((door, evicted), crowding) in doors.evicted().into_iter().zip(&mut crowding) {
            let of = door.as_str();
            match crowding.look(evicted, now) {
                None => {}
                Some(CrowdingChange::Begins) => {
                    let what = crowded(door);
                    warn!(door = of, reason = %what, "error: {what}");
                    status_store.begins(DaemonError { about, of: of.to_owned(), what, since: now });
                }
                Some(CrowdingChange::Ends(lasted)) => {
                    let lasted = in_words(lasted);
                    info!(
                        door = of,
                        evicted,
                        "recovered after {lasted}: no connection has to give way any more ({of}; {evicted} had to since the start)"
                    );
                    status_store.ends(about, of);
                }
            }
        }
    }
}
