//! One module for each command: what it does, and what it prints.

pub mod check;
pub mod completions;
pub mod demo;
pub mod disable;
pub mod enable;
pub mod explain;
mod fleet_file;
pub mod man;
pub mod plan;
mod questions;
pub mod run;
mod said;
pub mod scale;
pub mod scale_set;
pub mod status;
mod wait;
pub mod webhook;
mod who_acts;
