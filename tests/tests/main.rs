//! The whole product from outside, in one program: what waits here waits side by side.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod bad_input;
mod capacity;
mod check;
mod cli;
mod crash;
mod docs;
mod drain;
mod explain;
mod fleet_files;
mod leftovers;
mod log;
mod matrix;
mod monitoring;
mod moves;
mod organisations;
mod page;
mod reload;
mod rooms;
mod service;
mod sign_in;
mod status;
mod supervisor;
mod survey;
mod trouble;
mod volume;
mod weather;
mod webhook;
mod webhook_setup;
mod wire;
