//! A machine that is no VM: a computer of its own for what runs on one, as the daemon does.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};
use std::{fs, io};

use super::lair::Lair;
use super::{MachineSettings, number, processes, run, seed, sweep};

/// How long `systemd-nspawn` may take until the machine has an init.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine that runs until this is dropped. Its only way out is a link to this host.
pub struct Host {
    folder: PathBuf,
    /// Taken when it is removed.
    lair: Option<Lair>,
    nspawn: Option<Child>,
    leader: u32,
    link: String,
    number: u8,
}

impl Host {
    /// Boots a machine; its init has begun, and what it starts may not be there yet.
    ///
    /// # Errors
    /// When the root is none, or there is no room for a machine.
    pub fn boot(settings: &MachineSettings, hostname: &str) -> io::Result<Host> {
        settings.check()?;
        let folder = sweep::make_folder(number())?;
        let mut host = Host { folder, lair: None, nspawn: None, leader: 0, link: String::new(), number: 0 };
        let lair = Lair::make(settings, &host.folder, |root| seed::plant_host(root, hostname))?;
        (host.link, host.number) = (lair.network.link.clone(), lair.network.number);
        let nspawn = lair.boot();
        host.lair = Some(lair);
        let id = host.nspawn.insert(nspawn?).id();
        let start = Instant::now();
        host.leader = loop {
            if let Some(leader) = processes::leader(id) {
                break leader;
            }
            if start.elapsed() > PATIENCE {
                let console = fs::read_to_string(host.console()).unwrap_or_default();
                return Err(io::Error::other(format!("the machine has no init: {console}")));
            }
            std::thread::sleep(Duration::from_millis(15));
        };
        Ok(host)
    }

    /// Its init, as this host numbers it.
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// This host's address, as the machine sees it.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 113, self.number, 1)
    }

    /// Pulls the cable, or puts it back.
    ///
    /// # Errors
    /// When the link is gone.
    pub fn set_link(&self, is_up: bool) -> io::Result<()> {
        run("ip", &["link", "set", &self.link, if is_up { "up" } else { "down" }])
    }

    /// What it wrote to its console.
    pub fn console(&self) -> PathBuf {
        self.lair.as_ref().map(Lair::console).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let (Some(lair), Some(nspawn)) = (&self.lair, &mut self.nspawn) {
            // What could not be ended is left to the next sweep.
            let _ = lair.kill(nspawn);
        }
        drop(self.lair.take());
        sweep::remove_folder(&self.folder);
    }
}
