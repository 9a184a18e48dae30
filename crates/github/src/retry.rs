//! Which failures are tried again, and when. A pure rule, so that a table can hold it.

use std::time::Duration;

use reqwest::StatusCode;

/// How often one call is tried.
pub(crate) const TRIES: u32 = 3;

/// The longest that a call waits because GitHub asks it to; a longer wait is the caller's.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What a request does at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that lasts. A registration token counts as such: one too many harms nobody.
    Reads,
    /// It removes something: doing it twice is doing it once.
    Removes,
    /// It makes something: doing it twice may make two.
    Makes,
}

/// How a try ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// GitHub never saw it: no connection.
    NotSent,
    /// It was sent, and no whole answer came.
    Lost,
    /// An answer with this status, and the wait that it asks for.
    Status(StatusCode, Option<Duration>),
}

/// What one call has used so far, and what it may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Tries, the failed one included.
    pub(crate) tries: u32,
    /// Time since the first.
    pub(crate) elapsed: Duration,
    /// The time limit of one try.
    pub(crate) request_timeout: Duration,
    /// The first pause; it doubles with each try.
    pub(crate) pause: Duration,
    /// Of 0 to 1, drawn anew each time: it spreads clients that failed together.
    pub(crate) jitter: f64,
}

/// The pause before the next try, or `None` where there is none.
pub(crate) fn pause(failure: Failure, effect: Effect, spent: Spent) -> Option<Duration> {
    // A call that has lasted half as long again as one try may last begins no other: the tick waits.
    if spent.tries >= TRIES || spent.elapsed > spent.request_timeout.mul_f64(1.5) {
        return None;
    }
    let own = spent.pause * 2_u32.pow(spent.tries.saturating_sub(1));
    let own = own.mul_f64(0.5 + spent.jitter.clamp(0.0, 1.0));
    match failure {
        Failure::NotSent => Some(own),
        Failure::Lost => (effect != Effect::Makes).then_some(own),
        Failure::Status(status, asked) => {
            let asked = asked.unwrap_or_default();
            let again = effect != Effect::Makes && status.is_server_error() && asked <= PATIENCE;
            again.then_some(own.max(asked))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPENT: Spent = Spent {
        tries: 1,
        elapsed: Duration::from_millis(10),
        request_timeout: Duration::from_secs(30),
        pause: Duration::from_millis(200),
        jitter: 0.5,
    };

    fn status(code: u16, asked: Option<u64>) -> Failure {
        Failure::Status(StatusCode::from_u16(code).expect("a status"), asked.map(Duration::from_secs))
    }

    #[test]
    fn what_is_tried_again() {
        use Effect::{Makes, Reads, Removes};
        let ms = |ms| Some(Duration::from_millis(ms));
        for (situation, failure, effect, spent, expected) in [
            ("reading, no connection", Failure::NotSent, Reads, SPENT, ms(200)),
            ("making, no connection: it was not made", Failure::NotSent, Makes, SPENT, ms(200)),
            ("reading, answer lost", Failure::Lost, Reads, SPENT, ms(200)),
            ("making, answer lost: it may be made", Failure::Lost, Makes, SPENT, None),
            ("removing, answer lost", Failure::Lost, Removes, SPENT, ms(200)),
            ("reading, 502", status(502, None), Reads, SPENT, ms(200)),
            ("making, 502", status(502, None), Makes, SPENT, None),
            ("reading, 404", status(404, None), Reads, SPENT, None),
            ("503 that asks for a short wait", status(503, Some(2)), Reads, SPENT, ms(2000)),
            ("503 that asks for a long one", status(503, Some(60)), Reads, SPENT, None),
            ("second try", Failure::Lost, Reads, Spent { tries: 2, ..SPENT }, ms(400)),
            ("third try was the last", Failure::Lost, Reads, Spent { tries: 3, ..SPENT }, None),
            ("least jitter", Failure::Lost, Reads, Spent { jitter: 0.0, ..SPENT }, ms(100)),
            ("most jitter", Failure::Lost, Reads, Spent { jitter: 1.0, ..SPENT }, ms(300)),
            (
                "one timeout",
                Failure::Lost,
                Reads,
                Spent { elapsed: Duration::from_secs(30), ..SPENT },
                ms(200),
            ),
            (
                "two timeouts",
                Failure::Lost,
                Reads,
                Spent { tries: 2, elapsed: Duration::from_secs(60), ..SPENT },
                None,
            ),
        ] {
            assert_eq!(pause(failure, effect, spent), expected, "{situation}");
        }
    }
}
