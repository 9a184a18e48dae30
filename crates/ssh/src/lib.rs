//! Machines over SSH: the port [`azlin_fleet::ports::Ssh`], filled with russh.
//!
//! What always holds:
//! - Only the planted host key is trusted, and the server is asked for a key of its kind alone.
//! - Everything that waits has a bound, and a dead peer is noticed while a step runs.
//! - No secret is in a log, an error or a `Debug`: what a step is given to read is blotted out of
//!   whatever it prints.
//! - A file is whole on the machine, or not there under its name.

mod client;
mod connection;
mod exec;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keys;
mod login;
mod output;
mod upload;

pub use client::{SshClient, SshSettings};
pub use connection::SshConnection;
pub use exec::{CommandEnd, SshCommand, Stream};
pub use upload::RemoteFile;
