//! Lists of VMs, in pages. A page of a subscription has so many VMs of each region, so pages get shorter; and the second
//! page is empty.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error;
use super::shown::{VmView, vm_json};
use crate::azure::SimVm;
use crate::fault::{FaultKind, Lag};
use crate::http::message::{SimRequest, SimResponse};
use crate::world::World;

/// The VMs that a list is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct VmScope<'a> {
    pub(super) subscription: &'a str,
    /// Only the VMs of this resource group.
    pub(super) group: Option<&'a str>,
    /// Only the VMs of this region.
    pub(super) location: Option<&'a str>,
}

impl VmScope<'_> {
    fn vms<'w>(&self, world: &'w World, stale: Lag) -> Vec<&'w SimVm> {
        let state = &world.seen(stale).azure;
        let vms = match self.group {
            Some(group) => state.of_group(self.subscription, group),
            None => state.of_subscription(self.subscription),
        };
        let is_there =
            |vm: &&SimVm| self.location.is_none_or(|location| vm.location().eq_ignore_ascii_case(location));
        vms.into_iter().filter(is_there).collect()
    }
}

/// The page after this one, and whether this one is empty. The number of a page is in its link.
fn after(number: usize, is_of_subscription: bool) -> (usize, bool) {
    match number {
        0 if is_of_subscription => (1, false),
        1 => (2, true),
        _ => (number + 2, false),
    }
}

pub(super) fn answer(world: &mut World, request: &SimRequest, scope: VmScope<'_>, stale: Lag) -> SimResponse {
    let number = request.number("$skiptoken", 0);
    if number > 0 && world.strikes(|what| matches!(what, FaultKind::ListBreaks)) {
        let message = "Resource provider 'Microsoft.Compute' failed to return collection response for type \
                       'virtualMachines'.";
        return error(502, "ProviderError", message);
    }
    let is_of_subscription = scope.group.is_none();
    let is_status = request.parameter("statusOnly").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let wants = if is_of_subscription && is_status { VmView::Status } else { VmView::Listed };
    let mut regions = BTreeMap::<String, Vec<&SimVm>>::new();
    for vm in scope.vms(world, stale) {
        regions.entry(vm.location().to_ascii_lowercase()).or_default().push(vm);
    }
    let page = world.settings.vm_page;
    let (next, is_empty) = after(number, is_of_subscription);
    let shown = if is_empty { 0..0 } else { number / 2 * page..(number / 2 + 1) * page };
    let vms = regions.values().flat_map(|vms| vms.iter().skip(shown.start).take(shown.len()));
    let mut body = json!({"value": vms.map(|vm| vm_json(world, vm, wants)).collect::<Value>()});
    let longest = regions.values().map(Vec::len).max().unwrap_or_default();
    if longest > next.div_ceil(2) * page {
        let kept = url::form_urlencoded::parse(request.query.as_bytes());
        let kept = kept.filter(|(key, _)| key != "$skiptoken");
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        body["nextLink"] = json!(format!("{}{}?{query}&%24skiptoken={next}", request.base, request.path));
    }
    SimResponse::json(200, &body)
}
