//! What those who look after the daemon see, by what they look with: a browser, and Prometheus.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod page;
mod prometheus;
mod watched;
