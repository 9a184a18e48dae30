//! Why the daemon cannot start, or ended by itself.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::task::JoinError;

use crate::config_dir::ConfigError;
use crate::instance_lock::{LockError, holder_in_words};

/// Why an adapter cannot be made.
pub type ConnectError = Box<dyn Error + Send + Sync>;

/// Why the daemon cannot start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Signals cannot be handled.
    #[error("signals cannot be watched")]
    Signals(#[source] io::Error),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory is locked by another process.
    #[error("{}", locked(directory, error))]
    Lock {
        /// The configuration directory.
        directory: PathBuf,
        /// Why the lock failed.
        error: LockError,
    },
    /// An adapter cannot be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on; is another daemon running? [http] {key} in {} chooses another address", file.display())]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The key that names it.
        key: &'static str,
        /// The file with that key.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The loops ended without being stopped.
    #[error("the daemon ended by itself: {0}")]
    Ended(String),
    /// The loops panicked.
    #[error("the daemon panicked")]
    Panicked(#[source] JoinError),
}

fn locked(directory: &std::path::Path, error: &LockError) -> String {
    let shown = directory.display();
    match error {
        LockError::Unreadable(error) => format!("{shown} cannot be opened: {error}"),
        LockError::AlreadyRunning(holder) => format!(
            "{shown} is locked by {}, most likely another azlin github-runner run: stop that first, or let it do the work",
            holder_in_words(holder.as_ref())
        ),
    }
}

/// An error with all its causes, on one line.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}
