//! `provisioningState` of a VM, and what Failed means.

use serde::{Deserialize, Serialize};

use crate::model::{CallError, CallErrorKind, ForeignText, PowerState};

/// `provisioningState` of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// Azure makes the VM.
    Creating,
    /// Azure made or changed the VM successfully.
    Succeeded,
    /// Azure reports a failure, and the VM runs or may run: an extension failed, or the system reported too late. Only
    /// GitHub and the VM itself show whether it works.
    Impaired,
    /// Azure stopped the VM since nobody pays for the subscription. Another VM would be stopped too.
    Withheld,
    /// Azure failed to make the VM. The parts that were made still exist and cost money.
    Failed,
    /// Azure removes the VM.
    Deleting,
    /// Any other state: the VM exists, and Azure changes it.
    Other,
}

/// What the instance view shows of a VM whose `provisioningState` is Failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedVm {
    /// `AllocationFailed` in `ProvisioningState/failed/AllocationFailed`. Empty if Azure names none.
    pub code: ForeignText,
    /// The power state.
    pub power: PowerState,
    /// What the code and its message mean. `None` without a code.
    pub failure: Option<CallError>,
}

impl ProvisioningState {
    /// What Failed means for a VM whose instance view shows this. `None` means that the view could not be read.
    ///
    /// Azure says Failed of the whole VM when one of its extensions fails, or when its system reports too late (Docs:
    /// States and billing of Azure VMs). So a VM that runs has not failed. The codes of an allocation never come from a
    /// VM that was made.
    pub fn of_failed(view: Option<&FailedVm>) -> Self {
        let Some(view) = view else { return ProvisioningState::Impaired };
        let had_no_room = view.failure.as_ref().is_some_and(|failure| {
            matches!(
                failure.kind,
                CallErrorKind::NoCapacity | CallErrorKind::NoQuota(_) | CallErrorKind::Unfit(_)
            )
        });
        if view.code.eq_ignore_ascii_case("VMStoppedToWarnSubscription") {
            ProvisioningState::Withheld
        } else if view.power == PowerState::Running && !had_no_room {
            ProvisioningState::Impaired
        } else {
            ProvisioningState::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_means_of_a_vm() {
        use PowerState::{Deallocated, Running, Starting, Stopped, Unknown};
        let view = |code: &str, power, kind: Option<CallErrorKind>| FailedVm {
            code: code.into(),
            power,
            failure: kind.map(|kind| CallError::new(kind, code)),
        };
        let (no_room, later) = (Some(CallErrorKind::NoCapacity), Some(CallErrorKind::Unavailable));
        let no_quota = Some(CallErrorKind::NoQuota(crate::model::QuotaScope::Region));
        for (situation, view, expected) in [
            ("no room", view("AllocationFailed", Unknown, no_room), ProvisioningState::Failed),
            (
                "no room, and a power state",
                view("AllocationFailed", Running, no_room),
                ProvisioningState::Failed,
            ),
            ("quota", view("OperationNotAllowed", Unknown, no_quota), ProvisioningState::Failed),
            (
                "an extension",
                view("VMExtensionProvisioningError", Running, later),
                ProvisioningState::Impaired,
            ),
            ("too late", view("OSProvisioningTimedOut", Running, later), ProvisioningState::Impaired),
            (
                "too late, and it stopped",
                view("OSProvisioningTimedOut", Stopped, later),
                ProvisioningState::Failed,
            ),
            (
                "Azure's own failure",
                view("InternalOperationError", Unknown, later),
                ProvisioningState::Failed,
            ),
            ("it starts", view("InternalOperationError", Starting, later), ProvisioningState::Failed),
            ("no reason", view("", Unknown, None), ProvisioningState::Failed),
            ("no reason, and it runs", view("", Running, None), ProvisioningState::Impaired),
            ("unpaid", view("VMStoppedToWarnSubscription", Stopped, later), ProvisioningState::Withheld),
            (
                "unpaid, written otherwise",
                view("vmStoppedToWarnSubscription", Deallocated, None),
                ProvisioningState::Withheld,
            ),
        ] {
            assert_eq!(ProvisioningState::of_failed(Some(&view)), expected, "{situation}");
        }
        assert_eq!(ProvisioningState::of_failed(None), ProvisioningState::Impaired, "it was not looked at");
    }
}
