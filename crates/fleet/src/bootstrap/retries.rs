//! Limits for the retries of a bootstrap over SSH. The fleet's `boot_timeout` limits the whole bootstrap.

use std::time::Duration;

use crate::config::Fleet;

/// How many failures, over all steps together, make a VM count as broken. A download may fail once or twice;
/// what fails three times fails on the next VM of that image too.
pub const STEP_TRIES: u32 = 3;
/// The pause between two tries of a step. It gives a busy package manager time to finish.
pub const STEP_PAUSE: Duration = Duration::from_secs(5);
/// Tries to connect before the address is requested again: Azure may have given the VM another one.
pub const CONNECTS_PER_ADDRESS: u32 = 30;
/// The pause between two tries to connect. Tries cost nothing, and a booting VM may answer at any second.
pub const CONNECT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two requests for the address. The first pauses are shorter: most VMs have an
/// address within seconds, and each request counts against Azure's limit.
pub const LONGEST_ADDRESS_PAUSE: Duration = Duration::from_secs(5);

/// How much each pause between two requests for the address is longer than the previous one.
const ADDRESS_PAUSE_STEP: Duration = Duration::from_secs(1);
/// How long a booting VM may refuse the daemon's key, or be missing at Azure. cloud-init installs the key
/// some time after the SSH server has started, and Azure's lists lag.
const PATIENCE: Duration = Duration::from_secs(120);

/// The pause before the next request for the address, after a pause of `last`.
pub fn next_address_pause(last: Duration) -> Duration {
    (last + ADDRESS_PAUSE_STEP).min(LONGEST_ADDRESS_PAUSE)
}

/// How long a VM of the fleet may refuse the daemon's key, or be missing at Azure, before it counts as
/// broken. At most half of `boot_timeout`: a fleet with a short one expects a faster cloud.
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
