//! A machine's network: its own namespace, and a pair of interfaces between it and the host.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::{fs, io, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{processes, run};

/// Where a VM finds the metadata service of Azure.
pub(super) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The host has 10.113.N.1, the machine 10.113.N.2, where N is `number`.
pub(super) struct Network {
    pub(super) number: u8,
    pub(super) netns: String,
    pub(super) link: String,
}

impl Network {
    /// Makes a network. The link's name is written into the folder, where a sweep finds it.
    pub(super) fn make(machine: u32, folder: &Path) -> io::Result<Network> {
        let netns = format!("azlin-{}-{machine}", std::process::id());
        run("ip", &["netns", "add", &netns])?;
        let mut network = Network { number: 0, netns, link: String::new() };
        network.number = network.connect(machine)?;
        network.link = format!("az{}", network.number);
        fs::write(folder.join("link"), &network.link)?;
        let (host, guest) = (network.address(1), network.address(2));
        let (netns, link) = (network.netns.as_str(), network.link.as_str());
        run("ip", &["addr", "add", &format!("{host}/30"), "dev", link])?;
        run("ip", &["link", "set", link, "up"])?;
        run("ip", &["-n", netns, "link", "set", "lo", "up"])?;
        run("ip", &["-n", netns, "addr", "add", &format!("{METADATA}/32"), "dev", "lo"])?;
        run("ip", &["-n", netns, "addr", "add", &format!("{guest}/30"), "dev", "eth0"])?;
        run("ip", &["-n", netns, "link", "set", "eth0", "up"])?;
        run("ip", &["-n", netns, "route", "add", "default", "via", &host.to_string()])?;
        Ok(network)
    }

    /// Makes the link, with the first free number on this host. Making it reserves the number.
    fn connect(&self, machine: u32) -> io::Result<u8> {
        let start = std::process::id().wrapping_mul(31).wrapping_add(machine);
        let mut last = io::Error::other("no number is free");
        for step in 0..254 {
            let number = u8::try_from(start.wrapping_add(step) % 254 + 1).unwrap_or(1);
            let link = format!("az{number}");
            if Path::new("/sys/class/net").join(&link).exists() {
                continue;
            }
            let peer = ["type", "veth", "peer", "name", "eth0", "netns", &self.netns];
            match run("ip", &[&["link", "add", &link], &peer[..]].concat()) {
                Ok(()) => return Ok(number),
                Err(error) => last = error,
            }
            if !Path::new("/sys/class/net").join(&link).exists() {
                break;
            }
        }
        Err(last)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 113, self.number, last)
    }

    pub(super) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.netns)
    }

    /// A listener that only the machine can reach, at an address of its own loopback. A thread moves into the
    /// namespace, makes it, and ends: a socket stays where it was made.
    pub(super) fn listen(&self, address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
        let namespace = fs::File::open(self.path())?;
        let made = thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind((address, port))
        });
        made.join().map_err(|_| io::Error::other("the thread that listens for a machine has died"))?
    }

    /// Kills all processes in the namespace.
    pub(super) fn kill_all(&self) {
        processes::kill_all_in(&self.netns);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if !self.link.is_empty() {
            // The link goes with its namespace at the latest.
            let _ = run("ip", &["link", "del", &self.link]);
        }
        let _ = run("ip", &["netns", "del", &self.netns]);
        processes::forget(&self.netns);
    }
}
