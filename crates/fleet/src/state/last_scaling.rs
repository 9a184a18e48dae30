//! The last scaling action, which a cooldown is measured from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The last scaling action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastScaling {
    /// When it was.
    #[serde(rename = "last_scaling")]
    pub at: Option<Timestamp>,
    /// The hash of the configuration that it was decided under: [`crate::config::Fleet::scaling_hash`].
    #[serde(rename = "scaled_under")]
    pub under: Option<String>,
}

impl LastScaling {
    /// Takes in a scaling action.
    pub(crate) fn set(&mut self, under: String, now: Timestamp) {
        (self.at, self.under) = (Some(now), Some(under));
    }

    /// The action came to nothing, so no cooldown begins: what holds the next action back is what prevented this
    /// one.
    pub(crate) fn came_to_nothing(&mut self) {
        self.at = None;
    }

    /// Every time that waiting is measured from.
    pub(crate) fn times(&mut self) -> [&mut Option<Timestamp>; 1] {
        [&mut self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    #[test]
    fn an_action_that_came_to_nothing_leaves_no_cooldown() {
        let mut last = LastScaling::default();
        last.set("abc".to_owned(), at(1000));
        assert_eq!((last.at, last.under.as_deref()), (Some(at(1000)), Some("abc")));
        last.came_to_nothing();
        assert_eq!((last.at, last.under.as_deref()), (None, Some("abc")));
    }
}
