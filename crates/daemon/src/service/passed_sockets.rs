//! The sockets that systemd passes: `azlin-github-runner.socket` listens before the daemon starts and while it restarts, so
//! that no other process can take the port, and a delivery waits.

use std::net::SocketAddr;
use std::sync::Arc;

use listenfd::ListenFd;
use tokio::net::TcpListener;
use tracing::{info, warn};

/// Listening sockets of systemd's, by address.
#[derive(Default)]
pub(super) struct PassedSockets(Vec<(SocketAddr, Arc<TcpListener>)>);

impl PassedSockets {
    /// Takes what was passed to this process. What is no listening TCP socket is named, and left alone.
    pub(super) fn take() -> Self {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for number in 0..passed.len() {
            let taken = passed.take_tcp_listener(number).and_then(|taken| taken.map(ready).transpose());
            match taken {
                Ok(Some((address, socket))) => {
                    info!(%address, "systemd listens on {address} for this daemon");
                    sockets.push((address, Arc::new(socket)));
                }
                Ok(None) => {}
                Err(error) => {
                    warn!(reason = %error, "socket {} that systemd passes cannot be used: {error}; azlin-github-runner.socket may name TCP addresses alone", number + 1);
                }
            }
        }
        PassedSockets(sockets)
    }

    /// The socket at an address.
    pub(super) fn at(&self, address: SocketAddr) -> Option<Arc<TcpListener>> {
        self.0.iter().find(|(passed, _)| *passed == address).map(|(_, socket)| Arc::clone(socket))
    }

    /// The address of systemd's on the port of another address.
    pub(super) fn same_port(&self, address: SocketAddr) -> Option<SocketAddr> {
        self.0
            .iter()
            .map(|(passed, _)| *passed)
            .find(|passed| *passed != address && passed.port() == address.port())
    }

    /// The sockets at other addresses than these.
    pub(super) fn others(&self, addresses: &[SocketAddr]) -> Vec<(SocketAddr, Arc<TcpListener>)> {
        self.0.iter().filter(|(address, _)| !addresses.contains(address)).cloned().collect()
    }
}

fn ready(socket: std::net::TcpListener) -> std::io::Result<(SocketAddr, TcpListener)> {
    socket.set_nonblocking(true)?;
    // The child processes of an adapter must not hold the port.
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok((socket.local_addr()?, TcpListener::from_std(socket)?))
}
