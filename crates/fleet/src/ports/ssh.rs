//! Machines over SSH, as the fleet needs them.

use std::path::Path;

use async_trait::async_trait;

use crate::model::{HostKey, Machine, SshError, Step};

/// Machines over SSH.
#[async_trait]
pub trait Ssh: Send + Sync {
    /// The public half of the key that opens a fleet's VMs, as a line of `authorized_keys`.
    ///
    /// # Errors
    /// When there is no key, or it cannot be read.
    fn public_key(&self, private_key: Option<&Path>) -> Result<String, SshError>;

    /// A new host key.
    fn host_key(&self) -> HostKey;

    /// One try to log in, with a bound on its time. [`crate::bootstrap::RUNNER`] is there afterwards.
    async fn connect(&self, machine: &Machine) -> Result<Box<dyn Session>, SshError>;
}

/// A machine that was logged in to. The connection ends when this is dropped.
#[async_trait]
pub trait Session: Send + Sync {
    /// Runs a step as root, for at most [`Step::limit`]; what it printed.
    async fn run(&self, step: &Step) -> Result<String, SshError>;
}
