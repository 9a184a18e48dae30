//! Everything that the loop reaches the outside by.

use std::sync::Arc;

use azlin_fleet::ports::{Azure, GitHub, Ssh};
use jiff::Timestamp;

/// GitHub, Azure, the machines, the clock and chance. In a simulation all of them are simulated.
#[derive(Clone)]
pub struct Outside {
    /// GitHub.
    pub github: Arc<dyn GitHub>,
    /// Azure.
    pub azure: Arc<dyn Azure>,
    /// Machines over SSH.
    pub ssh: Arc<dyn Ssh>,
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
