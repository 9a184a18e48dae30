//! What a rehearsal (`check --try`) looks at besides the daemon's own ports: how Azure shows a VM that azlin made, as
//! plain values. Only `PowerState/running` and the like are Azure's words; nothing here judges.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::model::{CallError, ForeignText, OrphanKind, ResourceGroup};

/// How Azure shows a VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownVm {
    /// Whether Azure knows the API version that VMs are made with, also for reads.
    pub knows_version: bool,
    /// `provisioningState`.
    pub provisioning: Option<ForeignText>,
    /// The codes in the instance view. Absent if there is no list of them.
    pub statuses: Option<Vec<ForeignText>>,
    /// The name of its OS disk.
    pub os_disk: Option<ForeignText>,
    /// `securityType`. Absent where Azure shows none.
    pub security_type: Option<ForeignText>,
    /// The names of extensions on it. azlin asks for none.
    pub extensions: Vec<ForeignText>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its zones.
    pub zones: Vec<ForeignText>,
}

/// How Azure shows a NIC, a public address or a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPart {
    /// The kind of part.
    pub kind: OrphanKind,
    /// Its name.
    pub name: ForeignText,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its zones.
    pub zones: Vec<ForeignText>,
    /// Whether something holds it.
    pub is_held: bool,
}

/// How Azure shows a list of VMs: its pages, and one VM in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownList {
    /// How many VMs each page has, in order. The last pages of a very long list are not read.
    pub pages: Vec<usize>,
    /// The paths of all values that the list shows of the VM, such as `properties.instanceView.statuses`. Empty if the
    /// list does not have the VM.
    pub frame: Vec<ForeignText>,
    /// The codes in the VM's instance view. Absent if the list has none.
    pub statuses: Option<Vec<ForeignText>>,
}

/// What a rehearsal asks Azure.
#[async_trait]
pub trait AzureRehearsal: Send + Sync {
    /// A VM; `None` when there is no such VM.
    async fn shown_vm(&self, group: &ResourceGroup, name: &str) -> Result<Option<ShownVm>, CallError>;

    /// The parts of one kind in a group, also those of others.
    async fn shown_parts(&self, group: &ResourceGroup, kind: OrphanKind)
    -> Result<Vec<ShownPart>, CallError>;

    /// The list of a group's VMs, as far as the VM of that name and a few pages more.
    async fn shown_group(&self, group: &ResourceGroup, name: &str) -> Result<ShownList, CallError>;

    /// The list of a subscription's power states, in the same way.
    async fn shown_states(&self, group: &ResourceGroup, name: &str) -> Result<ShownList, CallError>;

    /// The names of the headers about rate limits that these answers had.
    fn limit_headers(&self) -> Vec<ForeignText>;
}
