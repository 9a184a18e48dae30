//! The VMs of resource groups. Where many groups of one subscription are read, one list of the subscription serves all
//! of them: Azure permits 300 lists a minute, and a thousand fleets may have a thousand groups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::ResourceGroup;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::answer::undocumented;
use crate::arm::Arm;
use crate::error::{ArmError, How};
use crate::vm_json::VmJson;
use crate::vm_reads;

/// The most resource groups of a subscription that are read one by one.
const MOST_GROUPS: usize = 20;
/// A group that was not read for so long does not count.
const GROUP_LEFT: Duration = Duration::from_secs(15 * 60);
/// How long a list of a subscription serves, for each of its pages: that makes 40 requests a minute at most.
const LASTS_PER_PAGE: Duration = Duration::from_millis(1_500);
/// The longest that it serves, however long it is: what the daemon has changed must show within two minutes.
const LASTS_AT_MOST: Duration = Duration::from_secs(45);
/// The same for a refusal: roles are granted by a person.
const REFUSAL_LASTS: Duration = Duration::from_secs(10 * 60);

/// The lists of all subscriptions.
#[derive(Clone, Default)]
pub(crate) struct GroupLists(Arc<Mutex<HashMap<String, Arc<SubscriptionVms>>>>);

#[derive(Default)]
struct SubscriptionVms {
    /// When each group was read last, by its name in lower case.
    read: Mutex<HashMap<String, Instant>>,
    /// Locked while the subscription is listed, so that only one list is under way.
    whole: tokio::sync::Mutex<Option<WholeList>>,
}

/// The VMs of a whole subscription.
struct WholeList {
    began: Instant,
    lasts: Duration,
    /// By the name of their group in lower case.
    vms: Result<HashMap<String, Vec<VmJson>>, ArmError>,
}

impl GroupLists {
    /// The VMs of a group, all of them.
    pub(crate) async fn vms(&self, arm: &Arm, group: &ResourceGroup) -> Result<Vec<VmJson>, ArmError> {
        let of = Arc::clone(self.0.lock().entry(group.subscription_id.to_ascii_lowercase()).or_default());
        let key = group.name.to_ascii_lowercase();
        if of.count(&key) <= MOST_GROUPS {
            return vm_reads::of_group(arm, group).await;
        }
        let mut whole = of.whole.lock().await;
        let list = match whole.take().filter(|list| list.began.elapsed() < list.lasts) {
            Some(list) => list,
            None => WholeList::read(arm, &group.subscription_id).await,
        };
        let vms = list.vms.as_ref().map(|vms| vms.get(&key).cloned().unwrap_or_default());
        let vms = vms.map_err(Clone::clone);
        *whole = Some(list);
        drop(whole);
        match vms {
            // The identity has its roles on the groups alone.
            Err(error) if is_refused(&error) => vm_reads::of_group(arm, group).await,
            vms => vms,
        }
    }
}

impl SubscriptionVms {
    /// How many groups are read, with this one.
    fn count(&self, group: &str) -> usize {
        let mut read = self.read.lock();
        read.insert(group.to_owned(), Instant::now());
        read.retain(|_, at| at.elapsed() < GROUP_LEFT);
        read.len()
    }
}

impl WholeList {
    async fn read(arm: &Arm, subscription_id: &str) -> Self {
        let began = Instant::now();
        let list = vm_reads::of_subscription(arm, subscription_id).await.and_then(|pages| {
            let homeless = pages.items.iter().find(|vm| vm.group.is_empty() && vm.is_marked());
            match homeless.map(|vm| vm.name.clone()) {
                None => Ok(pages),
                Some(name) => Err(undocumented(&format!("VM {name} has our tags and no resource group"))),
            }
        });
        match list {
            Ok(pages) => {
                let mut vms: HashMap<String, Vec<VmJson>> = HashMap::new();
                for vm in pages.items {
                    vms.entry(vm.group.to_ascii_lowercase()).or_default().push(vm);
                }
                WholeList { began, lasts: lasts(pages.count), vms: Ok(vms) }
            }
            Err(error) => {
                let lasts = if is_refused(&error) { REFUSAL_LASTS } else { LASTS_PER_PAGE };
                WholeList { began, lasts, vms: Err(error) }
            }
        }
    }
}

/// How long a list with so many pages serves.
fn lasts(pages: usize) -> Duration {
    LASTS_PER_PAGE.saturating_mul(u32::try_from(pages).unwrap_or(u32::MAX)).min(LASTS_AT_MOST)
}

fn is_refused(error: &ArmError) -> bool {
    matches!(&error.how, How::Refused(refusal) if refusal.status == 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_serves_longer_and_never_for_as_long_as_a_change_may_take_to_show() {
        for (pages, seconds) in [(1, 1.5), (10, 15.0), (30, 45.0), (200, 45.0)] {
            assert_eq!(lasts(pages), Duration::from_secs_f64(seconds), "{pages} pages");
            // Compute permits 300 in a minute.
            assert!((pages as f64) * 60.0 / seconds < 300.0, "{pages} pages");
        }
    }
}
