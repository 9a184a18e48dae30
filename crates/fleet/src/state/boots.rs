//! How long new VMs took lately until they were ready: what has to be ready at a time is begun so much earlier.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The number of boots that are remembered.
const REMEMBERED: usize = 8;
/// A boot of a fleet that has booted fewer.
const USUAL: Duration = Duration::from_secs(3 * 60);

/// The last boots, in seconds from the request for a new VM until its runner was online, or it was on standby; the newest
/// last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecentBoots(Vec<u64>);

impl RecentBoots {
    /// Takes in a boot. What took longer than a boot may (`most`) is none: nobody looked meanwhile, or the state is old.
    pub(crate) fn took(&mut self, boot: Duration, most: Duration) {
        if boot > most {
            return;
        }
        self.0.push(boot.as_secs());
        let over = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..over);
    }

    /// The longest of them. Of few boots the next one may well be longer.
    pub fn longest(&self) -> Duration {
        let longest = self.0.iter().max().map_or(USUAL, |seconds| Duration::from_secs(*seconds));
        if self.0.len() < REMEMBERED { longest.max(USUAL) } else { longest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(600);

    #[test]
    fn the_longest_of_the_last_eight_counts() {
        let mut boots = RecentBoots::default();
        boots.took(Duration::from_secs(50), MOST);
        assert_eq!(boots.longest(), Duration::from_secs(180), "only one yet");
        for seconds in [300, 60, 61, 62, 63, 64, 65, 66] {
            boots.took(Duration::from_secs(seconds), MOST);
        }
        assert_eq!(boots.longest(), Duration::from_secs(300));
        boots.took(Duration::from_secs(67), MOST);
        assert_eq!(boots.longest(), Duration::from_secs(67));
        boots.took(Duration::from_secs(601), MOST);
        assert_eq!(boots.longest(), Duration::from_secs(67), "that is no boot");
    }
}
