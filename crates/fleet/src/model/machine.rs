//! Machines that are reached over SSH, and their host keys.

use core::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

/// A machine to reach over SSH.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The VM's name, for messages.
    pub vm: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The account to log in as. It may become root without a password.
    pub user: String,
    /// The only host key that is trusted: `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// The file with the private key that opens it; the daemon's own where absent.
    pub private_key: Option<PathBuf>,
}

/// A host key for a VM that is to be made.
#[derive(Debug, Clone)]
pub struct HostKey {
    /// `ssh-ed25519 AAAA…`, without a comment.
    pub public: String,
    /// In OpenSSH's format.
    pub private: SecretString,
}
