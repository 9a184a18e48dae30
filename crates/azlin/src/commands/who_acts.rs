//! Whether a daemon acts on a change of a fleet's file, and has accepted it.

use std::path::Path;
use std::time::{Duration, Instant};

use azlin_daemon::{Presence, read_status, runtime_dirs};
use azlin_fleet::report::Status;
use jiff::Timestamp;

use crate::args::TargetArgs;

/// How long a daemon may take to accept a change: it needs a quarter of a second.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(25);

/// A line that says whether a daemon runs on the configuration, and whether it has accepted what was
/// written at that time.
pub async fn text(target: &TargetArgs, written: Option<Timestamp>) -> String {
    let shown = target.config_dir.display();
    match (Presence::of(&target.config_dir, target.runtime_dir.as_deref()), written) {
        (Presence::Running, None) => format!("A daemon is running on {shown}."),
        (Presence::Running, Some(written)) => match reader_of(target, written).await {
            Some((_, Some(why))) => {
                format!("The daemon on {shown} refuses the file, and the fleet goes on as it was: {why}")
            }
            Some((pid, None)) => format!("The daemon on {shown} (process {pid}) has taken it."),
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

/// The daemon's status, if it can be read here.
pub fn status(target: &TargetArgs) -> Option<Status> {
    read_status(&runtime_dirs(target.runtime_dir.as_deref()), &target.config_dir)
}

/// Why the daemon refuses the pool's file, if it does.
pub fn refusal(target: &TargetArgs, status: &Status) -> Option<String> {
    let is_its = |file: &str| {
        let path = Path::new(file);
        path.file_stem().is_some_and(|stem| stem == target.pool.as_str())
    };
    let bad = status.bad_files.iter().find(|bad| is_its(&bad.file))?;
    Some(bad.message.clone())
}

/// The process that has read the change, once it has, and why it refuses the file if it does.
async fn reader_of(target: &TargetArgs, written: Timestamp) -> Option<(u32, Option<String>)> {
    let start = Instant::now();
    loop {
        if let Some(status) = status(target)
            && let Some(daemon) = status.daemon.as_ref().filter(|daemon| daemon.read_at >= written)
        {
            return Some((daemon.pid, refusal(target, &status)));
        }
        if start.elapsed() > PATIENCE {
            return None;
        }
        tokio::time::sleep(LOOK).await;
    }
}
