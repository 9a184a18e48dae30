//! The control loop: observe, decide, act, report, once a tick.
//!
//! - Each fleet has a loop of its own (`fleet_loop`), so that one fleet's trouble never delays
//!   another's. What several fleets need is read once and shared (`observe`).
//! - A tick takes no input but the state of the world. Timers, signals and webhooks only trigger it, and say
//!   how old its data may be.
//! - There is no separate start-up or recovery: the first tick is an ordinary tick.
//! - `azlin_fleet` makes all decisions. This crate has no policy.

mod act;
mod bootstrap;
pub mod bounded_file;
mod capacity_cache;
pub mod config_dir;
pub mod config_edit;
mod config_reloader;
mod config_watcher;
mod context;
mod direct_status;
mod dumps;
pub mod explain;
mod first_looks;
#[cfg(test)]
mod fixture;
mod fleet_loop;
mod fleet_set;
mod forgotten;
mod http;
mod instance_lock;
mod liveness;
mod lock_file;
mod metrics;
pub mod observe;
mod orphan_collector;
mod pace;
mod plan_once;
pub mod preflight;
pub mod questions;
mod queues;
pub mod rehearsal;
mod report;
mod run;
mod scale_set;
pub mod service;
mod signals;
mod single_flight;
mod size_facts;
mod state;
mod status_file;
mod status_store;
mod supervisor;
mod token_expiry;
mod triggers;

pub use context::{DaemonContext, GitHubs};
pub use direct_status::direct_status;
pub use dumps::forbid_dumps;
pub use fleet_loop::FleetLoop;
pub use fleet_set::Fleets;
pub use forgotten::find_forgotten;
pub use http::Listener;
pub use instance_lock::{InstanceLock, LockError, Presence};
pub use lock_file::LockHolder;
pub use plan_once::{Planned, plan_once};
pub use run::{Daemon, TickFailures};
pub use signals::{stop_on_signals, stop_with_last_words};
pub use state::StateDir;
pub use status_file::{other_version, read_status, runtime_dirs, this_daemon};
pub use status_store::{StatusStore, StatusView};
pub use triggers::TriggerRouter;
