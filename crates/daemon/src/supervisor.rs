//! Notifications to the service manager by systemd's sd_notify: ready, alive, a line of status, reloading and
//! stopping. Without a service manager nothing is sent.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azlin_fleet::model::PoolName;
use azlin_fleet::report::summary;
use parking_lot::Mutex;
use sd_notify::NotifyState;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::first_looks::FirstLooks;
use crate::fleet_set::Fleets;
use crate::liveness::Liveness;
use crate::status_store::StatusStore;

/// How long the first ticks of all fleets may take, below the unit's `TimeoutStartSec=`.
const START_LIMIT: Duration = Duration::from_secs(4 * 60);
/// How long a line of status serves at least, for each fleet that it sums up: with thousands, one of them ticks at any time.
const LINE_SERVES: Duration = Duration::from_micros(200);

/// The service manager, and what was sent to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supervisor(Arc<SupervisorState>);

#[derive(Debug, Default)]
struct SupervisorState {
    ready: AtomicBool,
    reloading: AtomicBool,
    stopping: AtomicBool,
    /// The last line that was sent.
    line: Mutex<String>,
}

impl Supervisor {
    /// Reports on the daemon with this status store, until it is dropped.
    pub(crate) async fn keep(
        self,
        status_store: StatusStore,
        fleets: Fleets,
        first_looks: FirstLooks,
        liveness: Liveness,
    ) {
        futures::join!(self.tell(&status_store, &fleets, &first_looks), self.feed(&liveness));
    }

    /// The daemon is ready once each fleet has ticked, also if that failed with a reason, or waits for its turn. A fleet
    /// that takes too long does not hold up the others.
    async fn tell(&self, status_store: &StatusStore, fleets: &Fleets, first_looks: &FirstLooks) {
        let mut reader = status_store.reader();
        let mut patience = pin!(sleep(START_LIMIT));
        let mut is_late = false;
        loop {
            let view = tokio::select! {
                view = reader.next() => view,
                () = &mut patience, if !is_late => {
                    is_late = true;
                    status_store.read()
                }
            };
            if self.is(&self.0.stopping) {
                continue;
            }
            let line = summary(view.fleets.values().map(Arc::as_ref), &view.bad_files, &view.errors);
            let names = fleets.now();
            let is_missing =
                |name: &&PoolName| !view.fleets.contains_key(*name) && !first_looks.excuse(name, START_LIMIT);
            let missing: Vec<&PoolName> = names.names().filter(is_missing).collect();
            if missing.is_empty() || is_late {
                if !self.0.ready.swap(true, Ordering::SeqCst) {
                    for fleet in missing {
                        warn!(%fleet, "{fleet}: its first look takes longer than {START_LIMIT:?}");
                    }
                    info!("ready: {line}");
                    notify(&[NotifyState::Ready]);
                }
            } else if !self.is(&self.0.ready) {
                notify(&[NotifyState::Status("looks at GitHub and Azure for the first time")]);
                continue;
            }
            self.tell_line(line);
            sleep(LINE_SERVES * u32::try_from(view.fleets.len()).unwrap_or(u32::MAX)).await;
        }
    }

    fn tell_line(&self, line: String) {
        let mut last = self.0.line.lock();
        if line != *last {
            notify(&[NotifyState::Status(&one_line(&line))]);
            *last = line;
        }
    }

    /// Feeds the watchdog while all loops are alive.
    async fn feed(&self, liveness: &Liveness) {
        let Some(patience) = sd_notify::watchdog_enabled() else { return };
        loop {
            liveness.check().await;
            notify(&[NotifyState::Watchdog]);
            sleep(patience / 4).await;
        }
    }

    /// SIGHUP has come: the configuration is read again.
    pub(crate) fn reloading(&self) {
        self.0.reloading.store(true, Ordering::SeqCst);
        // systemd needs the time of the request, and does not wait for a service that is not ready.
        if let (true, Ok(since)) = (self.is(&self.0.ready), NotifyState::monotonic_usec_now()) {
            notify(&[NotifyState::Reloading, since]);
        }
    }

    /// The configuration was read again.
    pub(crate) fn reloaded(&self) {
        if self.0.reloading.swap(false, Ordering::SeqCst) {
            info!("the configuration was read again, as SIGHUP asked");
            if self.is(&self.0.ready) {
                notify(&[NotifyState::Ready]);
            }
        }
    }

    /// The daemon stops within this limit.
    pub(crate) fn stopping(&self, limit: Duration) {
        if self.0.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        let limit = azlin_fleet::model::in_words(limit);
        let text = format!("stopping: what is under way ends first, within {limit}");
        notify(&[NotifyState::Stopping, NotifyState::Status(&text)]);
    }

    fn is(&self, told: &AtomicBool) -> bool {
        told.load(Ordering::SeqCst)
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(reason = %error, "the service manager cannot be notified: {error}");
    }
}

/// A line break would begin another message.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use azlin_fleet::config::Fleet;

    use super::*;

    const FLEET: &str = "repo = \"o/r\"\n[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\n\
        resource_group = \"rg\"\nlocation = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\n\
        subnet_id = \"/subscriptions/0/s\"\n";

    #[tokio::test(start_paused = true)]
    async fn a_fleet_that_is_never_seen_holds_the_start_up_for_minutes_alone() {
        let fleet = Fleet::parse("ci.toml", "ci".parse().expect("a good name"), FLEET).expect("a good file");
        let supervisor = Supervisor::default();
        let is_ready = || supervisor.is(&supervisor.0.ready);
        let (fleets, name) = (Fleets::new([fleet.clone()]), fleet.name);
        let first_looks = FirstLooks::new([&name].into_iter());
        let keep = supervisor.clone().keep(StatusStore::default(), fleets, first_looks, Liveness::default());
        let kept = tokio::spawn(keep);
        sleep(START_LIMIT - Duration::from_secs(1)).await;
        assert!(!is_ready());
        sleep(Duration::from_secs(2)).await;
        assert!(is_ready());
        kept.abort();
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(one_line("a\nREADY=1\r\n\tb"), "a READY=1 b");
    }
}
