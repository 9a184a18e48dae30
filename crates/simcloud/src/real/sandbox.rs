//! The sandbox of a machine: its root, its network, its control groups and its connection to GitHub, made
//! before it boots and removed after it.

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use tokio::task::AbortHandle;

use super::control_groups::ControlGroups;
use super::network::{METADATA, Network};
use super::{MachineSettings, number, processes, run, text};
use crate::http::Ingress;

/// A shell script that moves itself into the given groups, then executes the command after `--`.
const IN_GROUPS: &str =
    r#"while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@""#;

/// A machine's root, network and listener. Dropping it removes them, and kills all processes in it.
pub(super) struct Sandbox {
    folder: PathBuf,
    pub(super) network: Network,
    /// Removed once no process is in them.
    control_groups: Option<ControlGroups>,
    is_mounted: bool,
    ingress: Vec<AbortHandle>,
}

impl Sandbox {
    /// Makes a sandbox in a folder that a sweep knows. `plant` writes into the machine's root.
    pub(super) fn make(
        settings: &MachineSettings,
        folder: &Path,
        plant: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<Sandbox> {
        let number = number();
        let folder = folder.join(number.to_string());
        fs::create_dir(&folder)?;
        let network = Network::make(number, &folder)?;
        let mut sandbox =
            Sandbox { folder, network, control_groups: None, is_mounted: false, ingress: Vec::new() };
        sandbox.control_groups = Some(ControlGroups::make(&sandbox.network.netns, &sandbox.folder)?);
        for name in ["root", "upper", "work"] {
            fs::create_dir(sandbox.folder.join(name))?;
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            text(&settings.root)?,
            text(&sandbox.folder.join("upper"))?,
            text(&sandbox.folder.join("work"))?
        );
        run("mount", &["-t", "overlay", "overlay", "-o", &layers, text(&sandbox.root())?])?;
        sandbox.is_mounted = true;
        plant(&sandbox.root())?;
        if let Some(overlay) = &settings.overlay {
            run("cp", &["-a", &format!("{}/.", text(overlay)?), text(&sandbox.root())?])?;
        }
        Ok(sandbox)
    }

    /// Serves GitHub on the machine's own loopback, and the metadata service at its address. Requests from
    /// there count as this VM's.
    pub(super) fn open(&mut self, ingress: &Ingress, vm: &str) -> io::Result<()> {
        for (address, port) in [(Ipv4Addr::LOCALHOST, ingress.port()), (METADATA, 80)] {
            let listener = self.network.listen(address, port)?;
            self.ingress.push(ingress.open(listener, vm)?);
        }
        Ok(())
    }

    /// Boots the machine.
    pub(super) fn boot(&self) -> io::Result<Child> {
        let console = fs::OpenOptions::new().create(true).append(true).open(self.console())?;
        let groups = self.control_groups.iter().flat_map(|groups| &groups.paths);
        Command::new("sh")
            .args(["-c", IN_GROUPS, "sh"])
            .args(groups)
            .args(["--", "systemd-nspawn"])
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--console=read-only"])
            .arg(format!("--machine={}", self.network.netns))
            .arg(format!("--network-namespace-path={}", self.network.path().display()))
            .arg("--directory")
            .arg(self.root())
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            // Ctrl-C at a terminal must not reach the machine.
            .process_group(0)
            .spawn()
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.folder.join("console")
    }

    /// Kills the machine's init, as a power failure does. The kernel kills the other processes.
    pub(super) fn kill(&self, nspawn: &mut Child) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(2);
        while nspawn.try_wait()?.is_none() {
            match processes::leader(nspawn.id()) {
                Some(leader) => processes::kill(leader),
                // The machine has no init yet.
                None => nspawn.kill()?,
            }
            if Instant::now() > patience {
                nspawn.kill()?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.network.kill_all();
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.ingress.iter().for_each(AbortHandle::abort);
        self.network.kill_all();
        drop(self.control_groups.take());
        if self.is_mounted {
            processes::unmount(&self.root());
        }
        // The next sweep removes what is left.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
