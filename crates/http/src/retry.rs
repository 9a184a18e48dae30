//! Which failures are tried again, and when. A pure rule, so that a table can hold it.

use std::time::Duration;

/// The most tries of one call.
pub(crate) const TRIES: u32 = 3;

/// The longest wait, requested by the other side, that a call performs itself. Longer waits are left to the
/// caller.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a request does on the other side, and so whether it may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEffect {
    /// It changes nothing that lasts.
    Reads,
    /// It changes something, and a second one changes nothing more: a removal, or a write under
    /// `If-None-Match`.
    WritesOnce,
    /// It creates something, and a second one may create another.
    Creates,
}

/// How one try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedTry {
    /// There was no connection, so the other side never saw the request.
    NotSent,
    /// The request was sent, and no whole answer came.
    Lost,
    /// An answer with this status, and the wait that it requests.
    Status(u16, Option<Duration>),
}

/// What one call has used so far, and what it may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TriesSpent {
    /// Tries, including the one that failed last.
    pub(crate) tries: u32,
    /// Time since the first try began.
    pub(crate) elapsed: Duration,
    /// The time limit of one try.
    pub(crate) time_limit: Duration,
    /// The first pause. It doubles with each try.
    pub(crate) first_pause: Duration,
    /// From 0 to 1, drawn for each pause: it spreads clients that failed together.
    pub(crate) jitter: f64,
}

/// The pause before the next try, or `None` where there is none.
pub(crate) fn pause(failure: FailedTry, effect: RequestEffect, spent: TriesSpent) -> Option<Duration> {
    // The tick waits for this call: after one and a half time limits, no further try begins.
    if spent.tries >= TRIES || spent.elapsed > spent.time_limit.mul_f64(1.5) {
        return None;
    }
    let own = spent.first_pause * 2_u32.pow(spent.tries.saturating_sub(1));
    let own = own.mul_f64(0.5 + spent.jitter.clamp(0.0, 1.0));
    let may_repeat = effect != RequestEffect::Creates;
    match failure {
        FailedTry::NotSent => Some(own),
        FailedTry::Lost => may_repeat.then_some(own),
        FailedTry::Status(status, asked) => {
            let asked = asked.unwrap_or_default();
            // A request that was refused with 429 changed nothing.
            let again = (status == 429 || status >= 500 && may_repeat) && asked <= PATIENCE;
            again.then_some(own.max(asked))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPENT: TriesSpent = TriesSpent {
        tries: 1,
        elapsed: Duration::from_millis(10),
        time_limit: Duration::from_secs(30),
        first_pause: Duration::from_millis(200),
        jitter: 0.5,
    };

    fn status(code: u16, asked: Option<u64>) -> FailedTry {
        FailedTry::Status(code, asked.map(Duration::from_secs))
    }

    #[test]
    fn what_is_tried_again() {
        use FailedTry::{Lost, NotSent};
        use RequestEffect::{Creates, Reads, WritesOnce};
        let ms = |ms| Some(Duration::from_millis(ms));
        for (situation, failure, effect, expected) in [
            ("reading, no connection", NotSent, Reads, ms(200)),
            ("creating, no connection: nothing was created", NotSent, Creates, ms(200)),
            ("reading, answer lost", Lost, Reads, ms(200)),
            ("creating, answer lost: it may be there", Lost, Creates, None),
            ("writing, answer lost", Lost, WritesOnce, ms(200)),
            ("reading, 502", status(502, None), Reads, ms(200)),
            ("writing, 502", status(502, None), WritesOnce, ms(200)),
            ("creating, 502", status(502, None), Creates, None),
            ("reading, 404", status(404, None), Reads, None),
            ("writing, 409", status(409, None), WritesOnce, None),
            ("writing, 412", status(412, None), WritesOnce, None),
            ("503 that asks for a short wait", status(503, Some(2)), Reads, ms(2000)),
            ("503 that asks for a long one", status(503, Some(60)), Reads, None),
            ("429 without a time", status(429, None), WritesOnce, ms(200)),
            ("429 that asks for a short wait", status(429, Some(2)), WritesOnce, ms(2000)),
            ("429 that asks for a long one", status(429, Some(17)), WritesOnce, None),
            ("creating, 429: nothing was created", status(429, Some(2)), Creates, ms(2000)),
        ] {
            assert_eq!(pause(failure, effect, SPENT), expected, "{situation}");
        }
    }

    #[test]
    fn how_often_and_for_how_long() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let after = |tries, seconds| TriesSpent { tries, elapsed: Duration::from_secs(seconds), ..SPENT };
        for (situation, spent, expected) in [
            ("second try", TriesSpent { tries: 2, ..SPENT }, ms(400)),
            ("third try was the last", TriesSpent { tries: 3, ..SPENT }, None),
            ("least jitter", TriesSpent { jitter: 0.0, ..SPENT }, ms(100)),
            ("most jitter", TriesSpent { jitter: 1.0, ..SPENT }, ms(300)),
            ("one timeout", after(1, 30), ms(200)),
            ("one try and a half", after(1, 45), ms(200)),
            ("two timeouts", after(2, 60), None),
        ] {
            assert_eq!(pause(FailedTry::Lost, RequestEffect::Reads, spent), expected, "{situation}");
        }
    }
}
