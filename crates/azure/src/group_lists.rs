//! What resource groups hold. Where many groups of one subscription are read, one list of the subscription serves all
//! of them: Azure permits 300 lists a minute, and a thousand fleets may have a thousand groups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{ForeignText, ResourceGroup};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{ArmError, How};
use crate::page_links::Pages;

/// A group that was not read for so long does not count.
const GROUP_LEFT: Duration = Duration::from_secs(20 * 60);
/// How long a list of a subscription serves, for each of its pages: that makes 40 requests a minute at most.
const LASTS_PER_PAGE: Duration = Duration::from_millis(1_500);
/// The longest that it serves, however long it is: what the daemon has changed must show within two minutes.
const LASTS_AT_MOST: Duration = Duration::from_secs(45);
/// The same for a refusal: roles are granted by a person.
const REFUSAL_LASTS: Duration = Duration::from_secs(10 * 60);

/// The lists of one kind of resource, of all subscriptions.
#[derive(Clone)]
pub(crate) struct GroupLists<T> {
    /// The most resource groups of a subscription that are read one by one.
    most_groups: usize,
    subscriptions: Arc<Mutex<HashMap<String, Arc<SubscriptionLists<T>>>>>,
}

struct SubscriptionLists<T> {
    /// When each group was read last, by its name in lower case.
    read: Mutex<HashMap<String, Instant>>,
    /// Locked while the subscription is listed, so that only one list is under way.
    whole: tokio::sync::Mutex<Option<WholeList<T>>>,
}

/// What a whole subscription holds.
struct WholeList<T> {
    began: Instant,
    lasts: Duration,
    /// By the name of their group in lower case.
    items: Result<HashMap<String, Vec<T>>, ArmError>,
}

impl<T: Clone> GroupLists<T> {
    pub(crate) fn new(most_groups: usize) -> Self {
        GroupLists { most_groups, subscriptions: Arc::default() }
    }

    /// What a group holds, by its own list or by that of its subscription. That one has each item with the name of
    /// its group.
    pub(crate) async fn of(
        &self,
        group: &ResourceGroup,
        of_group: impl Future<Output = Result<Vec<T>, ArmError>>,
        of_subscription: impl Future<Output = Result<Pages<(ForeignText, T)>, ArmError>>,
    ) -> Result<Vec<T>, ArmError> {
        let subscription = group.subscription_id.to_ascii_lowercase();
        let lists = Arc::clone(self.subscriptions.lock().entry(subscription).or_default());
        let key = group.name.to_ascii_lowercase();
        if lists.count(&key) <= self.most_groups {
            return of_group.await;
        }
        let mut whole = lists.whole.lock().await;
        let list = match whole.take().filter(|list| list.began.elapsed() < list.lasts) {
            Some(list) => list,
            None => WholeList::read(of_subscription).await,
        };
        let items = list.items.as_ref().map(|items| items.get(&key).cloned().unwrap_or_default());
        let items = items.map_err(Clone::clone);
        *whole = Some(list);
        drop(whole);
        match items {
            // The identity has its roles on the groups alone.
            Err(error) if is_refused(&error) => of_group.await,
            items => items,
        }
    }
}

impl<T> Default for SubscriptionLists<T> {
    fn default() -> Self {
        SubscriptionLists { read: Mutex::default(), whole: tokio::sync::Mutex::default() }
    }
}

impl<T> SubscriptionLists<T> {
    /// How many groups are read, with this one.
    fn count(&self, group: &str) -> usize {
        let mut read = self.read.lock();
        read.insert(group.to_owned(), Instant::now());
        read.retain(|_, at| at.elapsed() < GROUP_LEFT);
        read.len()
    }
}

impl<T> WholeList<T> {
    async fn read(pages: impl Future<Output = Result<Pages<(ForeignText, T)>, ArmError>>) -> Self {
        let began = Instant::now();
        match pages.await {
            Ok(pages) => {
                let mut items: HashMap<String, Vec<T>> = HashMap::new();
                for (group, item) in pages.items {
                    items.entry(group.to_ascii_lowercase()).or_default().push(item);
                }
                WholeList { began, lasts: lasts(pages.count), items: Ok(items) }
            }
            Err(error) => {
                let lasts = if is_refused(&error) { REFUSAL_LASTS } else { LASTS_PER_PAGE };
                WholeList { began, lasts, items: Err(error) }
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
