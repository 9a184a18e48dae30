//! The package, the unit and the journal on a machine with a real systemd: an administrator's work, and the
//! events in a service's life. `cargo xtask e2e` runs them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod crash;
mod day;
mod disk;
mod journal;
mod network;
mod package;
mod port;
mod security;
mod trouble;
