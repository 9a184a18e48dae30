//! What others read: status, summary, history, cost.

mod cost;
mod daemon_errors;
mod errors;
mod history;
mod overview;
mod queue_wait;
mod recent;
mod status;
mod summary;
mod token_expiry;

pub use cost::{Cost, DayCost};
pub use daemon_errors::{
    Crowding, CrowdingChange, DaemonError, DaemonErrorKind, DoorKind, PortHindrance, crowded, not_listening,
};
pub use errors::{FleetErrorKind, LastingError};
pub use history::{DECISIONS, Decided, History, HistoryView, MINUTES, Minute};
pub use overview::{FleetLine, LATE, LISTED, Listed, Overview, Standing};
pub use queue_wait::begun;
pub use recent::{Recent, RecentStatus, Waits};
pub use status::{
    BadFileStatus, DaemonStatus, FleetStatus, Presentation, RemovalRow, RunnerRow, Status, Tick, VERSION,
    VmStatus,
};
pub use summary::summary;
pub use token_expiry::warning;
