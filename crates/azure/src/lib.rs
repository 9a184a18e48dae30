//! Azure Resource Manager, as a fleet of runners needs it: the port [`azlin_fleet::ports::Azure`]
//! over `azure_mgmt_compute`, with `azure_identity` for the credentials.
//!
//! What always holds:
//! - No type of an azure crate leaves this one.
//! - Every request is sent by the module `arm`. Only `arm` holds the bearer token and knows when a request
//!   may be sent again. The generated client gets neither a token nor a secret, since `azure_core` 0.21
//!   writes whole requests into the debug log, including the authorization header and the body.
//! - A success is the documented one, by status and form. A resource is absent only by Azure's own 404. No redirect
//!   is followed.
//! - A VM is created with `If-None-Match: *`, so no VM is ever overwritten. A name that is taken by the
//!   requested VM itself is a success.
//! - Long operations are requested and not waited for: the next tick observes the result.

mod answer;
mod api;
mod arm;
mod awaited;
mod bearer;
mod child;
mod client;
mod credential;
mod environment;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gates;
mod group_lists;
mod identity_http;
mod model;
mod orphans;
mod page_links;
mod power_reader;
mod preflight;
mod reach;
mod rehearsal;
mod remaining;
mod standby;
mod url_rule;
mod vm_json;
mod vm_reads;
mod vms;

pub use azlin_http::TrafficCounts;
pub use client::{AzureClient, AzureSettings};
pub use credential::{CredentialError, CredentialKind};
pub use environment::AzureEnvironment;
pub use error::SettingsError;
