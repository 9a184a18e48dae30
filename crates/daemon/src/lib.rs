//! The control loop: observe, decide, act, report, once a tick.
//!
//! - Each fleet has a loop of its own (`fleet_loop`), so that one fleet's trouble never delays
//!   another's. What several fleets look at is fetched once and shared ([`observe`]).
//! - A tick takes no input but the state of the world: timers and signals only say "now".
//! - There is no separate start-up or recovery: the first tick is an ordinary tick.
//! - What is decided, `azlin_fleet` decides. Here is no policy.

mod act;
mod status_store;
mod bootstrap;
pub mod config_dir;
pub mod config_edit;
mod token_expiry;
mod single_flight;
mod fleet_loop;
mod fleet_set;
mod follow;
mod hints;
mod http;
mod metrics;
pub mod observe;
mod outside;
mod pace;
mod capacity_cache;
mod plan_once;
mod presence;
mod liveness;
mod queues;
mod report;
mod run;
#[cfg(test)]
mod fixture;
mod signals;
mod state;
mod status_file;
mod supervisor;
mod orphan_collector;
mod wake;

pub use status_store::{StatusStore, StatusView};
pub use fleet_loop::FleetLoop;
pub use fleet_set::Fleets;
pub use follow::Followed;
pub use hints::Hinter;
pub use http::{Listener, Health, WebhookHandler, StatusPage};
pub use outside::{GitHubs, Outside};
pub use plan_once::{Planned, plan_once};
pub use presence::{NotAlone, Presence, alone};
pub use liveness::Liveness;
pub use run::{Daemon, TickFailures, run_once};
pub use signals::{stop_on_signals, wake_on_hangup};
pub use state::StateDir;
pub use status_file::{StatusFile, other_version, read_status, resolved, runtime_dirs, this_daemon};
pub use supervisor::Supervisor;
pub use wake::Wake;
