//! Placeholder until the helper's.
use std::path::Path;

use async_trait::async_trait;
use azlin_fleet::ports::{HostKey, Machine, Session, Ssh, SshError, SshTrouble};
use secrecy::SecretString;

use super::InProcess;

#[async_trait]
impl Ssh for InProcess {
    fn public_key(&self, _private_key: Option<&Path>) -> Result<String, SshError> {
        Ok("ssh-ed25519 AAAA".to_owned())
    }

    fn host_key(&self) -> HostKey {
        HostKey { public: "ssh-ed25519 AAAA".to_owned(), private: SecretString::from(String::new()) }
    }

    async fn connect(&self, _machine: &Machine) -> Result<Box<dyn Session>, SshError> {
        Err(SshError { trouble: SshTrouble::Unreachable, message: "no machine".to_owned() })
    }
}
