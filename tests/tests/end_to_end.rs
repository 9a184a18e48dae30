//! The whole product from outside, in one program, so that waiting tests run in parallel.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and may print"
)]

mod bad_input;
mod check;
mod children;
mod cli;
mod crash;
mod docs;
mod doors;
mod drain;
mod explain;
mod fleet_files;
mod foreign_types;
mod forgotten;
mod listeners;
mod locks;
mod log;
mod monitoring;
mod names;
mod odd_commands;
mod odd_files;
mod odd_text;
mod page;
mod preflight;
mod questions;
mod rehearsal;
mod reload;
mod rooms;
mod runner_script;
mod scale_sets;
mod service;
mod shape;
mod sign_in;
mod slow_clients;
mod status;
mod supervisor;
mod unit;
mod weather;
mod webhook;
mod webhook_setup;
mod wire;
