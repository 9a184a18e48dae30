//! How long it took to make a machine a runner.

use std::fmt;
use std::time::Duration;

/// How long each step took, and the total.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Took {
    /// The steps in their order, each with its duration.
    pub steps: Vec<(&'static str, Duration)>,
    /// The total, including the time between steps.
    pub all: Duration,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, took) in &self.steps {
            write!(f, "{step} {:.1}s, ", took.as_secs_f64())?;
        }
        write!(f, "in all {:.1}s", self.all.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_step_by_step() {
        let steps = vec![("reachable", Duration::from_millis(1540)), ("fetch", Duration::from_secs(3))];
        let took = Took { steps, all: Duration::from_secs(5) };
        assert_eq!(took.to_string(), "reachable 1.5s, fetch 3.0s, in all 5.0s");
    }
}
