//! A simulated GitHub and Azure: for the demo, for tests, for benchmarks.
//!
//! One model, the [`World`], with two ways in: over HTTP on loopback ([`Served`]), so that the real adapters run
//! unchanged, and behind the ports in this process ([`InProcess`]), for virtual time. The world has its own random
//! source and a clock that it is given. Nothing here knows the daemon.
//!
//! # Where things are
//!
//! | to change | look into |
//! |---|---|
//! | a fault: what can fail, when, how often | `fault.rs` (a new [`fault::FaultKind`]), `fault/written.rs` (its name in a workload file) |
//! | what a fault of calls does | `fault.rs` (`call_faults`), applied by `http.rs` and by `in_process.rs` |
//! | what a fault of VMs, jobs or runners does | where that happens, with `World::strikes`: see the next four rows |
//! | events, time, what lists show | `world.rs` |
//! | jobs: arrival, assignment, time limits | `arrivals.rs`, `assign.rs`, `given.rs`, `limits.rs`, `github.rs` (its state) |
//! | VMs: creation and deletion, life, state | `calls.rs`, `machine.rs`, `azure.rs` |
//! | what Azure refuses whatever is asked; its limits | `refusals.rs` |
//! | Azure's long operations; start, stop, deallocate | `operations.rs` |
//! | where a list, a `DELETE` and the broker differ about a runner | `entries.rs` |
//! | how a VM drains when it is asked to | `drain.rs` |
//! | runners: by JIT configuration, by token, on a real machine, over SSH | `calls.rs`, `registration.rs`, `session.rs`, `guest.rs` |
//! | runner scale sets: sets, sessions, messages, assigned jobs | `scale_sets.rs` and its folder, `scale_set_fault.rs`; over HTTP `http/scale_sets.rs` |
//! | rate limits, renamed repositories, webhooks | `rate_limit.rs`, `secondary_limit.rs`, `rename.rs`, `webhooks.rs` |
//! | a key of a workload file | `workload.rs`, `settings.rs` (`[settings]`), `account.rs` (`[premises]`), `examples/burst.toml` |
//! | what `check` is answered | `preflight.rs` |
//! | what is counted and reported | `statistics.rs`, `report.rs` |
//! | what GitHub answers over HTTP | `http/github*.rs`, `http/repository_json.rs`, held to GitHub's description by `openapi.rs` |
//! | what Azure answers over HTTP | `http/azure.rs` and its folder, `http/parts.rs`, `http/about.rs` |
//! | connections, faults of connections | `http.rs`; webhook deliveries: `http/delivery.rs` |
//! | the ports in this process | `in_process.rs`, with a file for each port below it |
//! | VMs that are real machines | `real.rs`; `package.rs`, `http/runner.rs` and `runner/` are the runner's program on them |
//! | tests that read or change a running simcloud | `http/sim.rs`; a server with scripted answers: `scripted.rs` |
//!
//! docs/reference/simcloud.md is the page for users.

mod account;
mod arrivals;
mod assign;
pub mod azure;
mod calls;
mod drain;
mod entries;
pub mod fault;
#[cfg(any(test, feature = "scripted"))]
pub mod fixture;
pub mod github;
mod given;
mod guest;
mod http;
mod in_process;
mod limits;
mod machine;
mod odd_text;
#[cfg(feature = "openapi")]
pub mod openapi;
mod operations;
pub mod package;
mod preflight;
mod rate_limit;
pub mod real;
mod refusals;
pub mod registration;
mod rename;
mod report;
mod scale_set_fault;
pub mod scale_sets;
#[cfg(feature = "scripted")]
pub mod scripted;
mod secondary_limit;
pub mod session;
mod settings;
mod standby;
pub mod statistics;
pub mod webhooks;
pub mod workload;
mod world;

pub use account::Account;
pub use calls::{NoRunner, Removal};
pub use http::{
    APP_ID, APP_PRIVATE_KEY, CLIENT_ID, CLIENT_SECRET, Exchange, IDENTITY_HEADER, INSTALLATION_ID, Ingress,
    Served, SimClock,
};
pub use in_process::InProcess;
pub use scale_set_fault::ScaleSetFault;
pub use settings::WorldSettings;
pub use workload::Workload;
pub use world::{Occurrence, World, WorldEvent, WorldObserver, WorldState};
