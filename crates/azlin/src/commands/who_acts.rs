//! Who acts on a change of a fleet's file: whether a daemon is there to do it, and has taken it.

use std::time::{Duration, Instant};

use azlin_daemon::{Presence, read_status, runtime_dirs};
use azlin_fleet::status::Status;
use jiff::Timestamp;

use crate::cli::Target;

/// How long a daemon is given to take a change: it needs a quarter of a second.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(25);

/// A line that says whether a daemon is at work on the configuration, and whether it has taken what
/// was written at that time.
pub async fn told(target: &Target, written: Option<Timestamp>) -> String {
    let shown = target.config_dir.display();
    match (Presence::of(&target.config_dir), written) {
        (Presence::Running, None) => format!("A daemon is running on {shown}."),
        (Presence::Running, Some(written)) => match taken(target, written).await {
            Some(pid) => format!("The daemon on {shown} (process {pid}) has taken it."),
            None => format!(
                "A daemon is running on {shown}; whether it has taken the change cannot be seen here: its journal tells."
            ),
        },
        (Presence::Absent, _) => {
            format!("No daemon is running on {shown}: azlin github-runner run starts one, and acts on it.")
        }
        (Presence::Unknown, _) => format!("Whether a daemon is running on {shown} cannot be told here."),
    }
}

/// The daemon's own status, if it can be read here.
pub fn status(target: &Target) -> Option<Status> {
    read_status(&runtime_dirs(target.runtime_dir.as_deref()), &target.config_dir)
}

/// The process that has read what was written, once it has.
async fn taken(target: &Target, written: Timestamp) -> Option<u32> {
    let start = Instant::now();
    loop {
        let daemon = status(target).and_then(|status| status.daemon);
        if let Some(daemon) = daemon.filter(|daemon| daemon.read_at >= written) {
            return Some(daemon.pid);
        }
        if start.elapsed() > PATIENCE {
            return None;
        }
        tokio::time::sleep(LOOK).await;
    }
}
