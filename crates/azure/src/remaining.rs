//! What is left of Azure's budgets, as its answers say.

use std::collections::{BTreeMap, BTreeSet};

use azlin_fleet::model::{ForeignText, Remaining};
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderName};

/// The most operations that are kept. Azure names about a dozen.
const MOST_OPERATIONS: usize = 64;

/// The budgets of resource providers.
pub(crate) const OF_OPERATIONS: &str = "x-ms-ratelimit-remaining-resource";

/// What is left of one of the resource manager's budgets.
pub(crate) fn left_of(headers: &HeaderMap, kind: &str) -> Option<u64> {
    let name = format!("x-ms-ratelimit-remaining-subscription-{kind}");
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// What is left of a provider's budgets: "Microsoft.Compute/GetVM3Min;238,Microsoft.Compute/GetVM30Min;1190".
pub(crate) fn of_operations(headers: &HeaderMap) -> impl Iterator<Item = (ForeignText, u64)> {
    let texts = headers.get_all(OF_OPERATIONS).into_iter().filter_map(|value| value.to_str().ok());
    let each = texts.flat_map(|text| text.split(',')).filter_map(|one| one.trim().split_once(';'));
    each.filter_map(|(name, left)| Some((name.into(), left.trim().parse().ok()?)))
}

/// What the last answers said of Azure's budgets, by subscription: each has its own.
#[derive(Debug, Default)]
pub(crate) struct BudgetsSeen {
    by_subscription: Mutex<BTreeMap<String, Remaining>>,
    /// The names of all headers about rate limits.
    headers: Mutex<BTreeSet<String>>,
}

impl BudgetsSeen {
    /// Records the budgets of a subscription that an answer states.
    pub(crate) fn saw(&self, subscription: &str, headers: &HeaderMap) {
        let names = headers.keys().map(HeaderName::as_str);
        let names = names.filter(|name| name.starts_with("x-ms-ratelimit-") || *name == "retry-after");
        self.headers.lock().extend(names.map(str::to_owned));
        let mut all = self.by_subscription.lock();
        let remaining = all.entry(subscription.to_owned()).or_default();
        remaining.reads = left_of(headers, "reads").or(remaining.reads);
        remaining.global_reads = left_of(headers, "global-reads").or(remaining.global_reads);
        remaining.writes = left_of(headers, "writes").or(remaining.writes);
        remaining.deletes = left_of(headers, "deletes").or(remaining.deletes);
        for (name, left) in of_operations(headers) {
            if remaining.operations.len() < MOST_OPERATIONS || remaining.operations.contains_key(&name) {
                remaining.operations.insert(name, left);
            }
        }
    }

    /// What is left of each budget, in the subscription where least is left of it.
    pub(crate) fn remaining(&self) -> Remaining {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        self.by_subscription.lock().values().fold(Remaining::default(), |mut left, of| {
            left.reads = least(left.reads, of.reads);
            left.global_reads = least(left.global_reads, of.global_reads);
            left.writes = least(left.writes, of.writes);
            left.deletes = least(left.deletes, of.deletes);
            for (name, other) in &of.operations {
                let known = left.operations.entry(name.clone()).or_insert(*other);
                *known = (*known).min(*other);
            }
            left
        })
    }

    /// The names of all headers about rate limits that answers had.
    pub(crate) fn headers(&self) -> Vec<ForeignText> {
        self.headers.lock().iter().map(ForeignText::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(each: &[(&'static str, &'static str)]) -> HeaderMap {
        let name = |kind| HeaderName::try_from(format!("x-ms-ratelimit-remaining-{kind}")).expect("valid");
        each.iter().map(|(kind, left)| (name(kind), HeaderValue::from_static(left))).collect()
    }

    #[test]
    fn buckets_are_not_mixed() {
        let seen = BudgetsSeen::default();
        // A list of a subscription states the global bucket alone.
        seen.saw("one", &headers(&[("subscription-global-reads", "3741")]));
        assert_eq!(seen.remaining().reads, None);
        seen.saw("one", &headers(&[("subscription-reads", "243"), ("subscription-writes", "199")]));
        seen.saw("two", &headers(&[("subscription-reads", "120"), ("subscription-global-reads", "3650")]));
        seen.saw("one", &headers(&[("resource", "Microsoft.Compute/A;9,Microsoft.Compute/B; 70")]));
        seen.saw("two", &headers(&[("resource", "Microsoft.Compute/B;7"), ("resource", "no number;x")]));
        let left = seen.remaining();
        assert_eq!(
            (left.reads, left.global_reads, left.writes, left.deletes),
            (Some(120), Some(3650), Some(199), None)
        );
        let operations: Vec<(&str, u64)> =
            left.operations.iter().map(|(name, left)| (name.as_str(), *left)).collect();
        assert_eq!(operations, [("Microsoft.Compute/A", 9), ("Microsoft.Compute/B", 7)]);
    }
}
