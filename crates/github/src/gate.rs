//! Holds everything back while GitHub asks us to wait: going on regardless can get a token banned
//! (GitHub Docs: Best practices for using the REST API).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest that an untold wait grows to.
const LONGEST_UNTOLD: Duration = Duration::from_secs(15 * 60);

#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    untold: Duration,
}

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// How often in a row GitHub asked for a wait without telling how long.
    untold_in_a_row: u32,
}

impl Gate {
    /// `untold` is the first wait where GitHub tells none; it doubles each time.
    pub(crate) fn new(untold: Duration) -> Self {
        Gate { state: Mutex::default(), untold }
    }

    /// How long it is still shut.
    pub(crate) fn shut_for(&self) -> Option<Duration> {
        let left = self.state().until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Shuts it for so long, or for longer where it is shut already.
    pub(crate) fn shut(&self, wait: Duration) {
        let mut state = self.state();
        state.until = state.until.max(Some(Instant::now() + wait));
    }

    /// Shuts it where GitHub did not tell for how long.
    pub(crate) fn shut_untold(&self) {
        let mut state = self.state();
        // Requests that were under way together are refused together: they count once.
        if state.until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        let wait =
            self.untold.saturating_mul(2_u32.saturating_pow(state.untold_in_a_row)).min(LONGEST_UNTOLD);
        state.untold_in_a_row += 1;
        state.until = Some(Instant::now() + wait);
    }

    /// An answer came that was no refusal. While the gate is shut it is one that was on its way before.
    pub(crate) fn passed(&self) {
        let mut state = self.state();
        if state.until.is_none_or(|until| until <= Instant::now()) {
            state.untold_in_a_row = 0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn untold_waits_double_until_an_answer_comes() {
        let gate = Gate::new(MINUTE);
        assert_eq!(gate.shut_for(), None);
        for expected in [1, 2, 4, 8, 15, 15] {
            gate.shut_untold();
            gate.shut_untold();
            gate.passed();
            assert_eq!(gate.shut_for(), Some(MINUTE * expected));
            tokio::time::advance(MINUTE * expected).await;
            assert_eq!(gate.shut_for(), None);
        }
        gate.passed();
        gate.shut_untold();
        assert_eq!(gate.shut_for(), Some(MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_wait_does_not_open_it_early() {
        let gate = Gate::new(MINUTE);
        gate.shut(MINUTE);
        gate.shut(MINUTE / 2);
        assert_eq!(gate.shut_for(), Some(MINUTE));
    }
}
