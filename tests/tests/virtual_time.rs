//! The real loop against one simulated world in virtual time, one situation in each test.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and may print"
)]

mod capacity;
mod fires;
mod hostile_vms;
mod matrix;
mod moves;
mod organisations;
mod orphans;
mod refusals;
mod removals;
mod trouble;
mod volume;
