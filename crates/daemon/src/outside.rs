//! Everything that the loop reaches the outside by.

use std::sync::Arc;

use azlin_fleet::ports::{Azure, GitHub};
use jiff::Timestamp;

/// GitHub, Azure, the clock and chance. In a simulation all four are simulated.
#[derive(Clone)]
pub struct Outside {
    /// GitHub.
    pub github: Arc<dyn GitHub>,
    /// Azure.
    pub azure: Arc<dyn Azure>,
    /// The time of day.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Chance, for names.
    pub random: Arc<dyn Fn() -> u32 + Send + Sync>,
}

impl Outside {
    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }
}
