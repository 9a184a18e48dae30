//! The death of whoever calls, between two of its effects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts the points at which it makes a difference whether the caller dies.
#[derive(Debug, Clone, Default)]
pub(super) struct Fuse(Arc<(Mutex<Option<u64>>, Notify)>);

impl Fuse {
    /// Blows after so many points.
    pub(super) fn set(&self, points: u64) {
        *self.left() = Some(points);
    }

    /// Waits until it has blown.
    pub(super) async fn blows(&self) {
        self.0.1.notified().await;
    }

    /// Passes a point; whether the caller is dead.
    pub(super) fn burn(&self) -> bool {
        let mut left = self.left();
        match &mut *left {
            None => return false,
            Some(0) => {}
            Some(left) => {
                *left -= 1;
                return false;
            }
        }
        drop(left);
        self.0.1.notify_one();
        true
    }

    /// Passes a point, and does not come back where the caller is dead.
    pub(super) async fn point(&self) {
        if self.burn() {
            std::future::pending::<()>().await;
        }
    }

    fn left(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
