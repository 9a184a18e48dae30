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
    state: Mutex<State>,
    untold: Duration,
    /// A request that was under way has an answer.
    answered: Notify,
}

#[derive(Debug)]
struct State {
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
enum Next {
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
        let state = State {
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
                Next::Goes => return Ok(Ticket(self)),
                Next::WaitsForAnAnswer => {
                    if timeout(patience, answered).await.is_err() {
                        self.no_answer_came()?;
                    }
                }
                Next::WaitsFor(wait) if wait > patience => return Err(wait),
                Next::WaitsFor(wait) => sleep(wait).await,
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

    fn next(&self, weight: Weight) -> Next {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(wait) = state.until.map(|until| until.saturating_duration_since(now))
            && !wait.is_zero()
        {
            return Next::WaitsFor(wait);
        }
        match state.primary {
            // The first finds out.
            Primary::Unknown if state.under_way > 0 => return Next::WaitsForAnAnswer,
            Primary::Told { ends, .. } if ends <= now => {
                state.primary = Primary::Unknown;
                if state.under_way > 0 {
                    return Next::WaitsForAnAnswer;
                }
            }
            Primary::Told { budget, ends } => {
                let kept = if weight.is_look { budget.limit / KEPT } else { 0 };
                if budget.remaining <= kept {
                    return Next::WaitsFor(ends - now);
                }
                // What is under way may cost nothing, if nothing has changed.
                if budget.remaining <= kept + state.under_way {
                    return Next::WaitsForAnAnswer;
                }
            }
            Primary::Unknown | Primary::None => {}
        }
        // Servers without a primary limit have no secondary ones either.
        if state.primary == Primary::None {
            state.under_way += 1;
            return Next::Goes;
        }
        let kept = if weight.is_look { POINTS_KEPT } else { 0.0 };
        let content = if weight.makes_content { 1.0 } else { 0.0 };
        let wait = state.points.wait(weight.points, kept, now).max(state.content.wait(content, 0.0, now));
        if !wait.is_zero() {
            return Next::WaitsFor(wait);
        }
        state.points.take(weight.points);
        state.content.take(content);
        state.under_way += 1;
        Next::Goes
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
        let primary = self.state().primary;
        match primary {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::sync::Arc;
    use tokio::time::advance;

    const MINUTE: Duration = Duration::from_secs(60);
    const PATIENCE: Duration = Duration::from_secs(5);
    const LOOK: Weight = Weight { is_look: true, points: 1.0, makes_content: false };
    const REMOVAL: Weight = Weight { is_look: false, points: 5.0, makes_content: false };
    const REGISTRATION: Weight = Weight { is_look: false, points: 5.0, makes_content: true };

    fn budget(remaining: u64, reset: i64) -> Budget {
        Budget { limit: 5000, remaining, reset: Timestamp::from_second(reset).expect("in range") }
    }

    /// How long a request would have to wait; zero where it goes at once.
    async fn waits(gate: &Gate, weight: Weight) -> Duration {
        gate.pass(weight, Duration::ZERO).await.err().unwrap_or_default()
    }

    fn gate(remaining: u64) -> Gate {
        let gate = Gate::new(MINUTE);
        gate.told(Some((budget(remaining, 1000), MINUTE * 30)));
        gate
    }

    #[tokio::test(start_paused = true)]
    async fn untold_waits_double_until_an_answer_comes() {
        let gate = gate(5000);
        assert_eq!(waits(&gate, LOOK).await, Duration::ZERO);
        for expected in [1, 2, 4, 8, 15, 15] {
            gate.shut_untold();
            gate.shut_untold();
            gate.passed();
            assert_eq!(waits(&gate, REMOVAL).await, MINUTE * expected);
            advance(MINUTE * expected).await;
            assert_eq!(waits(&gate, REMOVAL).await, Duration::ZERO);
        }
        gate.passed();
        gate.shut_untold();
        assert_eq!(waits(&gate, LOOK).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_wait_does_not_open_it_early() {
        let gate = gate(5000);
        gate.shut(MINUTE);
        gate.shut(MINUTE / 2);
        assert_eq!(waits(&gate, LOOK).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_would_be_refused_is_not_sent_and_the_last_is_kept_for_what_is_no_look() {
        for (remaining, look, removal) in
            [(101, false, false), (100, true, false), (1, true, false), (0, true, true)]
        {
            let gate = gate(remaining);
            let wait = |waits| if waits { MINUTE * 30 } else { Duration::ZERO };
            assert_eq!(waits(&gate, LOOK).await, wait(look), "look with {remaining}");
            assert_eq!(waits(&gate, REMOVAL).await, wait(removal), "removal with {remaining}");
        }
        // A new window: the first finds out.
        let gate = gate(0);
        advance(MINUTE * 30).await;
        let first = gate.pass(LOOK, PATIENCE).await.expect("it goes");
        assert!(
            timeout(PATIENCE / 2, gate.pass(LOOK, PATIENCE)).await.is_err(),
            "the second waits for its answer"
        );
        gate.told(Some((budget(4999, 4600), MINUTE * 60)));
        drop(first);
        assert_eq!(waits(&gate, LOOK).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_counts_until_its_answer_tells() {
        let gate = Arc::new(gate(102));
        let one = gate.pass(LOOK, PATIENCE).await.expect("it goes");
        let two = gate.pass(LOOK, PATIENCE).await.expect("it goes");
        let other = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.pass(LOOK, PATIENCE).await.map(drop) }
        });
        assert!(timeout(PATIENCE / 2, gate.pass(LOOK, PATIENCE)).await.is_err());
        // It was "not modified", so nothing is used.
        gate.told(Some((budget(102, 1000), MINUTE * 30)));
        drop(one);
        assert_eq!(other.await.expect("no panic"), Ok(()));
        // An answer that was overtaken does not give back.
        gate.told(Some((budget(100, 1000), MINUTE * 30)));
        gate.told(Some((budget(101, 1000), MINUTE * 30)));
        drop(two);
        assert_eq!(gate.budget().map(|budget| budget.remaining), Some(100));
        assert!(!waits(&gate, LOOK).await.is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_an_answer_that_does_not_come() {
        let (unknown, short) = (Gate::new(MINUTE), gate(101));
        for (gate, expected) in [(&unknown, None), (&short, Some(MINUTE * 30 - PATIENCE * 2))] {
            let _first = gate.pass(LOOK, PATIENCE).await.expect("it goes");
            assert_eq!(gate.pass(LOOK, PATIENCE).await.err(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_limits_is_not_asked_one_by_one() {
        let gate = Gate::new(MINUTE);
        let first = gate.pass(LOOK, PATIENCE).await.expect("it goes");
        gate.told(None);
        let _second = gate.pass(LOOK, PATIENCE).await.expect("it goes beside the first");
        drop(first);
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_points_or_new_things_than_github_allows() {
        for (weight, points_each, most) in [(LOOK, 1, 900), (REMOVAL, 5, 900), (REGISTRATION, 1, 80)] {
            let gate = gate(5000);
            let (began, mut sent) = (Instant::now(), Vec::new());
            while began.elapsed() < MINUTE * 3 {
                drop(gate.pass(weight, MINUTE).await.expect("patience enough"));
                sent.push(began.elapsed());
            }
            let in_a_minute =
                |from: &Duration| sent.iter().filter(|at| (*from..*from + MINUTE).contains(at)).count();
            let peak = sent.iter().map(in_a_minute).max().unwrap_or_default() * points_each;
            assert!(peak <= most && peak >= most * 2 / 3, "{weight:?}: {peak} of {most}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_removal_passes_looks_that_wait_for_points() {
        let gate = gate(5000);
        for _ in 0..250 {
            drop(gate.pass(LOOK, PATIENCE).await.expect("it goes"));
        }
        assert!(!waits(&gate, LOOK).await.is_zero());
        assert!(waits(&gate, REMOVAL).await.is_zero());
    }
}
