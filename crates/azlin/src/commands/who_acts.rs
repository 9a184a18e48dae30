//! Who acts on a change of a fleet's file: whether a daemon is there to do it.

use std::path::Path;

use azlin_daemon::Presence;

/// A line that says whether a daemon is at work on a configuration directory.
pub fn told(config_dir: &Path) -> String {
    let shown = config_dir.display();
    match Presence::of(config_dir) {
        Presence::Running => format!("A daemon is running on {shown}."),
        Presence::Absent => {
            format!("No daemon is running on {shown}: azlin github-runner run starts one, and acts on it.")
        }
        Presence::Unknown => format!("Whether a daemon is running on {shown} cannot be told here."),
    }
}
