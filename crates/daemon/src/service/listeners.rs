//! The addresses that the daemon listens on: those of `azlin.toml`, with a socket of systemd's where it passes one, and those
//! that only systemd names.
//!
//! The fleets need no listener. So an address that cannot be listened on when the daemon starts is an error that lasts, and
//! is tried again, and all else goes on.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::config::DaemonConfig;
use azlin_fleet::report::{DaemonError, DaemonErrorKind, PortHindrance, not_listening};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use super::ServiceError;
use super::passed_sockets::PassedSockets;
use crate::context::DaemonContext;
use crate::http::{Listener, WebhookHandler};
use crate::status_store::StatusStore;

/// How long after a failure an address is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// The listening sockets.
pub(super) struct BoundListeners(Vec<BoundListener>);

/// An address, with its socket if it can be listened on.
#[derive(Clone)]
struct BoundListener {
    address: SocketAddr,
    key: ListenKey,
    socket: Arc<Mutex<Option<Arc<TcpListener>>>>,
}

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListenKey {
    Listen,
    WebhookListen,
    /// The socket unit alone. It is answered as `listen`.
    SocketUnit,
}

impl ListenKey {
    fn as_str(self) -> &'static str {
        match self {
            ListenKey::Listen => "listen",
            ListenKey::WebhookListen => "webhook_listen",
            ListenKey::SocketUnit => "the socket unit",
        }
    }
}

impl BoundListeners {
    /// Listens as configured. A socket at the same address is kept, and one that systemd passed is used. Where a daemon runs
    /// already, an address that cannot be listened on makes the configuration unusable.
    pub(super) async fn bind(
        config: &DaemonConfig,
        before: Option<&BoundListeners>,
        passed: &PassedSockets,
        config_dir: &Path,
    ) -> Result<Self, ServiceError> {
        let mut bound: Vec<BoundListener> = Vec::new();
        let asked =
            [(ListenKey::Listen, Some(config.listen)), (ListenKey::WebhookListen, config.webhook_listen)];
        for (key, address) in asked.into_iter().filter_map(|(key, address)| Some((key, address?))) {
            let known = before.into_iter().flat_map(|before| &before.0);
            let kept = known.chain(&bound).find(|kept| kept.address == address);
            let socket = match (kept, passed.at(address)) {
                (Some(kept), _) => Arc::clone(&kept.socket),
                (None, Some(passed)) => Arc::new(Mutex::new(Some(passed))),
                (None, None) => match TcpListener::bind(address).await {
                    Ok(socket) => Arc::new(Mutex::new(Some(Arc::new(socket)))),
                    Err(_) if before.is_none() => Arc::default(),
                    Err(error) => {
                        let file = config_dir.join("azlin.toml");
                        return Err(ServiceError::Listen { address, key: key.as_str(), file, error });
                    }
                },
            };
            bound.push(BoundListener { address, key, socket });
        }
        bound.dedup_by_key(|bound| bound.address);
        for (address, socket) in passed.others(&bound.iter().map(|bound| bound.address).collect::<Vec<_>>()) {
            let socket = Arc::new(Mutex::new(Some(socket)));
            bound.push(BoundListener { address, key: ListenKey::SocketUnit, socket });
        }
        Ok(BoundListeners(bound))
    }

    /// Answers operators and GitHub: each at its own address, or both at the only one.
    pub(super) fn serve(
        &self,
        operators: &Listener,
        github: WebhookHandler,
        passed: &PassedSockets,
        status_store: &StatusStore,
        context: &DaemonContext,
    ) -> Vec<JoinHandle<()>> {
        let doors = operators.doors();
        let has_own = self.0.iter().any(|bound| bound.key == ListenKey::WebhookListen);
        let for_operators =
            if has_own { operators.clone() } else { operators.clone().and_for_github(github.clone()) };
        let for_github = Listener::for_github(github, doors);
        let each = self.0.iter().map(|bound| {
            let listener = match bound.key {
                ListenKey::Listen | ListenKey::SocketUnit => for_operators.clone(),
                ListenKey::WebhookListen => for_github.clone(),
            };
            let held = passed.same_port(bound.address);
            tokio::spawn(bound.clone().serve(listener, held, status_store.clone(), context.clone()))
        });
        each.collect()
    }
}

impl BoundListener {
    /// Serves, once it can listen. `held` is the address on the same port that systemd listens on.
    async fn serve(
        self,
        listener: Listener,
        held: Option<SocketAddr>,
        status_store: StatusStore,
        context: DaemonContext,
    ) {
        let (address, of) = (self.address, self.address.to_string());
        let mut is_told = false;
        loop {
            let socket = self.socket.lock().clone();
            let socket = match socket {
                Some(socket) => Ok(socket),
                None => TcpListener::bind(address).await.map(Arc::new),
            };
            match socket {
                Ok(socket) => {
                    *self.socket.lock() = Some(Arc::clone(&socket));
                    // Also where another daemon of this process has told it.
                    status_store.ends(DaemonErrorKind::Listening, &of);
                    if is_told {
                        info!(%address, "{address} is listened on");
                    }
                    return listener.serve(socket).await;
                }
                Err(error) if !is_told => {
                    is_told = true;
                    let hindrance = match held {
                        Some(held) => PortHindrance::SocketUnit(held),
                        None if error.kind() == io::ErrorKind::PermissionDenied => PortHindrance::Forbidden,
                        None => PortHindrance::Other,
                    };
                    let what = not_listening(address, self.key.as_str(), &error.to_string(), hindrance);
                    warn!(%address, reason = %error, "error: {what}");
                    status_store.ends(DaemonErrorKind::Listening, &of);
                    let about = DaemonErrorKind::Listening;
                    status_store.begins(DaemonError { about, of: of.clone(), what, since: context.now() });
                }
                Err(_) => {}
            }
            sleep(RETRY).await;
        }
    }
}
