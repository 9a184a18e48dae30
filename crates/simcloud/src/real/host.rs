//! A machine that is not a VM: a computer for programs such as the daemon.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};
use std::{fs, io};

use super::sandbox::Sandbox;
use super::{MachineSettings, number, processes, run, seed, sweep};

/// How long `systemd-nspawn` may take to start an init.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine that runs until this is dropped. Its only network is a link to this host.
pub struct Host {
    folder: PathBuf,
    /// `None` before it is made and after it is removed.
    sandbox: Option<Sandbox>,
    nspawn: Option<Child>,
    leader: u32,
    link: String,
    number: u8,
}

impl Host {
    /// Boots a machine. Its init has started when this returns, but its services may not have.
    ///
    /// # Errors
    /// If the root is not an operating system, or there is no space for a machine.
    pub fn boot(settings: &MachineSettings, hostname: &str) -> io::Result<Host> {
        settings.check()?;
        let folder = sweep::make_folder(number())?;
        let mut host =
            Host { folder, sandbox: None, nspawn: None, leader: 0, link: String::new(), number: 0 };
        let sandbox = Sandbox::make(settings, &host.folder, |root| seed::plant_host(root, hostname))?;
        (host.link, host.number) = (sandbox.network.link.clone(), sandbox.network.number);
        let nspawn = sandbox.boot();
        host.sandbox = Some(sandbox);
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

    /// The process id of its init on this host.
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// This host's address, as the machine sees it.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 113, self.number, 1)
    }

    /// Connects or disconnects the machine's network.
    ///
    /// # Errors
    /// If the link no longer exists.
    pub fn set_link(&self, is_up: bool) -> io::Result<()> {
        run("ip", &["link", "set", &self.link, if is_up { "up" } else { "down" }])
    }

    /// The file with its console output.
    pub fn console(&self) -> PathBuf {
        self.sandbox.as_ref().map(Sandbox::console).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let (Some(sandbox), Some(nspawn)) = (&self.sandbox, &mut self.nspawn) {
            // The next sweep removes what is left.
            let _ = sandbox.kill(nspawn);
        }
        drop(self.sandbox.take());
        sweep::remove_folder(&self.folder);
    }
}
