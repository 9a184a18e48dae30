//! The daemon's memory and environment hold credentials, so neither a core nor a debugger of the same user shows them,
//! whatever the limits of the process are.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tracing::debug;

/// Forbids core dumps of this process, and other processes of its user to look into it.
pub fn forbid_dumps() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        debug!(reason = %error, "core dumps cannot be forbidden: {error}");
    }
}
