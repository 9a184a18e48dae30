//! A VM as Azure shows it, as far as azlin reads it.
//!
//! A list holds VMs of others too. The generated model refuses all of a list for one unknown word in a field that
//! nobody reads, so it is not used for reading. Here only the fields that are used are looked at, and one that is
//! absent or has another form counts as not told.

use std::collections::BTreeMap;

use azlin_fleet::model::ForeignText;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::undocumented;
use crate::error::ArmError;

/// A status of an instance view: `PowerState/running`, and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewStatus {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VmJson {
    pub(crate) name: ForeignText,
    /// Its resource group, in whichever case Azure writes it.
    pub(crate) group: ForeignText,
    pub(crate) location: ForeignText,
    /// The tags that are texts. Azure allows no others.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) zone: Option<ForeignText>,
    pub(crate) size: ForeignText,
    pub(crate) is_spot: bool,
    pub(crate) provisioning_state: String,
    /// Empty without an instance view.
    pub(crate) statuses: Vec<ViewStatus>,
    /// The resource id of its first NIC.
    pub(crate) nic: Option<String>,
}

/// A page of a list of VMs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VmPage {
    value: Vec<Value>,
    #[serde(default)]
    next_link: Option<String>,
}

/// The VMs of a page, and the link to the next page.
pub(crate) fn page(body: &[u8]) -> Result<(Vec<VmJson>, Option<String>), ArmError> {
    let page: VmPage = serde_json::from_slice(body).map_err(|error| undocumented(&error))?;
    let vms = page.value.iter().map(VmJson::listed).collect::<Result<Vec<_>, _>>()?;
    Ok((vms.into_iter().flatten().collect(), page.next_link))
}

/// One VM.
pub(crate) fn one(body: &[u8]) -> Result<VmJson, ArmError> {
    let vm: Value = serde_json::from_slice(body).map_err(|error| undocumented(&error))?;
    let vm = VmJson::of(&vm);
    if vm.name.is_empty() { Err(undocumented(&"it shows no VM")) } else { Ok(vm) }
}

impl VmJson {
    /// A VM of a list. One without a name is skipped, unless it has our tags: then the list is not whole.
    fn listed(vm: &Value) -> Result<Option<VmJson>, ArmError> {
        let vm = VmJson::of(vm);
        match (vm.name.is_empty(), vm.is_marked()) {
            (false, _) => Ok(Some(vm)),
            (true, false) => Ok(None),
            (true, true) => Err(undocumented(&"a VM with our tags has no name")),
        }
    }

    /// Whether it has a tag of ours.
    pub(crate) fn is_marked(&self) -> bool {
        self.tags.keys().any(|tag| tag.starts_with("azlin-"))
    }

    fn of(vm: &Value) -> VmJson {
        let text = |at: &str| vm.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |at: &str| vm.pointer(at).and_then(Value::as_array).into_iter().flatten();
        // /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/N
        let id = text("/id");
        let segments: Vec<&str> = id.trim_start_matches('/').split('/').collect();
        let (group, last) = match segments.as_slice() {
            [_, _, _, group, .., last] => (*group, *last),
            _ => ("", ""),
        };
        let name =
            Some(text("/name")).filter(|name| !name.is_empty()).unwrap_or_else(|| last.to_owned()).into();
        let tags = vm.pointer("/tags").and_then(Value::as_object).into_iter().flatten();
        let statuses = list("/properties/instanceView/statuses").map(|status| ViewStatus {
            code: status["code"].as_str().unwrap_or_default().to_owned(),
            message: status["message"].as_str().unwrap_or_default().to_owned(),
        });
        let mut nics = list("/properties/networkProfile/networkInterfaces");
        VmJson {
            group: group.into(),
            location: text("/location").into(),
            tags: tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            zone: list("/zones").find_map(Value::as_str).map(ForeignText::from),
            size: text("/properties/hardwareProfile/vmSize").into(),
            is_spot: text("/properties/priority").eq_ignore_ascii_case("Spot"),
            provisioning_state: text("/properties/provisioningState"),
            statuses: statuses.collect(),
            nic: nics.find_map(|nic| nic["id"].as_str()).map(str::to_owned),
            name,
        }
    }
}

#[cfg(test)]
mod tests;
