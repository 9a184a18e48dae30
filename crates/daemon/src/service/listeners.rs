//! The addresses that the daemon listens on.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use azlin_fleet::config::DaemonConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::ServiceError;
use crate::http::{Listener, WebhookHandler};

/// Listening sockets, by configured address. A second socket answers GitHub only.
pub(super) struct BoundListeners(Vec<(SocketAddr, Arc<TcpListener>)>);

impl BoundListeners {
    /// Listens as configured. A socket at the same address is kept.
    pub(super) async fn bind(
        config: &DaemonConfig,
        before: Option<&BoundListeners>,
        config_dir: &Path,
    ) -> Result<Self, ServiceError> {
        let mut bound: Vec<(SocketAddr, Arc<TcpListener>)> = Vec::new();
        let asked = [("listen", Some(config.listen)), ("webhook_listen", config.webhook_listen)];
        for (key, address) in asked.into_iter().filter_map(|(key, address)| Some((key, address?))) {
            let known = before.into_iter().flat_map(|before| &before.0);
            let kept = known.chain(&bound).find(|(kept, _)| *kept == address);
            let socket = match kept {
                Some((_, socket)) => Arc::clone(socket),
                None => {
                    let failed = |error| {
                        let file = config_dir.join("azlin.toml");
                        ServiceError::Listen { address, key, file, error }
                    };
                    Arc::new(TcpListener::bind(address).await.map_err(failed)?)
                }
            };
            bound.push((address, socket));
        }
        bound.dedup_by_key(|(address, _)| *address);
        Ok(BoundListeners(bound))
    }

    /// Answers operators and GitHub: each at its own address, or both at the only one.
    pub(super) fn serve(&self, operators: Listener, github: WebhookHandler) -> Vec<JoinHandle<()>> {
        let listeners = match self.0.len() {
            1 => vec![operators.and_for_github(github)],
            _ => vec![operators, Listener::for_github(github)],
        };
        let each = self.0.iter().zip(listeners);
        each.map(|((_, socket), listener)| tokio::spawn(listener.serve(Arc::clone(socket)))).collect()
    }
}
