//! A crash of the caller, between two of its effects.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Counts the points at which a crash of the caller makes a difference.
#[derive(Debug, Clone, Default)]
pub(super) struct CrashCountdown(Arc<(Mutex<Option<u64>>, Notify)>);

impl CrashCountdown {
    /// Sets the number of points that the caller passes before its crash.
    pub(super) fn set(&self, points: u64) {
        *self.left() = Some(points);
    }

    /// Waits for the crash.
    pub(super) async fn is_over(&self) {
        self.0.1.notified().await;
    }

    /// Passes a point. Returns whether the caller has crashed.
    pub(super) fn count_down(&self) -> bool {
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

    /// Passes a point, and never returns if the caller has crashed.
    pub(super) async fn pass_point(&self) {
        if self.count_down() {
            std::future::pending::<()>().await;
        }
    }

    fn left(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.0.lock()
    }
}
