//! How often and how long is a bootstrap over SSH tried? The fleet's `boot_timeout` ends all of it.

use std::time::Duration;

use crate::config::Fleet;

/// How often steps may fail, all of them together, before the VM counts as broken. A download may fail once or twice;
/// what fails three times fails on the next VM of that image too.
pub const STEP_TRIES: u32 = 3;
/// Between two tries of a step, so that a package manager that is busy has time to finish.
pub const STEP_PAUSE: Duration = Duration::from_secs(5);
/// Tries to connect before the address is asked for again: Azure may have given the VM another one.
pub const CONNECTS_PER_ADDRESS: u32 = 30;
/// Between two tries to connect. They cost nothing, and a VM that boots is up at any second.
pub const CONNECT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two requests for the address. The first pauses are shorter: most VMs have an address within
/// seconds, and each request counts against Azure's limit.
pub const LONGEST_ADDRESS_PAUSE: Duration = Duration::from_secs(5);

/// How much longer the next request for the address waits than the one before.
const ADDRESS_PAUSE_STEP: Duration = Duration::from_secs(1);
/// How long a VM that boots may refuse the daemon's key, or be missing at Azure. cloud-init installs the key some time
/// after the SSH server has started, and Azure's lists lag.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long to wait before the address is asked for again, after a pause of `last`.
pub fn next_address_pause(last: Duration) -> Duration {
    (last + ADDRESS_PAUSE_STEP).min(LONGEST_ADDRESS_PAUSE)
}

/// How long a VM of the fleet may refuse the daemon's key, or be missing at Azure, before it counts as broken. A fleet
/// whose VMs have to be up within minutes is in a quicker cloud.
pub fn patience(fleet: &Fleet) -> Duration {
    PATIENCE.min(fleet.lifecycle.boot_timeout / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn pauses_between_requests_for_the_address_grow_to_five_seconds() {
        let mut pause = Duration::ZERO;
        let pauses = [(); 7].map(|()| {
            pause = next_address_pause(pause);
            pause.as_secs()
        });
        assert_eq!(pauses, [1, 2, 3, 4, 5, 5, 5]);
    }

    #[test]
    fn patience_ends_at_half_of_the_boot_timeout() {
        let mut fleet = fixture::fleet("ci", "");
        for (boot_timeout, expected) in [(600, 120), (240, 120), (100, 50)] {
            fleet.lifecycle.boot_timeout = Duration::from_secs(boot_timeout);
            assert_eq!(patience(&fleet).as_secs(), expected);
        }
    }
}
