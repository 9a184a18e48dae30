//! The explanations that people read, row by row.

mod job;
mod runner;

use super::*;
