//! Ports for servers that a test starts later, or starts twice.
//!
//! A port that the kernel chose and that was closed again is not safe: until the server starts, the kernel
//! may give it to another listener or to an outgoing connection. These ports are below the range from which
//! the kernel chooses. Each is reserved across processes until the test process ends.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

use parking_lot::Mutex;

/// The range of ports. `crates/ssh/tests/openssh/sshd.rs` uses the ports from 20,000 on.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// The reservations of this process: abstract sockets, which the kernel closes when the process ends.
static RESERVED: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// An address of loopback on which nothing listens. No other test gets it while this process lives.
///
/// # Panics
/// When no port is free.
pub fn free_address() -> SocketAddr {
    let mut reserved = RESERVED.lock();
    // Processes begin at different places, so that each finds a free port soon.
    let start = std::process::id() * 61 % u32::from(COUNT);
    let ports = (0..COUNT).map(|step| FIRST + ((start + u32::from(step)) % u32::from(COUNT)) as u16);
    for port in ports {
        let name = format!("azlin-tests-port-{port}");
        let name = UnixAddr::from_abstract_name(name).expect("the name is short");
        if let Ok(reservation) = UnixListener::bind_addr(&name)
            && is_free(port)
        {
            reserved.push(reservation);
            return (Ipv4Addr::LOCALHOST, port).into();
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT - 1)
}

/// Nothing listens there, on IPv4 and on IPv6: chromedriver listens on both.
fn is_free(port: u16) -> bool {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
    let has_no_v6 = matches!(&v6, Err(error) if error.kind() != ErrorKind::AddrInUse);
    v4.is_ok() && (v6.is_ok() || has_no_v6)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_address().port()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)));
    }

    #[test]
    fn a_port_on_which_something_listens_is_not_free() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            assert!(!is_free(listener.local_addr().expect("it is bound").port()), "{address}");
        }
    }
}
