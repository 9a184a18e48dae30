//! A daemon that runs until another task in the same process ends, as in the demo.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::ServiceError;
use crate::http::Listener;
use crate::run::Daemon;

/// Runs a daemon, with its page if there is a socket, until `work` ends. Then running operations end.
///
/// # Errors
/// When the daemon panicked.
pub async fn run_until(
    daemon: Daemon,
    page: Option<(TcpListener, Listener)>,
    work: impl Future<Output = ()>,
) -> Result<(), ServiceError> {
    let stop = daemon.stop();
    let mut servers = JoinSet::new();
    if let Some((socket, listener)) = page {
        servers.spawn(listener.serve(Arc::new(socket)));
    }
    let running = tokio::spawn(daemon.run());
    work.await;
    stop.cancel();
    drop(servers);
    running.await.map_err(ServiceError::Panicked)
}
