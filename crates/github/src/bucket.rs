//! A token bucket: a burst, and a rate after it.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Bucket {
    most: f64,
    per_second: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket with this capacity and this gain per second.
    pub(crate) fn new((most, per_second): (f64, f64)) -> Self {
        Bucket { most, per_second, level: most, at: Instant::now() }
    }

    /// How long until `amount` can be taken with `left_over` remaining.
    pub(crate) fn wait(&mut self, amount: f64, left_over: f64, now: Instant) -> Duration {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        (self.level, self.at) = ((self.level + gained).min(self.most), now);
        let lacks = if amount == 0.0 { 0.0 } else { amount + left_over - self.level };
        // One more millisecond: after rounding down, the bucket would be empty again.
        if lacks > 0.0 { Duration::from_secs_f64(lacks / self.per_second + 0.001) } else { Duration::ZERO }
    }

    pub(crate) fn take(&mut self, amount: f64) {
        self.level -= amount;
    }
}
