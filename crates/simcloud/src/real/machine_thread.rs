//! The thread of one machine: it makes the machine, boots and reboots it, powers it off, and removes it with
//! its VM.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::sandbox::Sandbox;
use super::{HypervisorState, locked, processes, seed};
use crate::azure::{RealMachine, SimVm};

/// The exit code of `systemd-nspawn` when the machine asks for a reboot.
const REBOOT: i32 = 133;
const GLANCE: Duration = Duration::from_millis(15);

/// Orders to a machine, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    PowerOff = 1,
    Remove = 2,
}

/// A machine, and the thread that runs it.
pub(super) struct MachineThread {
    order: Arc<AtomicU8>,
    thread: Option<JoinHandle<()>>,
}

impl MachineThread {
    pub(super) fn begin(state: Arc<HypervisorState>, vm: SimVm) -> MachineThread {
        let order = Arc::new(AtomicU8::new(0));
        let ordered = Arc::clone(&order);
        let thread = std::thread::spawn(move || MachineLoop { state, vm, order: ordered }.run());
        MachineThread { order, thread: Some(thread) }
    }

    /// Gives an order. A lower one than before has no effect.
    pub(super) fn order(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for MachineThread {
    fn drop(&mut self) {
        self.order(Order::Remove);
        if let Some(thread) = self.thread.take() {
            // The next sweep removes a machine that could not be removed.
            let _ = thread.join();
        }
    }
}

struct MachineLoop {
    state: Arc<HypervisorState>,
    vm: SimVm,
    order: Arc<AtomicU8>,
}

impl MachineLoop {
    fn is_ordered(&self, order: Order) -> bool {
        self.order.load(Ordering::Relaxed) >= order as u8
    }

    fn run(&self) {
        let sandbox = self.make();
        while !self.is_ordered(Order::Remove) {
            if let Err(error) = sandbox
                .as_ref()
                .map_err(ToString::to_string)
                .and_then(|sandbox| self.run_machine(sandbox).map_err(|error| error.to_string()))
            {
                let _ = writeln!(io::stderr(), "azlin-simcloud: {}: {error}", self.vm.name);
            }
            if !self.is_ordered(Order::Remove) {
                locked(self.state.ingress.world()).powered_off(self.vm.uid);
            }
            while !self.is_ordered(Order::Remove) && !self.is_started_again() {
                std::thread::sleep(GLANCE);
            }
        }
        drop(sandbox);
        if let Some(vm) = locked(self.state.ingress.world()).vm(self.vm.uid) {
            vm.machine = None;
        }
    }

    /// Whether the VM, which was off, was started: its machine boots again, with the disk that it has.
    fn is_started_again(&self) -> bool {
        let runs = locked(self.state.ingress.world()).vm(self.vm.uid).is_some_and(|vm| vm.is_running());
        let off = Order::PowerOff as u8;
        if runs {
            // The order from when it was off; that to remove it stays.
            let _ = self.order.compare_exchange(off, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
        runs
    }

    fn note(&self, change: impl FnOnce(&mut RealMachine)) {
        if let Some(machine) =
            locked(self.state.ingress.world()).vm(self.vm.uid).and_then(|vm| vm.machine.as_mut())
        {
            change(machine);
        }
    }

    /// Makes the machine.
    fn make(&self) -> io::Result<Sandbox> {
        let plant = |root: &Path| seed::plant(root, &self.vm);
        let mut sandbox = Sandbox::make(&self.state.settings, &self.state.folder, plant)?;
        sandbox.open(&self.state.ingress, &self.vm.name)?;
        self.note(|machine| {
            machine.address = Some(Ipv4Addr::new(10, 113, sandbox.network.number, 2));
            machine.netns.clone_from(&sandbox.network.netns);
            machine.console = sandbox.console();
        });
        Ok(sandbox)
    }

    /// Runs the machine until it is off.
    fn run_machine(&self, sandbox: &Sandbox) -> io::Result<()> {
        while !self.is_ordered(Order::PowerOff) {
            let mut nspawn = sandbox.boot()?;
            self.note(|machine| machine.nspawn = Some(nspawn.id()));
            let code = self.until_off(sandbox, &mut nspawn);
            self.note(|machine| (machine.nspawn, machine.leader) = (None, None));
            if code? != Some(REBOOT) {
                break;
            }
        }
        Ok(())
    }

    fn until_off(&self, sandbox: &Sandbox, nspawn: &mut Child) -> io::Result<Option<i32>> {
        let mut leader = None;
        loop {
            if let Some(status) = nspawn.try_wait()? {
                return Ok(status.code());
            }
            if self.is_ordered(Order::PowerOff) {
                sandbox.kill(nspawn)?;
                return Ok(None);
            }
            if leader.is_none() {
                leader = processes::leader(nspawn.id());
                self.note(|machine| machine.leader = leader);
            }
            std::thread::sleep(GLANCE);
        }
    }
}
