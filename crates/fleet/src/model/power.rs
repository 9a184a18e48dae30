//! The power state of a VM, as Azure's instance view has it.

use serde::{Deserialize, Serialize};

/// The power state of a VM, where it was asked for (Azure docs, States and billing of VMs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// Azure starts it.
    Starting,
    /// It runs.
    Running,
    /// It shuts down.
    Stopping,
    /// It is shut down and keeps its host: it is paid for as if it ran.
    Stopped,
    /// Azure takes it from its host.
    Deallocating,
    /// It has no host. Only its disk is paid for.
    Deallocated,
    /// Not asked for, or not reported.
    Unknown,
}

impl PowerState {
    /// Whether it is shut down, or about to be: no job on it goes on.
    pub fn is_off(self) -> bool {
        match self {
            PowerState::Stopping
            | PowerState::Stopped
            | PowerState::Deallocating
            | PowerState::Deallocated => true,
            PowerState::Starting | PowerState::Running | PowerState::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vm_that_certainly_goes_or_is_gone_from_its_host_is_off() {
        for (state, is_off) in [
            (PowerState::Starting, false),
            (PowerState::Running, false),
            (PowerState::Stopping, true),
            (PowerState::Stopped, true),
            (PowerState::Deallocating, true),
            (PowerState::Deallocated, true),
            (PowerState::Unknown, false),
        ] {
            assert_eq!(state.is_off(), is_off, "{state:?}");
        }
    }

    /// Names that older versions wrote.
    #[test]
    fn the_names_of_older_versions_are_read() {
        for (text, state) in [
            ("\"Running\"", PowerState::Running),
            ("\"Stopped\"", PowerState::Stopped),
            ("\"Unknown\"", PowerState::Unknown),
        ] {
            assert_eq!(serde_json::from_str::<PowerState>(text).expect("a state"), state);
        }
    }
}
