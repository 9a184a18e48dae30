//! The states of a VM: whether Azure has created it, and whether it runs.

/// The provisioning state of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimVmState {
    /// Azure is creating it.
    Creating,
    /// Azure has created it.
    Succeeded,
    /// Azure failed to create it.
    Failed,
    /// Azure is changing it: it starts, stops or deallocates.
    Updating,
    /// Azure is deleting it.
    Deleting,
}

impl SimVmState {
    /// Azure's name for the state.
    pub fn as_str(self) -> &'static str {
        match self {
            SimVmState::Creating => "Creating",
            SimVmState::Succeeded => "Succeeded",
            SimVmState::Failed => "Failed",
            SimVmState::Updating => "Updating",
            SimVmState::Deleting => "Deleting",
        }
    }
}

/// Whether a VM runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimPower {
    /// It is being started.
    Starting,
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It is off, and still has its place on a host.
    Stopped,
    /// It is being taken from its host.
    Deallocating,
    /// It is off, and has no place on a host.
    Deallocated,
}

impl SimPower {
    /// Azure's name for the state, in a code: `PowerState/running`.
    pub fn as_str(self) -> &'static str {
        match self {
            SimPower::Starting => "starting",
            SimPower::Running => "running",
            SimPower::Stopping => "stopping",
            SimPower::Stopped => "stopped",
            SimPower::Deallocating => "deallocating",
            SimPower::Deallocated => "deallocated",
        }
    }
}
