//! When to look at the configuration again: after SIGHUP, when a file changes, and each so often all
//! the same, since not every file system tells. What has changed is not taken from the event.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::supervisor::Supervisor;

/// How long nothing more may happen before it is looked at: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// The longest that is waited for quiet.
const LONGEST: Duration = Duration::from_millis(600);

/// Wakes whoever follows a configuration directory.
pub struct Wake {
    directory: PathBuf,
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    /// Which directory of fleets is watched.
    fleets: Option<(u64, u64)>,
    supervisor: Supervisor,
}

impl Wake {
    /// Watches a directory, and wakes through what else is to wake too. Where the system does not let it,
    /// that is told.
    pub fn on(directory: &Path, changed: Arc<Notify>, supervisor: Supervisor) -> Self {
        let wake = Arc::clone(&changed);
        let on_event = move |event: notify::Result<notify::Event>| {
            // After an error events may be lost.
            if event.as_ref().map_or(true, matters) {
                wake.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            let directory = directory.display();
            warn!(%directory, reason = %error, "files in {directory} are not watched, so changes are seen at each poll, or after SIGHUP: {error}");
        }
        let watcher = watcher.ok();
        let mut wake = Wake { directory: directory.to_owned(), changed, watcher, fleets: None, supervisor };
        wake.watch_fleets();
        wake
    }

    /// Waits for a change and for quiet after it, or until it is time to look all the same.
    pub async fn next(&mut self, every: Duration) {
        if timeout(every, self.changed.notified()).await.is_ok() {
            let start = Instant::now();
            while start.elapsed() < LONGEST && timeout(QUIET, self.changed.notified()).await.is_ok() {}
        }
        // Before the files are read: what happens while they are wakes again.
        self.watch_fleets();
    }

    /// What was there is taken in, or is refused.
    pub fn is_taken_in(&self) {
        self.supervisor.reloaded();
    }

    /// Another directory has taken the place of the one that was watched.
    pub(crate) fn watch_again(&mut self) {
        self.fleets = None;
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.unwatch(&self.directory);
            let _ = watcher.watch(&self.directory, RecursiveMode::NonRecursive);
        }
        self.watch_fleets();
    }

    /// The directory with the fleets may have come, or be another one.
    fn watch_fleets(&mut self) {
        let fleets = self.directory.join("fleets");
        let which = std::fs::metadata(&fleets).map(|found| (found.dev(), found.ino())).ok();
        if which == self.fleets {
            return;
        }
        self.fleets = which;
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.unwatch(&fleets);
            let _ = watcher.watch(&fleets, RecursiveMode::NonRecursive);
        }
    }
}

/// Whether an event may change the configuration. To read a file is an event too.
fn matters(event: &notify::Event) -> bool {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        // A mounted ConfigMap changes by renaming ..data.
        name.ends_with(b".toml") || name == b"fleets" || name.starts_with(b"..")
    };
    !matches!(event.kind, EventKind::Access(_)) && (event.paths.is_empty() || event.paths.iter().any(is_ours))
}
