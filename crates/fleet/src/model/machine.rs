//! Machines that are reached over SSH, and their host keys.

use core::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

/// A machine to reach over SSH.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The VM's name, for messages.
    pub vm: String,
    /// The address and port of its SSH server.
    pub address: SocketAddr,
    /// The login account. It can become root without a password.
    pub user: String,
    /// The only trusted host key: `ssh-ed25519 AAAA…`.
    pub host_key: String,
    /// The file with the private key for the account. Absent means the daemon's own key.
    pub private_key: Option<PathBuf>,
}

/// A host key for a VM that does not exist yet.
#[derive(Debug, Clone)]
pub struct HostKey {
    /// The public key: `ssh-ed25519 AAAA…`, without a comment.
    pub public: String,
    /// The private key, in OpenSSH's format.
    pub private: SecretString,
}
