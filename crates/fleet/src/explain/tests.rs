//! The explanations that people read, row by row.

mod job;
mod no_demand;
mod runner;

use super::*;
