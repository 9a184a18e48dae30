//! What people are told, row by row.

mod job;
mod runner;

use super::*;
