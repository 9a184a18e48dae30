//! A simulated GitHub and Azure: for the demo, for tests, for benchmarks.
//!
//! One model ([`World`]) with two faces: over HTTP on loopback ([`Served`]), so that the real adapters
//! run unchanged, and behind the ports in this process ([`InProcess`]), for virtual time. The world
//! has its own chance and a clock that it is given; nothing of it knows the daemon.

pub mod account;
mod arrivals;
mod assign;
pub mod azure;
mod calls;
pub mod fault;
pub mod github;
mod guest;
mod http;
mod in_process;
mod limits;
mod machine;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod package;
mod rate_limit;
pub mod real;
pub mod registration;
mod report;
#[cfg(feature = "scripted")]
pub mod scripted;
pub mod session;
mod settings;
pub mod statistics;
mod survey;
pub mod webhooks;
pub mod workload;
mod world;

pub use account::Account;
pub use calls::{NoRunner, Removal};
pub use http::{
    APP_ID, APP_PRIVATE_KEY, Exchange, IDENTITY_HEADER, INSTALLATION_ID, Ingress, Served, SimClock,
};
pub use in_process::InProcess;
pub use settings::WorldSettings;
pub use workload::Workload;
pub use world::{Occurrence, World, WorldEvent, WorldObserver, WorldState};
