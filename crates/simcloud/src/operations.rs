//! Azure's long operations: what a client asks for after a 201 or 202 until it is told how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::azure::{AzureRefusal, SimPower, SimVmState, key};
use crate::fault::random_duration;
use crate::http::failure_message;
use crate::world::{World, WorldEvent};

/// How long the result of an operation is kept.
const KEPT: Duration = Duration::from_secs(3600);

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationKind {
    /// It creates a VM.
    Create,
    /// It changes a VM, or starts, stops or deallocates it.
    Change,
    /// It deletes a VM, a NIC, an address or a disk.
    Delete,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OperationEnd {
    /// It succeeded.
    Succeeded,
    /// It failed, with Azure's code and message.
    Failed(String, String),
}

/// A long operation on a VM.
#[derive(Debug, Clone)]
pub(crate) struct SimOperation {
    pub(crate) kind: OperationKind,
    /// The number of the VM.
    uid: u64,
    pub(crate) began_at: Timestamp,
    /// When and how it ended.
    pub(crate) ended: Option<(Timestamp, OperationEnd)>,
}

/// What a client orders a VM to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PowerOrder {
    Start,
    Restart,
    PowerOff,
    Deallocate,
}

impl PowerOrder {
    /// The order of an address: `…/virtualMachines/NAME/deallocate`, in lower case.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "start" => PowerOrder::Start,
            "restart" => PowerOrder::Restart,
            "poweroff" => PowerOrder::PowerOff,
            "deallocate" => PowerOrder::Deallocate,
            _ => return None,
        })
    }

    /// Azure's word in addresses and actions.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            PowerOrder::Start => "start",
            PowerOrder::Restart => "restart",
            PowerOrder::PowerOff => "powerOff",
            PowerOrder::Deallocate => "deallocate",
        }
    }
}

/// All operations, by number.
#[derive(Debug, Default)]
pub(crate) struct SimOperations {
    all: BTreeMap<u64, SimOperation>,
    last: u64,
}

impl SimOperations {
    pub(crate) fn get(&self, number: u64) -> Option<&SimOperation> {
        self.all.get(&number)
    }

    /// The latest operation on a VM.
    pub(crate) fn latest(&self, uid: u64) -> Option<u64> {
        self.all.iter().rev().find(|(_, operation)| operation.uid == uid).map(|(number, _)| *number)
    }

    fn end(&mut self, uid: u64, kind: OperationKind, now: Timestamp, end: &OperationEnd) {
        let is_it = |it: &&mut SimOperation| it.uid == uid && it.kind == kind && it.ended.is_none();
        for operation in self.all.values_mut().filter(is_it) {
            operation.ended = Some((now, end.clone()));
        }
    }
}

impl World {
    /// An operation on a VM begins. What was under way there is over: Azure lets the later one go first.
    pub(crate) fn begins(&mut self, kind: OperationKind, uid: u64) -> u64 {
        let now = self.now();
        let preempted = OperationEnd::Failed(
            "OperationPreempted".to_owned(),
            "Operation execution has been preempted by a more recent operation.".to_owned(),
        );
        for earlier in [OperationKind::Create, OperationKind::Change] {
            self.operations.end(uid, earlier, now, &preempted);
        }
        let is_kept =
            |operation: &SimOperation| operation.ended.as_ref().is_none_or(|(at, _)| *at + KEPT > now);
        self.operations.all.retain(|_, operation| is_kept(operation));
        self.operations.last += 1;
        let number = self.operations.last;
        self.operations.all.insert(number, SimOperation { kind, uid, began_at: now, ended: None });
        number
    }

    /// The operation of this kind on a VM has succeeded.
    pub(crate) fn succeeds(&mut self, kind: OperationKind, uid: u64) {
        let now = self.now();
        self.operations.end(uid, kind, now, &OperationEnd::Succeeded);
    }

    /// The creation of a VM has failed.
    pub(crate) fn creation_fails(&mut self, uid: u64, code: &str, size: &str) {
        let (now, message) = (self.now(), failure_message(code, size));
        self.operations.end(uid, OperationKind::Create, now, &OperationEnd::Failed(code.to_owned(), message));
    }

    /// An operation that is over at once, as the deletion of a NIC.
    pub(crate) fn done_at_once(&mut self, kind: OperationKind, uid: u64) -> u64 {
        let number = self.begins(kind, uid);
        self.succeeds(kind, uid);
        number
    }

    /// Starts, stops or deallocates a VM. Returns the number of the operation; `None` if there is no such VM.
    ///
    /// # Errors
    /// If the VM is being deleted or created.
    pub(crate) fn order_power(
        &mut self,
        (subscription, group, name): (&str, &str, &str),
        order: PowerOrder,
    ) -> Result<Option<u64>, AzureRefusal> {
        let now = self.now();
        let Some(vm) = self.state.azure.vms.get_mut(&key(subscription, group, name)) else { return Ok(None) };
        if vm.state == SimVmState::Deleting || vm.power.is_none() {
            let why = match vm.state {
                SimVmState::Deleting => "is marked for deletion. You can only retry the Delete operation",
                _ => "is being created",
            };
            let message =
                format!("Operation '{}' is not allowed on VM '{name}' since the VM {why}.", order.as_str());
            return Err(AzureRefusal { status: 409, code: "OperationNotAllowed", message });
        }
        let is_started = order == PowerOrder::Start && !vm.is_running();
        let body = std::sync::Arc::clone(&vm.body);
        if is_started {
            // Azure keeps no capacity for a VM that is deallocated.
            self.capacity_for(&body)?;
        }
        let Some(vm) = self.state.azure.vms.get_mut(&key(subscription, group, name)) else { return Ok(None) };
        vm.state = SimVmState::Updating;
        vm.changed_at = now;
        if order == PowerOrder::Start && !is_started {
            let uid = vm.uid;
            self.after(Duration::ZERO, WorldEvent::Changed(uid));
            return Ok(Some(self.begins(OperationKind::Change, uid)));
        }
        vm.power = Some(match order {
            PowerOrder::Start => SimPower::Starting,
            PowerOrder::Restart => SimPower::Running,
            PowerOrder::PowerOff => SimPower::Stopping,
            PowerOrder::Deallocate => SimPower::Deallocating,
        });
        let (uid, runner) = (vm.uid, vm.runner);
        if order != PowerOrder::Start && self.disconnect(runner) {
            self.statistics.jobs_killed += 1;
        }
        let takes = match order {
            PowerOrder::Start => self.settings.start.clone(),
            _ => self.settings.delete.clone(),
        };
        let delay = random_duration(takes, &mut self.rng);
        self.after(delay, WorldEvent::Changed(uid));
        Ok(Some(self.begins(OperationKind::Change, uid)))
    }

    /// A VM has been started, stopped or deallocated.
    pub(crate) fn changed(&mut self, uid: u64) {
        let now = self.now();
        let Some(vm) = self.vm(uid).filter(|vm| vm.state == SimVmState::Updating) else { return };
        vm.state = SimVmState::Succeeded;
        vm.changed_at = now;
        let boots = vm.power == Some(SimPower::Starting);
        vm.power = vm.power.map(|power| match power {
            SimPower::Starting | SimPower::Running => SimPower::Running,
            SimPower::Stopping | SimPower::Stopped => SimPower::Stopped,
            SimPower::Deallocating | SimPower::Deallocated => SimPower::Deallocated,
        });
        self.succeeds(OperationKind::Change, uid);
        if boots {
            self.boots_again(uid);
        }
    }
}
