//! What a machine needs before it boots, and all of it taken away again: its root, its network, and
//! its way to GitHub.

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};
use std::{fs, io};

use tokio::task::AbortHandle;

use super::network::Network;
use super::{Site, number, processes, run, seed, text};
use crate::azure::SimVm;

/// A machine's root, network and listener. Dropping it removes them, and whatever still runs in it.
pub(super) struct Lair {
    folder: PathBuf,
    pub(super) network: Network,
    is_mounted: bool,
    door: Option<AbortHandle>,
}

impl Lair {
    pub(super) fn make(site: &Site, vm: &SimVm) -> io::Result<Lair> {
        let number = number();
        let folder = site.folder.join(number.to_string());
        fs::create_dir(&folder)?;
        let network = Network::make(number, &folder)?;
        let mut lair = Lair { folder, network, is_mounted: false, door: None };
        for name in ["root", "upper", "work"] {
            fs::create_dir(lair.folder.join(name))?;
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            text(&site.settings.root)?,
            text(&lair.folder.join("upper"))?,
            text(&lair.folder.join("work"))?
        );
        run("mount", &["-t", "overlay", "overlay", "-o", &layers, text(&lair.root())?])?;
        lair.is_mounted = true;
        seed::plant(&lair.root(), vm)?;
        if let Some(overlay) = &site.settings.overlay {
            run("cp", &["-a", &format!("{}/.", text(overlay)?), text(&lair.root())?])?;
        }
        let listener = lair.network.listen(site.door.port())?;
        lair.door = Some(site.door.open(listener, &vm.name)?);
        Ok(lair)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.folder.join("console")
    }

    /// As pulling the plug does: its init dies, and the kernel takes everything else with it.
    pub(super) fn kill(&self, nspawn: &mut Child) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(2);
        while nspawn.try_wait()?.is_none() {
            match processes::leader(nspawn.id()) {
                Some(leader) => processes::kill(leader),
                // It has no init yet.
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

impl Drop for Lair {
    fn drop(&mut self) {
        if let Some(door) = &self.door {
            door.abort();
        }
        self.network.kill_all();
        if self.is_mounted {
            processes::unmount(&self.root());
        }
        // What cannot be removed is left to the next sweep.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
