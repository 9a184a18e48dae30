//! The client, which implements the port.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use azlin_fleet::bootstrap::RUNNER;
use azlin_fleet::model::{HostKey, Machine, RUNNER_PATH, SshError};
use azlin_fleet::ports::{Session, Ssh};

use crate::connection::SshConnection;
use crate::keys::{self, Keys};
use crate::login::login;
use crate::upload::RemoteFile;

/// The time limit for uploading the program that the steps call.
const PLACING: Duration = Duration::from_secs(30);

/// Settings of an [`SshClient`].
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// systemd's credentials for this service, as `$CREDENTIALS_DIRECTORY` names them. The file
    /// `ssh-key` in it opens the VMs of a fleet that names no key.
    pub credentials: Option<PathBuf>,
    /// The time limit for connecting, the handshake and the login together.
    pub connect_timeout: Duration,
}

impl Default for SshSettings {
    fn default() -> Self {
        SshSettings { credentials: None, connect_timeout: Duration::from_secs(10) }
    }
}

/// Machines over SSH.
///
/// It holds no key. A fleet's key is read at each use, so that a rotated key is used at once.
#[derive(Debug, Clone)]
pub struct SshClient {
    keys: Keys,
    connect_timeout: Duration,
}

impl SshClient {
    /// A client with these settings. Creating it reads nothing.
    pub fn new(settings: SshSettings) -> Self {
        SshClient {
            keys: Keys { credentials: settings.credentials },
            connect_timeout: settings.connect_timeout,
        }
    }

    /// One try to log in. Nothing is uploaded.
    ///
    /// # Errors
    /// As [`Ssh::connect`].
    pub async fn login(&self, machine: &Machine) -> Result<SshConnection, SshError> {
        let key = self.keys.read(machine.private_key.as_deref())?;
        login(machine, key, self.connect_timeout).await
    }
}

#[async_trait]
impl Ssh for SshClient {
    fn public_key(&self, private_key: Option<&Path>) -> Result<String, SshError> {
        let key = self.keys.read(private_key)?;
        Ok(keys::public_line(key.public_key()))
    }

    fn host_key(&self) -> HostKey {
        keys::new_host_key()
    }

    async fn connect(&self, machine: &Machine) -> Result<Box<dyn Session>, SshError> {
        let connection = self.login(machine).await?;
        let program =
            RemoteFile { path: RUNNER_PATH, mode: 0o755, size: RUNNER.len() as u64, limit: PLACING };
        connection.upload(&program, RUNNER.as_bytes()).await?;
        Ok(Box::new(connection))
    }
}
