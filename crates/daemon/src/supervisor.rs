//! What the service manager is told, as systemd's sd_notify has it: when the daemon is ready, that it
//! lives, what it does, when it reads its configuration again, and that it stops. Where nobody listens,
//! nothing is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azlin_fleet::headline::headline;
use sd_notify::NotifyState;
use tokio::time::sleep;
use tracing::{debug, info};

use crate::board::Board;
use crate::fleet_set::Fleets;
use crate::pulse::Pulse;

/// The service manager, and what it has been told.
#[derive(Debug, Clone, Default)]
pub struct Supervisor(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    ready: AtomicBool,
    reloading: AtomicBool,
    stopping: AtomicBool,
    /// The last line, told once.
    line: Mutex<String>,
}

impl Supervisor {
    /// Keeps it informed of the daemon with this board, until this is dropped.
    pub async fn keep(self, board: Board, fleets: Fleets, pulse: Pulse) {
        futures::join!(self.tell(&board, &fleets), self.feed(&pulse));
    }

    /// It is ready once each fleet has been looked at, or that has failed with a reason.
    async fn tell(&self, board: &Board, fleets: &Fleets) {
        let mut reader = board.reader();
        loop {
            let posted = reader.next().await;
            if self.is(&self.0.stopping) {
                continue;
            }
            let line = headline(posted.fleets.values(), &posted.bad_files);
            if fleets.now().names().all(|name| posted.fleets.contains_key(name)) {
                if !self.0.ready.swap(true, Ordering::SeqCst) {
                    info!("ready: {line}");
                    notify(&[NotifyState::Ready]);
                }
            } else if !self.is(&self.0.ready) {
                notify(&[NotifyState::Status("looks at GitHub and Azure for the first time")]);
                continue;
            }
            let mut last = self.0.line.lock().unwrap_or_else(PoisonError::into_inner);
            if line != *last {
                notify(&[NotifyState::Status(&one_line(&line))]);
                *last = line;
            }
        }
    }

    /// Feeds its watchdog while all loops live.
    async fn feed(&self, pulse: &Pulse) {
        let Some(patience) = sd_notify::watchdog_enabled() else { return };
        loop {
            pulse.felt().await;
            notify(&[NotifyState::Watchdog]);
            sleep(patience / 4).await;
        }
    }

    /// The configuration is about to be read again, since somebody asked for it.
    pub(crate) fn reloading(&self) {
        self.0.reloading.store(true, Ordering::SeqCst);
        // It must be the time at which it was asked for, and nobody waits for one that is not ready.
        if let (true, Ok(since)) = (self.is(&self.0.ready), NotifyState::monotonic_usec_now()) {
            notify(&[NotifyState::Reloading, since]);
        }
    }

    /// What was asked for is done.
    pub(crate) fn reloaded(&self) {
        if self.0.reloading.swap(false, Ordering::SeqCst) {
            info!("the configuration was read again, as SIGHUP asked");
            if self.is(&self.0.ready) {
                notify(&[NotifyState::Ready]);
            }
        }
    }

    /// It stops, and has this long for it.
    pub fn stopping(&self, limit: Duration) {
        self.0.stopping.store(true, Ordering::SeqCst);
        let limit = humantime::format_duration(limit);
        let text = format!("stopping: what is under way ends first, within {limit}");
        notify(&[NotifyState::Stopping, NotifyState::Status(&text)]);
    }

    fn is(&self, told: &AtomicBool) -> bool {
        told.load(Ordering::SeqCst)
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(reason = %error, "the service manager cannot be told: {error}");
    }
}

/// A line end would begin another message.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" ")
}
