//! What others read: status, summary, history, cost.

mod cost;
mod daemon_errors;
mod errors;
mod history;
mod overview;
mod queue_wait;
mod status;
mod summary;
mod token_expiry;

pub use cost::Cost;
pub use daemon_errors::{
    Crowding, CrowdingChange, DaemonError, DaemonErrorKind, DoorKind, PortHindrance, crowded, not_listening,
};
pub use errors::{FleetErrorKind, LastingError};
pub use history::{DECISIONS, Decided, History, MINUTES, Minute};
pub use overview::{FleetLine, LATE, LISTED, Listed, Overview, Standing};
pub use queue_wait::begun;
pub use status::{
    BadFileStatus, DaemonStatus, FleetStatus, Presentation, RemovalRow, RunnerRow, Status, Tick, VERSION,
    VmStatus,
};
pub use summary::summary;
pub use token_expiry::warning;
