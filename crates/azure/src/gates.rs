//! Holds requests back while Azure asks for it. Its budgets are counted for each subscription, and
//! apart for reading, writing and deleting (Learn: Understand how Azure Resource Manager throttles
//! requests): deleting goes on while creating has to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A budget: the subscription, and the method.
pub(crate) type Budget = (String, &'static str);

#[derive(Debug, Default)]
pub(crate) struct Gates {
    until: Mutex<HashMap<Budget, Instant>>,
}

impl Gates {
    /// How long requests of this budget are still held back.
    pub(crate) fn shut_for(&self, budget: &Budget) -> Option<Duration> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.get(budget)?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            until.remove(budget);
            return None;
        }
        Some(left)
    }

    /// Holds them back for so long.
    pub(crate) fn shut(&self, budget: &Budget, wait: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + wait;
        let kept = until.entry(budget.clone()).or_insert(end);
        *kept = end.max(*kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_budget_has_its_own() {
        let gates = Gates::default();
        let (writes, deletes) = (("s".to_owned(), "PUT"), ("s".to_owned(), "DELETE"));
        gates.shut(&writes, Duration::from_secs(17));
        gates.shut(&writes, Duration::from_secs(3));
        assert_eq!(gates.shut_for(&writes), Some(Duration::from_secs(17)));
        assert_eq!(gates.shut_for(&deletes), None);
        tokio::time::advance(Duration::from_secs(17)).await;
        assert_eq!(gates.shut_for(&writes), None);
    }
}
