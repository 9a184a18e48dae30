//! Azure, as the fleet needs it.

use core::net::IpAddr;
use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::model::{
    CallError, Calls, FailedVm, Orphan, OrphanKind, PowerState, PowerStates, Remaining, ResourceGroup,
    UntaggedVm, Vm, VmSpec,
};

/// Where a VM is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// It has no address yet.
    Pending,
    /// Here.
    At(IpAddr),
    /// It never will be, and why: Azure could not make it, or removes it.
    Never(String),
}

/// Azure.
#[async_trait]
pub trait Azure: Send + Sync {
    /// Every VM of the group that bears our mark, all pages, or an error: never a part. Power states
    /// are not told.
    async fn vms(&self, group: &ResourceGroup) -> Result<Vec<Vm>, CallError>;

    /// The VMs of the last list of the group whose names have the form of ours, and that do not bear our mark.
    fn untagged(&self, group: &ResourceGroup) -> Vec<UntaggedVm>;

    /// The power states of a subscription's VMs, all pages, or the last ones that were read: a subscription may have
    /// thousands of VMs that are not ours.
    async fn power_states(&self, subscription_id: &str) -> Result<PowerStates, CallError>;

    /// Asks for a VM, and returns once Azure has taken the request. Safe to repeat: a VM of that
    /// name is never overwritten, and one that an earlier attempt made is a success.
    async fn create(&self, spec: &VmSpec) -> Result<(), CallError>;

    /// Where a VM is reached: at its public address where that is asked for, else at its private one.
    async fn address(&self, group: &ResourceGroup, name: &str, public: bool) -> Result<Address, CallError>;

    /// What the instance view shows of a VM whose provisioning state is Failed.
    async fn failure(&self, group: &ResourceGroup, name: &str) -> Result<FailedVm, CallError>;

    /// What a VM printed on its serial console, as far as Azure keeps it; `None` where it keeps none.
    async fn console(&self, group: &ResourceGroup, name: &str) -> Result<Option<String>, CallError>;

    /// The power state of one VM; `None` when there is no such VM.
    async fn power_state(&self, group: &ResourceGroup, name: &str) -> Result<Option<PowerState>, CallError>;

    /// Asks a VM to drain, by a text that its metadata service shows it. Returns once Azure has taken the request. Safe to repeat.
    /// The VM answers by powering off.
    async fn ask_to_drain(&self, group: &ResourceGroup, name: &str, request: &str) -> Result<(), CallError>;

    /// Whether word was left at a VM, where nothing on the VM can change it: that a registration was sent to it, or that it was
    /// asked to drain. An error where there is no such VM.
    async fn was_registered(&self, group: &ResourceGroup, name: &str) -> Result<bool, CallError>;

    /// Leaves word at a VM that a registration is sent to it. Returns once Azure has taken the request. Safe to repeat.
    async fn note_registration(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError>;

    /// Makes a VM on standby the one of a runner, before it is started: sets the text that its metadata service shows it,
    /// and adds these tags to those that it has. Returns once Azure has taken the request. Safe to repeat.
    async fn take_from_standby(
        &self,
        group: &ResourceGroup,
        name: &str,
        order: &SecretString,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), CallError>;

    /// Asks for the start of a VM, and returns once Azure has taken the request. Safe to repeat.
    async fn start(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError>;

    /// Asks for the deallocation of a VM, whatever runs on it, and returns once Azure has taken the request. Safe to
    /// repeat.
    async fn deallocate(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError>;

    /// Asks for a VM's removal with its NIC, disk and IP, and returns once Azure has taken the
    /// request. A VM that is not there is a success.
    async fn delete(&self, group: &ResourceGroup, name: &str) -> Result<(), CallError>;

    /// The parts of VMs of one kind in the group that no VM holds and that bear our mark, all pages, or an
    /// error.
    async fn orphans(&self, group: &ResourceGroup, kind: OrphanKind) -> Result<Vec<Orphan>, CallError>;

    /// Asks for a orphan's removal, which Azure refuses while something holds it. One that is not there is a
    /// success.
    async fn discard(&self, orphan: &Orphan) -> Result<(), CallError>;

    /// How the requests that were sent have ended.
    fn calls(&self) -> Calls;

    /// What is left of Azure's budgets, as it told last.
    fn remaining(&self) -> Remaining;
}
