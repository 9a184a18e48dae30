//! How a simulated VM lives that was made for standby: at each boot it sets itself up, and then becomes the runner that
//! its user data name, or powers off.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::azure::{SimPower, SimVm};
use crate::fault::random_duration;
use crate::world::{World, WorldEvent};

/// The unit in the custom data of a VM for standby.
const UNIT: &str = "azlin-standby.service";
/// The first word of the user data of a VM that shall become a runner.
const RUN: &str = "azlin-run";

impl World {
    /// A VM for standby has booted, and no fault keeps its programs from starting.
    pub(crate) fn standby_boots(&mut self, uid: u64) {
        let now = self.now();
        let Some(vm) = self.vm(uid) else { return };
        vm.idle_since = Some(now);
        let is_first = !std::mem::replace(&mut vm.guest.is_set_up, true);
        let order = vm.run_order().filter(|_| vm.guest.registered.is_none());
        let runner = order.and_then(|jit| self.runner_of_jit(&jit));
        let setup = if is_first { self.settings.setup.clone() } else { Duration::ZERO..Duration::ZERO };
        // What comes after the setup takes about as long as to become a runner.
        let takes = random_duration(setup, &mut self.rng)
            + random_duration(self.settings.register.clone(), &mut self.rng);
        let Some(runner) = runner else {
            let delay = if is_first { takes } else { Duration::from_secs(2) };
            self.after(delay, WorldEvent::Off(uid));
            return;
        };
        if let Some(vm) = self.vm(uid) {
            (vm.guest.registered, vm.guest.powers_off) = (Some(runner), true);
        }
        self.after(takes, WorldEvent::Online(uid, runner));
    }

    /// A VM has been started again: it boots.
    pub(crate) fn boots_again(&mut self, uid: u64) {
        let is_real = self.settings.real_machines;
        let Some(vm) = self.vm(uid) else { return };
        vm.guest.is_up = false;
        (vm.guest.is_draining, vm.guest.is_drained) = (false, false);
        if vm.guest.works && !is_real {
            let boot = random_duration(self.settings.boot.clone(), &mut self.rng);
            self.after(boot, WorldEvent::Booted(uid));
        }
    }
}

/// Whether a VM with these custom data is made for standby.
pub(crate) fn is_for_standby(custom_data: &str) -> bool {
    custom_data.contains(UNIT)
}

impl SimVm {
    /// Whether it was made for standby, was never a runner, and is deallocated, or is about to be.
    pub fn is_on_standby(&self) -> bool {
        let is_off = matches!(self.power, Some(SimPower::Deallocating | SimPower::Deallocated));
        self.is_for_standby && is_off && self.runner.is_none() && self.guest.registered.is_none()
    }

    /// The JIT configuration in its user data, if they make it a runner.
    fn run_order(&self) -> Option<String> {
        let encoded = self.body["properties"]["userData"].as_str()?;
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let mut words = text.split_whitespace();
        (words.next() == Some(RUN)).then(|| words.nth(2).map(str::to_owned))?
    }
}
