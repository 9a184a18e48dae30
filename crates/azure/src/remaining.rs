//! What is left of Azure's budgets, as its answers say.

use std::collections::BTreeSet;

use azlin_fleet::model::Remaining;
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderName};

/// The most operations that are kept. Azure names about a dozen.
const MOST_OPERATIONS: usize = 64;

/// What the last answers said of Azure's budgets.
#[derive(Debug, Default)]
pub(crate) struct BudgetsSeen {
    remaining: Mutex<Remaining>,
    /// The names of all headers about rate limits.
    headers: Mutex<BTreeSet<String>>,
}

impl BudgetsSeen {
    /// Records the budgets that an answer states.
    pub(crate) fn saw(&self, headers: &HeaderMap) {
        let number = |kind: &str| {
            let name = format!("x-ms-ratelimit-remaining-subscription-{kind}");
            headers.get(name)?.to_str().ok()?.parse().ok()
        };
        let names = headers.keys().map(HeaderName::as_str);
        let names = names.filter(|name| name.starts_with("x-ms-ratelimit-") || *name == "retry-after");
        self.headers.lock().extend(names.map(str::to_owned));
        let mut remaining = self.remaining.lock();
        remaining.reads = number("reads").or(remaining.reads);
        remaining.writes = number("writes").or(remaining.writes);
        remaining.deletes = number("deletes").or(remaining.deletes);
        // "Microsoft.Compute/GetVM3Min;238,Microsoft.Compute/GetVM30Min;1190"
        let of_operations = headers.get_all("x-ms-ratelimit-remaining-resource").into_iter();
        let texts = of_operations.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        for (name, left) in texts.filter_map(|one| one.trim().split_once(';')) {
            if let Ok(left) = left.parse()
                && (remaining.operations.len() < MOST_OPERATIONS || remaining.operations.contains_key(name))
            {
                remaining.operations.insert(name.to_owned(), left);
            }
        }
    }

    pub(crate) fn remaining(&self) -> Remaining {
        self.remaining.lock().clone()
    }

    pub(crate) fn headers(&self) -> Vec<String> {
        self.headers.lock().iter().cloned().collect()
    }
}
