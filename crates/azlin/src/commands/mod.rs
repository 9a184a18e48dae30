//! One module for each command: what it takes, what it does, what it prints.

pub mod check;
pub mod demo;
pub mod plan;
pub mod run;
