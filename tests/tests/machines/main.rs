//! The daemon on real machines: OpenSSH, systemd, cloud-init, a real file system, and jobs that are
//! real processes. `cargo xtask e2e` runs them.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod drain;
mod faults;
mod fit;
mod fixture;
mod jobs;
mod stand_in;
mod standby;
mod survival;
