//! Code that the end-to-end tests share.

#![allow(clippy::expect_used, reason = "what tests share fails by panicking")]

use std::time::{Duration, Instant};

/// How long a test waits for a condition that must become true. The limit allows for a busy machine; a
/// passing test does not wait longer for it.
pub const SOON: Duration = Duration::from_secs(60);

/// Waits until a condition holds, at most for [`SOON`]. Returns whether it holds. The simulated world is not held meanwhile.
pub fn soon(condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > SOON {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

pub mod admin_host;
pub mod binary;
pub mod deliveries;
pub mod harness;
pub mod machines;
pub mod ports;
pub mod process;
pub mod schema;
pub mod sources;
pub mod web;
