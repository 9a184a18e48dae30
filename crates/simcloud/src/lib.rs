//! A simulated GitHub and Azure: for the demo, for tests, for benchmarks.
//!
//! One model ([`World`]) with two faces: over HTTP on loopback ([`Served`]), so that the real adapters
//! run unchanged, and behind the ports in this process ([`InProcess`]), for virtual time. The world
//! has its own chance and a clock that it is given; nothing of it knows the daemon.

mod arrivals;
mod assign;
pub mod azure;
mod calls;
pub mod fault;
#[cfg(any(test, feature = "scripted"))]
pub mod fixture;
pub mod github;
mod guest;
pub mod hooks;
mod http;
mod in_process;
pub mod ledger;
mod limits;
mod machine;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod package;
pub mod premises;
mod rate_limit;
pub mod real;
pub mod registration;
mod report;
#[cfg(feature = "scripted")]
pub mod scripted;
pub mod session;
mod settings;
mod survey;
pub mod workload;
mod world;

pub use calls::{NoRunner, Removal};
pub use http::{APP_ID, APP_PRIVATE_KEY, Clock, Door, Exchange, IDENTITY_HEADER, INSTALLATION_ID, Served};
pub use in_process::InProcess;
pub use premises::Premises;
pub use settings::Settings;
pub use workload::Workload;
pub use world::{Event, Happening, Moment, Watch, World};
