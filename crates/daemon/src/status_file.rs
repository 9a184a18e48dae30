//! The status file: the daemon's status, in its runtime directory, replaced completely after each tick. It
//! holds no secret, and all users may read it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::report::{DaemonStatus, FleetStatus, Status, VERSION};
use jiff::Timestamp;
use tracing::{debug, warn};

use crate::bounded_file::{LARGE, read_bounded};
use crate::context::DaemonContext;
use crate::status_store::{StatusStore, StatusView};

const NAME: &str = "status.json";
/// The shortest time between two writes, however many fleets tick.
const PAUSE: Duration = Duration::from_millis(100);
/// So much is written in a second at most. With thousands of fleets one of them always has something new, and all are
/// written each time.
const BYTES_A_SECOND: u64 = 2 * 1024 * 1024;

/// The status, with the fleets of the status store.
pub(crate) type SharedStatus = Status<Arc<FleetStatus>>;

/// Where a daemon leaves its status.
#[derive(Debug, Clone)]
pub(crate) struct StatusFile {
    path: PathBuf,
}

/// Directories where a status file may be, the likelier ones first: the named one, else those of a service,
/// of root and of a user.
pub fn runtime_dirs(named: Option<&Path>) -> Vec<PathBuf> {
    match named {
        Some(named) => vec![named.to_owned()],
        None => {
            let user = std::env::var_os("XDG_RUNTIME_DIR").map(|base| PathBuf::from(base).join("azlin"));
            [PathBuf::from("/run/azlin")].into_iter().chain(user).collect()
        }
    }
}

impl StatusFile {
    /// In the first of these directories that can be written to, which is made if it is missing; `None` if
    /// there is none.
    pub(crate) fn in_first_of(directories: &[PathBuf]) -> Option<Self> {
        directories.iter().find_map(|directory| {
            let is_there = std::fs::create_dir_all(directory).is_ok();
            let probe = is_there.then(|| tempfile::NamedTempFile::new_in(directory));
            matches!(probe, Some(Ok(_))).then(|| StatusFile { path: directory.join(NAME) })
        })
    }

    /// Writes the status after each change of the status store, until this is dropped.
    pub(crate) async fn keep(self, status_store: StatusStore, daemon: DaemonStatus, context: DaemonContext) {
        let (mut reader, mut is_told, mut pause) = (status_store.reader(), false, PAUSE);
        loop {
            let status = status(reader.next().await, daemon.clone(), &context);
            match self.write(&status) {
                Ok(bytes) => {
                    is_told = false;
                    pause = Duration::from_millis(bytes * 1000 / BYTES_A_SECOND).max(PAUSE);
                }
                Err(error) if !std::mem::replace(&mut is_told, true) => {
                    let path = self.path.display();
                    warn!(%path, reason = %error, "the status cannot be written to {path}: {error}");
                }
                Err(error) => debug!(reason = %error, "the status still cannot be written: {error}"),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The directory that it is in.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Removes the file.
    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// Returns how many bytes were written.
    fn write(&self, status: &SharedStatus) -> std::io::Result<u64> {
        let bytes = serde_json::to_vec(status)?;
        let mut file = tempfile::Builder::new().prefix(".status.").tempfile_in(self.directory())?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.write_all(&bytes)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(bytes.len() as u64)
    }
}

/// The status that a daemon on this configuration directory left in one of these directories.
pub fn read_status(directories: &[PathBuf], config_dir: &Path) -> Option<Status> {
    let config_dir = resolved(config_dir);
    directories.iter().find_map(|directory| {
        let bytes = read_bounded(&directory.join(NAME), LARGE).ok()?;
        let status: Status = serde_json::from_slice(&bytes).ok()?;
        let is_its = status.daemon.as_ref().is_some_and(|daemon| daemon.config_dir == config_dir);
        (is_its && status.version == VERSION).then_some(status)
    })
}

/// The version of a daemon whose status this version cannot read.
pub fn other_version(directories: &[PathBuf]) -> Option<String> {
    directories.iter().find_map(|directory| {
        let bytes = read_bounded(&directory.join(NAME), LARGE).ok()?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let is_read = serde_json::from_value::<Status>(value.clone()).is_ok_and(|s| s.version == VERSION);
        let version = value["daemon"]["version"].as_str()?.to_owned();
        (!is_read).then_some(version)
    })
}

/// A configuration directory as a status names it: links are not resolved, since one may be flipped.
fn resolved(config_dir: &Path) -> String {
    let path = std::path::absolute(config_dir).unwrap_or_else(|_| config_dir.to_owned());
    path.display().to_string()
}

/// The content of the status store, with the daemon's own data.
pub(crate) fn status(view: StatusView, daemon: DaemonStatus, context: &DaemonContext) -> SharedStatus {
    Status {
        version: VERSION,
        at: context.now(),
        daemon: Some(DaemonStatus { read_at: view.read_at, ..daemon }),
        fleets: view.fleets.into_values().collect(),
        bad_files: view.bad_files,
        errors: view.errors,
        forgotten: view.forgotten,
        budgets: context.budgets(),
    }
}

/// This process, as a status describes it.
pub fn this_daemon(config_dir: &Path, version: &str) -> DaemonStatus {
    let now = Timestamp::now();
    DaemonStatus {
        pid: std::process::id(),
        version: version.to_owned(),
        started_at: now,
        config_dir: resolved(config_dir),
        read_at: now,
    }
}
