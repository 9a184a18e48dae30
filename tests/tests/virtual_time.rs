//! The real loop against one simulated world in virtual time, one situation after the other.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod capacity;
mod matrix;
mod moves;
mod organisations;
mod orphans;
mod trouble;
mod volume;
