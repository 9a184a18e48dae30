//! Lets requests through as GitHub's limits allow: going on regardless can get a token banned (GitHub Docs:
//! Rate limits for the REST API; Best practices).
//!
//! - After GitHub asked us to wait, nothing is sent until the time has come.
//! - The primary limit is counted here too, with what is under way: the request that would be refused is not
//!   sent. The last of it is kept for what removes and registers runners; looks leave it alone.
//! - The secondary limits are kept by design: fewer at once, and fewer points and new things in any minute,
//!   than GitHub allows.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azlin_fleet::budget::Budget;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::bucket::Bucket;

/// The longest that an untold wait grows to.
const LONGEST_UNTOLD: Duration = Duration::from_secs(15 * 60);
/// Of GitHub's 900 points a minute: 300 at once, and ten a second.
const POINTS: (f64, f64) = (300.0, 10.0);
/// Of its 80 new things a minute: 20 at once, and one a second.
const CONTENT: (f64, f64) = (20.0, 1.0);
/// Looks leave so many points to others.
const POINTS_KEPT: f64 = 50.0;
/// Of so many requests of the primary limit one is kept for what is no look.
const KEPT: u64 = 50;

/// What a request is to the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weight {
    /// It only looks, and will again.
    pub(crate) is_look: bool,
    pub(crate) points: f64,
    pub(crate) makes_content: bool,
}

#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    untold: Duration,
    /// A request that was under way has an answer.
    answered: Notify,
}

#[derive(Debug)]
struct GateState {
    until: Option<Instant>,
    /// How often in a row GitHub asked for a wait without telling how long.
    untold_in_a_row: u32,
    primary: Primary,
    under_way: u64,
    points: Bucket,
    content: Bucket,
}

/// The primary limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Primary {
    /// Not told since the window began.
    Unknown,
    /// Answers tell of none, as those of a GitHub Enterprise Server may.
    None,
    /// As told, and when its window ends.
    Told { budget: Budget, ends: Instant },
}

/// What a request does next.
enum Passage {
    Goes,
    /// An answer to another one may let it through.
    WaitsForAnAnswer,
    WaitsFor(Duration),
}

/// A request that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'g>(&'g Gate);

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.answered.notify_waiters();
    }
}

impl Gate {
    /// `untold` is the first wait where GitHub tells none; it doubles each time.
    pub(crate) fn new(untold: Duration) -> Self {
        let state = GateState {
            until: None,
            untold_in_a_row: 0,
            primary: Primary::Unknown,
            under_way: 0,
            points: Bucket::new(POINTS),
            content: Bucket::new(CONTENT),
        };
        Gate { state: Mutex::new(state), untold, answered: Notify::new() }
    }

    /// Waits until a request may be sent, but no longer than `patience`; the error is how long it would have
    /// to wait.
    pub(crate) async fn pass(&self, weight: Weight, patience: Duration) -> Result<Ticket<'_>, Duration> {
        loop {
            // Made before it is looked, so that no answer is missed in between.
            let answered = self.answered.notified();
            let next = self.next(weight);
            match next {
                Passage::Goes => return Ok(Ticket(self)),
                Passage::WaitsForAnAnswer => {
                    if timeout(patience, answered).await.is_err() {
                        self.no_answer_came()?;
                    }
                }
                Passage::WaitsFor(wait) if wait > patience => return Err(wait),
                Passage::WaitsFor(wait) => sleep(wait).await,
            }
        }
    }

    /// Whoever is under way has no answer yet. Where nothing is known, nobody waits for it any longer; where
    /// the rest may be used up with it, that is how long it takes until there is more.
    fn no_answer_came(&self) -> Result<(), Duration> {
        let mut state = self.state();
        match state.primary {
            Primary::Unknown => state.primary = Primary::None,
            Primary::None => {}
            Primary::Told { ends, .. } => return Err(ends.saturating_duration_since(Instant::now())),
        }
        Ok(())
    }

    fn next(&self, weight: Weight) -> Passage {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(wait) = state.until.map(|until| until.saturating_duration_since(now))
            && !wait.is_zero()
        {
            return Passage::WaitsFor(wait);
        }
        match state.primary {
            // The first finds out.
            Primary::Unknown if state.under_way > 0 => return Passage::WaitsForAnAnswer,
            Primary::Told { ends, .. } if ends <= now => {
                state.primary = Primary::Unknown;
                if state.under_way > 0 {
                    return Passage::WaitsForAnAnswer;
                }
            }
            Primary::Told { budget, ends } => {
                let kept = if weight.is_look { budget.limit / KEPT } else { 0 };
                if budget.remaining <= kept {
                    return Passage::WaitsFor(ends - now);
                }
                // What is under way may cost nothing, if nothing has changed.
                if budget.remaining <= kept + state.under_way {
                    return Passage::WaitsForAnAnswer;
                }
            }
            Primary::Unknown | Primary::None => {}
        }
        // Servers without a primary limit have no secondary ones either.
        if state.primary == Primary::None {
            state.under_way += 1;
            return Passage::Goes;
        }
        let kept = if weight.is_look { POINTS_KEPT } else { 0.0 };
        let content = if weight.makes_content { 1.0 } else { 0.0 };
        let wait = state.points.wait(weight.points, kept, now).max(state.content.wait(content, 0.0, now));
        if !wait.is_zero() {
            return Passage::WaitsFor(wait);
        }
        state.points.take(weight.points);
        state.content.take(content);
        state.under_way += 1;
        Passage::Goes
    }

    /// Takes in what an answer tells of the primary limit, whose window ends in `left`.
    pub(crate) fn told(&self, told: Option<(Budget, Duration)>) {
        let mut state = self.state();
        state.primary = match (told, state.primary) {
            (None, Primary::Unknown) => Primary::None,
            (None, before) => before,
            // Answers overtake each other: within a window it only gets less.
            (Some((budget, _)), Primary::Told { budget: before, ends })
                if before.reset == budget.reset && before.limit == budget.limit =>
            {
                let remaining = budget.remaining.min(before.remaining);
                Primary::Told { budget: Budget { remaining, ..budget }, ends }
            }
            (Some((budget, left)), _) => Primary::Told { budget, ends: Instant::now() + left },
        };
    }

    /// The primary limit, as it was told last.
    pub(crate) fn budget(&self) -> Option<Budget> {
        match self.state().primary {
            Primary::Told { budget, .. } => Some(budget),
            Primary::Unknown | Primary::None => None,
        }
    }

    /// Shuts it for so long, or for longer where it is shut already.
    pub(crate) fn shut(&self, wait: Duration) {
        let mut state = self.state();
        state.until = state.until.max(Some(Instant::now() + wait));
    }

    /// Shuts it where GitHub did not tell for how long; for how long that is.
    pub(crate) fn shut_untold(&self) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        // Requests that were under way together are refused together: they count once.
        if let Some(until) = state.until.filter(|until| *until > now) {
            return until - now;
        }
        let wait =
            self.untold.saturating_mul(2_u32.saturating_pow(state.untold_in_a_row)).min(LONGEST_UNTOLD);
        state.untold_in_a_row += 1;
        state.until = Some(now + wait);
        wait
    }

    /// An answer came that was no refusal. While the gate is shut it is one that was on its way before.
    pub(crate) fn passed(&self) {
        let mut state = self.state();
        if state.until.is_none_or(|until| until <= Instant::now()) {
            state.untold_in_a_row = 0;
        }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
