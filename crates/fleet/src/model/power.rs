//! The power state of a VM, as Azure's instance view reports it.

use serde::{Deserialize, Serialize};

/// The power state of a VM, if it was read (Azure docs, States and billing of VMs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// Azure starts the VM.
    Starting,
    /// The VM runs.
    Running,
    /// The VM shuts down.
    Stopping,
    /// The VM is shut down and keeps its host. It costs as much as a running VM.
    Stopped,
    /// Azure removes the VM from its host.
    Deallocating,
    /// The VM has no host. Only its disk costs money.
    Deallocated,
    /// The power state was not read, or not reported.
    Unknown,
}

impl PowerState {
    /// Whether the VM is shut down or shuts down. No job continues on it.
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
    fn only_a_vm_that_is_shut_down_or_shuts_down_is_off() {
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
