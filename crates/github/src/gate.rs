//! Lets requests through as GitHub's rate limits allow. A client that ignores them can be banned (GitHub
//! Docs: Rate limits for the REST API; Best practices).
//!
//! - After GitHub asked for a wait, nothing is sent until it is over.
//! - The primary limits are counted here too, each resource by itself, including requests in flight: a request that
//!   would be refused is not sent. A reserve is left for requests that remove and register runners; polling does not
//!   touch it.
//! - No request is reckoned as free because GitHub may answer that nothing has changed: an ETag belongs to a token,
//!   and after the renewal of an app's token each one counts. Only the answer says that it did not.
//! - The secondary limits are kept: there are no more requests at once, and no more points in any minute, than GitHub
//!   allows.

mod primary;

use std::time::Duration;

use azlin_fleet::model::Budget;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

pub(crate) use self::primary::Family;
use self::primary::{Primary, PrimaryLimits};
use crate::window::Window;

/// The longest wait after a rate limit without a stated time.
const LONGEST_UNTOLD: Duration = Duration::from_secs(15 * 60);
/// GitHub allows 900 points in any minute. Its clock and the way to it may differ by a second from request to request.
const POINTS: (u32, Duration) = (900, Duration::from_secs(61));
/// No request stands in line for longer. A registration does: a start that failed would only come again later.
const LONGEST_TURN: Duration = Duration::from_secs(61);
/// Points that polls leave to other requests, and registrations to polls and removals. So 170 registrations a minute are
/// sent at most, which is less than the 1,500 in five minutes that GitHub allows to a repository, an organisation or an
/// enterprise (Docs: Actions limits). They are not what it calls content, which people see: 80 issues or comments a
/// minute.
const POINTS_KEPT: u32 = 50;
/// The part of the primary limit that polling leaves to other requests: one in 50.
const KEPT: u64 = 50;

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weight {
    /// What GitHub counts it with.
    pub(crate) family: Family,
    pub(crate) points: u32,
}

#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    untold: Duration,
    /// Notified when a request in flight has its answer.
    answered: Notify,
    /// For each family, the turn to wait: the others stand in line, so that a thousand that wait cost no more than one.
    turns: [tokio::sync::Mutex<()>; 3],
}

#[derive(Debug)]
struct GateState {
    until: Option<Instant>,
    /// How many times in a row GitHub asked for a wait without stating a time.
    untold_in_a_row: u32,
    primary: PrimaryLimits,
    points: Window,
}

/// Whether a request may be sent.
enum Passage {
    Goes,
    /// It waits for the answer to another request.
    WaitsForAnAnswer,
    WaitsFor(Duration),
    /// It waits for a minute at most, whatever its patience: a start that failed here would only come again later.
    WaitsInTurn(Duration),
}

/// A request in flight, until this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'g>(&'g Gate, Family);

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.0.state().primary.end(self.1);
        self.0.answered.notify_waiters();
    }
}

impl Gate {
    /// `untold` is the first wait after a rate limit without a stated time. It doubles each time.
    pub(crate) fn new(untold: Duration) -> Self {
        let state = GateState {
            until: None,
            untold_in_a_row: 0,
            primary: PrimaryLimits::default(),
            points: Window::new(POINTS),
        };
        Gate { state: Mutex::new(state), untold, answered: Notify::new(), turns: Default::default() }
    }

    /// Waits until a request may be sent, for at most `patience`. The error is how long the request would
    /// have to wait.
    pub(crate) async fn pass(&self, weight: Weight, patience: Duration) -> Result<Ticket<'_>, Duration> {
        let turn = &self.turns[weight.family as usize];
        let _turn = match weight.family {
            Family::Registrations => turn.lock().await,
            Family::Looks | Family::Others => match timeout(LONGEST_TURN, turn.lock()).await {
                Ok(turn) => turn,
                Err(_) => return Err(LONGEST_TURN),
            },
        };
        loop {
            // Created before the check, so that no answer between the two is missed.
            let answered = self.answered.notified();
            let next = self.next(weight);
            match next {
                Passage::Goes => return Ok(Ticket(self, weight.family)),
                Passage::WaitsForAnAnswer => {
                    if timeout(patience, answered).await.is_err() {
                        self.no_answer_came(weight.family)?;
                    }
                }
                Passage::WaitsFor(wait) if wait > patience => return Err(wait),
                Passage::WaitsFor(wait) | Passage::WaitsInTurn(wait) => sleep(wait).await,
            }
        }
    }

    /// The request in flight has no answer yet. Where nothing is known of the limit, other requests no longer
    /// wait for that answer. Where the limit may be used up, the error is how long until the window ends.
    fn no_answer_came(&self, family: Family) -> Result<(), Duration> {
        let mut state = self.state();
        match state.primary.of(family) {
            Primary::Unknown => state.primary.set(family, Primary::None),
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
        let (family, under_way) = (weight.family, state.primary.under_way(weight.family));
        let is_look = family == Family::Looks;
        match state.primary.of(family) {
            // The first request learns the limit.
            Primary::Unknown if under_way > 0 => return Passage::WaitsForAnAnswer,
            Primary::Told { ends, .. } if ends <= now => {
                state.primary.set(family, Primary::Unknown);
                if under_way > 0 {
                    return Passage::WaitsForAnAnswer;
                }
            }
            Primary::Told { budget, ends } => {
                let kept = if is_look { budget.limit / KEPT } else { 0 };
                if budget.remaining <= kept {
                    return Passage::WaitsFor(ends - now);
                }
                // Requests in flight may cost nothing, where nothing has changed.
                if budget.remaining <= kept + under_way {
                    return Passage::WaitsForAnAnswer;
                }
            }
            Primary::Unknown | Primary::None => {}
        }
        // Servers without primary limits have no secondary ones either.
        if state.primary.of(family) == Primary::None && state.primary.core() == Primary::None {
            state.primary.begin(family);
            return Passage::Goes;
        }
        let kept = if family == Family::Others { 0 } else { POINTS_KEPT };
        let wait = state.points.wait(weight.points, kept, now);
        if !wait.is_zero() {
            return match family {
                Family::Registrations => Passage::WaitsInTurn(wait),
                Family::Looks | Family::Others => Passage::WaitsFor(wait),
            };
        }
        state.points.take(weight.points, now);
        state.primary.begin(family);
        Passage::Goes
    }

    /// Records what an answer of GitHub's to such a request states of the primary limit: the budget of a resource and
    /// how long its window lasts, or nothing.
    pub(crate) fn told(&self, family: Family, told: Option<(&str, Budget, Duration)>) {
        let mut state = self.state();
        match told {
            Some((resource, budget, left)) => state.primary.told(family, resource, budget, left),
            None => state.primary.told_none(family),
        }
    }

    /// The primary limit of `core`, as the last answer stated it.
    pub(crate) fn budget(&self) -> Option<Budget> {
        let primary = self.state().primary.core();
        match primary {
            Primary::Told { budget, .. } => Some(budget),
            Primary::Unknown | Primary::None => None,
        }
    }

    /// Closes the gate for this time, or longer where it is closed already.
    pub(crate) fn shut(&self, wait: Duration) {
        let mut state = self.state();
        state.until = state.until.max(Some(Instant::now() + wait));
    }

    /// The first wait after a rate limit without a stated time.
    pub(crate) fn first_untold(&self) -> Duration {
        self.untold
    }

    /// Closes the gate where GitHub stated no time, and returns for how long.
    pub(crate) fn shut_untold(&self) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        // Requests that were in flight together are refused together. They count once.
        if let Some(until) = state.until.filter(|until| *until > now) {
            return until - now;
        }
        let wait =
            self.untold.saturating_mul(2_u32.saturating_pow(state.untold_in_a_row)).min(LONGEST_UNTOLD);
        state.untold_in_a_row += 1;
        state.until = Some(now + wait);
        wait
    }

    /// An answer came that was no rate limit. While the gate is closed, the answer belongs to an earlier
    /// request.
    pub(crate) fn passed(&self) {
        let mut state = self.state();
        if state.until.is_none_or(|until| until <= Instant::now()) {
            state.untold_in_a_row = 0;
        }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
