//! Machines over SSH: the port [`azlin_fleet::ports::Ssh`], implemented with russh.
//!
//! What always holds:
//! - Only the host key that azlin planted is trusted, and only its kind is requested from the server.
//! - Every wait has a time limit, and a dead peer is noticed while a step runs.
//! - No log, error or `Debug` shows a secret: a step's input is removed from its output.
//! - An uploaded file is complete, or absent under its name.

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
