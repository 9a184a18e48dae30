//! What an operator sees of the daemon, with a real browser and a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod page;
mod prometheus;
mod watched;
