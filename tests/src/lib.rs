//! What the end-to-end tests share.

#![allow(clippy::expect_used, reason = "what tests share fails by panicking")]

use std::time::Duration;

/// How long a test waits for what must happen. It is a bound for a busy machine, and costs nothing where all is well.
pub const SOON: Duration = Duration::from_secs(60);

pub mod admin_host;
pub mod binary;
pub mod deliveries;
pub mod harness;
pub mod machines;
pub mod ports;
pub mod schema;
pub mod sources;
pub mod web;
