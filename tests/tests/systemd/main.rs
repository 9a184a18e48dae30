//! The package, the unit and the journal on a machine with a real systemd: what an administrator does,
//! and what happens to a service in its life. `cargo xtask e2e` runs them.

mod crash;
mod day;
mod journal;
mod package;
mod security;
mod trouble;
