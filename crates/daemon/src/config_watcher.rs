//! When to read the configuration again: after SIGHUP, when a file changes, and at each poll in any case,
//! since not every file system reports changes. What has changed is not taken from the event.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::supervisor::Supervisor;

/// How long no further change may come before the files are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// The longest wait for quiet.
const LONGEST: Duration = Duration::from_millis(600);

/// Reports that the configuration may have changed.
pub(crate) struct ConfigWatcher {
    directory: PathBuf,
    changed: Arc<Notify>,
    files: Option<RecommendedWatcher>,
    /// Which directory of fleets is watched: device and inode.
    fleets: Option<(u64, u64)>,
    supervisor: Supervisor,
}

impl ConfigWatcher {
    /// Watches a directory; `changed` is notified by others, too. A warning is logged if the system refuses.
    pub(crate) fn new(directory: &Path, changed: Arc<Notify>, supervisor: Supervisor) -> Self {
        let notify = Arc::clone(&changed);
        let on_event = move |event: notify::Result<notify::Event>| {
            // After an error, events may be lost.
            if event.as_ref().map_or(true, matters) {
                notify.notify_one();
            }
        };
        let files = notify::recommended_watcher(on_event).and_then(|mut files| {
            files.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(files)
        });
        if let Err(error) = &files {
            let directory = directory.display();
            warn!(%directory, reason = %error, "files in {directory} are not watched, so changes are seen at each poll, or after SIGHUP: {error}");
        }
        let (directory, files) = (directory.to_owned(), files.ok());
        let mut watcher = ConfigWatcher { directory, changed, files, fleets: None, supervisor };
        watcher.watch_fleets();
        watcher
    }

    /// Waits for a change and for quiet after it, but no longer than until the next poll.
    pub(crate) async fn next(&mut self, poll: Duration) {
        if timeout(poll, self.changed.notified()).await.is_ok() {
            let start = Instant::now();
            while start.elapsed() < LONGEST && timeout(QUIET, self.changed.notified()).await.is_ok() {}
        }
        // Before the files are read: what happens meanwhile is reported again.
        self.watch_fleets();
    }

    /// The change was accepted or refused.
    pub(crate) fn acknowledge(&self) {
        self.supervisor.reloaded();
    }

    /// Another directory has taken the place of the watched one.
    pub(crate) fn watch_again(&mut self) {
        self.fleets = None;
        if let Some(files) = &mut self.files {
            let _ = files.unwatch(&self.directory);
            let _ = files.watch(&self.directory, RecursiveMode::NonRecursive);
        }
        self.watch_fleets();
    }

    /// The directory with the fleets may be new, or another one.
    fn watch_fleets(&mut self) {
        let fleets = self.directory.join("fleets");
        let which = std::fs::metadata(&fleets).map(|found| (found.dev(), found.ino())).ok();
        if which == self.fleets {
            return;
        }
        self.fleets = which;
        if let Some(files) = &mut self.files {
            let _ = files.unwatch(&fleets);
            let _ = files.watch(&fleets, RecursiveMode::NonRecursive);
        }
    }
}

/// Whether an event may change the configuration. Reading a file is an event, too.
fn matters(event: &notify::Event) -> bool {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        // Files that a fleet's file names have any name. A mounted ConfigMap changes by renaming ..data.
        !name.starts_with(b".") || name.ends_with(b".toml") || name.starts_with(b"..")
    };
    !matches!(event.kind, EventKind::Access(_)) && (event.paths.is_empty() || event.paths.iter().any(is_ours))
}
