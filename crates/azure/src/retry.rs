//! Which failures are tried again, and when. A pure rule, so that a table can hold it.
//!
//! Everything that is sent to the resource manager may be sent twice: creation has
//! `If-None-Match: *`, and deleting twice is deleting once.

use std::time::Duration;

/// How often one call is tried.
pub(crate) const TRIES: u32 = 3;

/// The longest that a call waits because Azure asks it to; a longer wait is the caller's.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How a try ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Azure never saw it: no connection.
    NotSent,
    /// It was sent, and no whole answer came.
    Lost,
    /// An answer with this status, and the wait that it asks for.
    Status(u16, Option<Duration>),
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
pub(crate) fn pause(failure: Failure, spent: Spent) -> Option<Duration> {
    // A call that has lasted half as long again as one try may last begins no other: the tick waits.
    if spent.tries >= TRIES || spent.elapsed > spent.request_timeout.mul_f64(1.5) {
        return None;
    }
    let own = spent.pause * 2_u32.pow(spent.tries.saturating_sub(1));
    let own = own.mul_f64(0.5 + spent.jitter.clamp(0.0, 1.0));
    match failure {
        Failure::NotSent | Failure::Lost => Some(own),
        Failure::Status(status, asked) => {
            let asked = asked.unwrap_or_default();
            let again = (status >= 500 || status == 429) && asked <= PATIENCE;
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

    #[test]
    fn what_is_tried_again() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let status = |status, seconds: Option<u64>| Failure::Status(status, seconds.map(Duration::from_secs));
        for (situation, failure, spent, expected) in [
            ("no connection", Failure::NotSent, SPENT, ms(200)),
            ("answer lost", Failure::Lost, SPENT, ms(200)),
            ("502", status(502, None), SPENT, ms(200)),
            ("409", status(409, None), SPENT, None),
            ("412", status(412, None), SPENT, None),
            ("429 without a time", status(429, None), SPENT, ms(200)),
            ("429 that asks for a short wait", status(429, Some(2)), SPENT, ms(2000)),
            ("429 that asks for a long one", status(429, Some(17)), SPENT, None),
            ("second try", Failure::Lost, Spent { tries: 2, ..SPENT }, ms(400)),
            ("third try was the last", Failure::Lost, Spent { tries: 3, ..SPENT }, None),
            ("most jitter", Failure::Lost, Spent { jitter: 1.0, ..SPENT }, ms(300)),
            (
                "two timeouts",
                Failure::Lost,
                Spent { tries: 2, elapsed: Duration::from_secs(60), ..SPENT },
                None,
            ),
        ] {
            assert_eq!(pause(failure, spent), expected, "{situation}");
        }
    }
}
