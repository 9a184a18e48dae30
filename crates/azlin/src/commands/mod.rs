//! One module for each command: what it takes, what it does, what it prints.

pub mod completions;
pub mod demo;
pub mod man;
pub mod plan;
pub mod run;
pub mod status;
