//! Counts of API requests, by how they ended.

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The server did what was requested.
    Ok,
    /// Nothing has changed since the last request.
    NotModified,
    /// A rate limit was reached. A later request may succeed.
    Throttled,
    /// The server refused the request, or has no such resource.
    Refused,
    /// The server has an error of its own.
    ServerError,
    /// No answer came.
    NoAnswer,
    /// The answer, or the list that it belongs to, was larger or took longer than it may. The rest was not read.
    Cut,
}

impl CallOutcome {
    const ALL: [Self; 7] = [
        Self::Ok,
        Self::NotModified,
        Self::Throttled,
        Self::Refused,
        Self::ServerError,
        Self::NoAnswer,
        Self::Cut,
    ];

    /// The outcome for an HTTP status. `throttled` says that the answer is known to be about a rate limit.
    pub fn of(status: u16, throttled: bool) -> Self {
        match status {
            500.. => Self::ServerError,
            _ if throttled => Self::Throttled,
            429 => Self::Throttled,
            400.. => Self::Refused,
            304 => Self::NotModified,
            _ => Self::Ok,
        }
    }

    /// The name of the outcome in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotModified => "not_modified",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::ServerError => "server_error",
            Self::NoAnswer => "no_answer",
            Self::Cut => "cut",
        }
    }
}

/// Counts of requests by outcome, since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls([u64; CallOutcome::ALL.len()]);

impl Calls {
    /// Counts one more request.
    pub fn add(&mut self, outcome: CallOutcome) {
        self.0[outcome as usize] += 1;
    }

    /// The number of requests for each outcome.
    pub fn by_outcome(&self) -> impl Iterator<Item = (CallOutcome, u64)> {
        CallOutcome::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_by_its_status_and_by_whether_it_is_about_a_limit() {
        let table = [
            (200, false, "ok"),
            (204, false, "ok"),
            (304, false, "not_modified"),
            (403, true, "throttled"),
            (429, false, "throttled"),
            (403, false, "refused"),
            (404, false, "refused"),
            (503, true, "server_error"),
        ];
        for (status, throttled, word) in table {
            assert_eq!(CallOutcome::of(status, throttled).as_str(), word, "{status}, {throttled}");
        }
    }

    #[test]
    fn each_outcome_has_a_place_of_its_own() {
        for outcome in CallOutcome::ALL {
            let mut calls = Calls::default();
            calls.add(outcome);
            let counted: Vec<CallOutcome> =
                calls.by_outcome().filter(|(_, count)| *count == 1).map(|(outcome, _)| outcome).collect();
            assert_eq!(counted, [outcome]);
        }
    }
}
