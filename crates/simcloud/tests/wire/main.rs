//! The simulated GitHub and Azure over HTTP, with a plain client.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod arm;
mod faults;
mod fixture;
mod github;
mod openapi;
mod operations;
mod refusals;
mod scale_sets;
mod webhooks;
