//! Real machines behind the simulated Azure, for tests that need a real sshd and systemd. Linux only, as
//! root.
//!
//! Each VM is an operating system of its own, booted by `systemd-nspawn` from a shared root with its own
//! layer above it, in its own network, with OpenSSH and with cloud-init that reads the request's custom data.
//!
//! Everything that is made is under [`RUN`], or has a name by which [`sweep`] finds it after simcloud was
//! killed.

mod control_groups;
mod host;
mod machine_thread;
mod network;
mod processes;
mod sandbox;
mod seed;
mod sweep;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::azure::{RealMachine, SimVm, SimVmState};
use crate::http::{Ingress, Served};
use crate::package::Package;
use crate::world::World;
pub use host::Host;
use machine_thread::{MachineThread, Order};
pub use sweep::sweep;

/// Where machines are: a folder for each simcloud, by process id.
pub const RUN: &str = "/run/azlin-machines";
/// How often machines are compared with the VMs.
const BEAT: Duration = Duration::from_millis(50);

/// What machines are made of.
#[derive(Debug, Clone)]
pub struct MachineSettings {
    /// The root that all machines share. It is never changed.
    pub root: PathBuf,
    /// A folder whose files are copied into each machine before its first boot.
    pub overlay: Option<PathBuf>,
}

impl MachineSettings {
    /// Machines of this root, without an overlay.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        MachineSettings { root: root.into(), overlay: None }
    }

    fn check(&self) -> io::Result<()> {
        if self.root.join("sbin/init").exists() {
            return Ok(());
        }
        let text = format!("{} is not the root of an operating system", self.root.display());
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }
}

/// Makes and removes machines as the world's VMs come and go, until it is dropped.
pub struct Hypervisor {
    stop: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
}

/// What all machines of one hypervisor share.
struct HypervisorState {
    settings: MachineSettings,
    /// The folder of all machines: a tmpfs, unmounted at the end.
    folder: PathBuf,
    ingress: Ingress,
}

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A number that nothing else in this process has.
fn number() -> u32 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock()
}

impl Served {
    /// Makes every VM a real machine from now on. The machines last as long as the returned hypervisor.
    ///
    /// # Errors
    /// If the root is not an operating system, or there is no space for machines.
    pub fn with_machines(&self, settings: MachineSettings) -> io::Result<Hypervisor> {
        settings.check()?;
        let padding = self.world().settings.package_padding;
        let package = Package::new(padding)?;
        let state =
            HypervisorState { settings, folder: sweep::make_folder(number())?, ingress: self.ingress() };
        {
            let mut world = self.world();
            world.package = Some(package);
            world.settings.real_machines = true;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let watch = std::thread::Builder::new()
            .name("hypervisor".to_owned())
            .spawn(move || watch(&Arc::new(state), &asked))?;
        Ok(Hypervisor { stop, watch: Some(watch) })
    }

    /// The machines, by the name of their VM.
    pub fn machines(&self) -> BTreeMap<String, RealMachine> {
        let world = self.world();
        let machines = world.state.azure.vms.values();
        machines.filter_map(|vm| Some((vm.name.clone(), vm.machine.clone()?))).collect()
    }
}

impl Drop for Hypervisor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(watch) = self.watch.take() {
            // The next sweep removes what is left.
            let _ = watch.join();
        }
    }
}

fn watch(state: &Arc<HypervisorState>, stop: &AtomicBool) {
    let mut threads = BTreeMap::<u64, MachineThread>::new();
    while !stop.load(Ordering::Relaxed) {
        let born = look(&mut locked(state.ingress.world()), &threads);
        for vm in born {
            threads.insert(vm.uid, MachineThread::begin(Arc::clone(state), vm));
        }
        threads.retain(|_, machine_thread| !machine_thread.has_ended());
        std::thread::sleep(BEAT);
    }
    for machine_thread in threads.values() {
        machine_thread.order(Order::Remove);
    }
    drop(threads);
    sweep::remove_folder(&state.folder);
}

/// Gives each machine its order. Returns the VMs that need a machine.
fn look(world: &mut World, threads: &BTreeMap<u64, MachineThread>) -> Vec<SimVm> {
    for (uid, machine_thread) in threads {
        match world.vm(*uid) {
            Some(vm) if vm.state == SimVmState::Deleting => machine_thread.order(Order::Remove),
            None => machine_thread.order(Order::Remove),
            Some(vm) if vm.is_off() => machine_thread.order(Order::PowerOff),
            Some(_) => {}
        }
    }
    let wants = |vm: &&mut SimVm| {
        let is_up = vm.state != SimVmState::Deleting && vm.is_running() && vm.guest.works;
        is_up && vm.machine.is_none() && !threads.contains_key(&vm.uid)
    };
    let mut born = Vec::new();
    for vm in world.state.azure.vms.values_mut().filter(wants) {
        vm.machine = Some(RealMachine {
            address: None,
            netns: String::new(),
            console: PathBuf::new(),
            nspawn: None,
            leader: None,
        });
        born.push(vm.clone());
    }
    born
}

/// Runs a program to its end.
fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let output = std::process::Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program} {}: {}", arguments.join(" "), said.trim())))
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))
}
