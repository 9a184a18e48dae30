//! GitHub's rate limits, as its headers state them (GitHub Docs: Rate limits for the REST API).

use std::time::Duration;

use azlin_fleet::model::Budget;
use azlin_http::{LONGEST_WAIT, retry_after};
use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::refusal::Meaning;

/// What an answer says about waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedWait {
    /// It is no rate limit.
    Nothing,
    /// The primary limit of the request's resource is used up.
    UsedUp(Duration),
    /// A rate limit of the token with a stated time.
    Wait(Duration),
    /// A secondary rate limit without a stated time: "a minute, then exponentially".
    WaitUntold,
}

/// The primary rate limit that an answer states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatedLimit {
    /// It states none.
    None,
    /// It states the limit of this machine's address, which counts requests that nobody signed in for.
    OfTheAddress,
    /// The limit of the credential for a resource. Each resource has its own.
    Of { resource: String, budget: Budget },
}

/// The requests in an hour from one address without a credential.
const ANONYMOUS: u64 = 60;
/// The resource of an answer that names none.
pub(crate) const CORE: &str = "core";

/// The primary rate limit in an answer to a request that bears a credential. A 401 and a refusal of the address bear
/// the address's limit, and so may any answer to a credential that did not count.
pub(crate) fn stated(status: StatusCode, headers: &HeaderMap) -> StatedLimit {
    match budget(headers) {
        None => StatedLimit::None,
        Some(budget) if status == StatusCode::UNAUTHORIZED || budget.limit == ANONYMOUS => {
            StatedLimit::OfTheAddress
        }
        Some(budget) => {
            let resource = headers.get("x-ratelimit-resource").and_then(|value| value.to_str().ok());
            StatedLimit::Of { resource: resource.map_or(CORE, str::trim).to_owned(), budget }
        }
    }
}

fn budget(headers: &HeaderMap) -> Option<Budget> {
    Some(Budget {
        limit: number(headers, "x-ratelimit-limit")?,
        remaining: number(headers, "x-ratelimit-remaining")?,
        reset: Timestamp::from_second(number(headers, "x-ratelimit-reset")?.try_into().ok()?).ok()?,
    })
}

/// GitHub's clock, from the answer's `date`. Our clock may be ahead or behind.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

/// How long a budget's window lasts from now on.
pub(crate) fn left(budget: &Budget, now: Timestamp) -> Duration {
    // One second more, since both are whole seconds.
    let seconds = budget.reset.as_second() - now.as_second() + 1;
    // GitHub's window is an hour.
    Duration::from_secs(seconds.max(1).unsigned_abs()).min(LONGEST_WAIT)
}

/// Whether an answer is about a rate limit, and how long GitHub asks to wait. `meaning` is that of its text.
pub(crate) fn asked(
    status: StatusCode,
    headers: &HeaderMap,
    meaning: Option<Meaning>,
    now: Timestamp,
) -> AskedWait {
    let throttled = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::FORBIDDEN;
    if let Some(wait) = retry_after(headers) {
        return if throttled || status.is_server_error() {
            AskedWait::Wait(wait.max(Duration::from_secs(1)))
        } else {
            AskedWait::Nothing
        };
    }
    if !throttled {
        return AskedWait::Nothing;
    }
    if let StatedLimit::Of { budget, .. } = stated(status, headers)
        && budget.remaining == 0
    {
        return AskedWait::UsedUp(left(&budget, now));
    }
    if status == StatusCode::TOO_MANY_REQUESTS || meaning == Some(Meaning::Passes) {
        return AskedWait::WaitUntold;
    }
    AskedWait::Nothing
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// When the token of the request expires.
pub(crate) fn token_ends(headers: &HeaderMap) -> Option<Timestamp> {
    expiry(headers.get("github-authentication-token-expiration")?.to_str().ok()?)
}

/// `2026-06-01 00:00:00 UTC`, or with the user's offset, `… +0900`.
fn expiry(header: &str) -> Option<Timestamp> {
    let text = header.trim().replace(" UTC", " +0000");
    let time = BrokenDownTime::parse("%Y-%m-%d %H:%M:%S %z", &text).ok()?;
    time.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_token_ends() {
        for (text, expected) in [
            ("2026-06-01 12:30:00 UTC", Some("2026-06-01T12:30:00Z")),
            ("2026-06-01 12:30:00 +0900", Some("2026-06-01T03:30:00Z")),
            ("2026-06-01 12:30:00 -0700", Some("2026-06-01T19:30:00Z")),
            ("soon", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().expect("a time"));
            assert_eq!(expiry(text), expected, "{text:?}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    reqwest::header::HeaderName::from_static(name),
                    reqwest::header::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn github_tells_what_time_it_is_there() {
        let at = date(&headers(&[("date", "Wed, 25 Nov 2026 13:11:36 GMT")])).expect("a date");
        assert_eq!(at.to_string(), "2026-11-25T13:11:36Z");
        assert_eq!(date(&headers(&[("date", "today")])), None);
    }

    #[test]
    fn how_long_answers_ask_to_wait() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let empty: &[(&str, &str)] = &[
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1800000060"),
        ];
        let past: &[(&str, &str)] = &[
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1700000000"),
        ];
        let anonymous: &[(&str, &str)] = &[
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1800000060"),
        ];
        let wait = |seconds| AskedWait::Wait(Duration::from_secs(seconds));
        let used_up = |seconds| AskedWait::UsedUp(Duration::from_secs(seconds));
        let passes = Some(Meaning::Passes);
        for (situation, status, pairs, meaning, expected) in [
            ("not permitted", 403, &[][..], None, AskedWait::Nothing),
            ("nobody signed in", 403, anonymous, Some(Meaning::NotSignedIn), AskedWait::Nothing),
            ("a 401 with the address's limit", 401, anonymous, None, AskedWait::Nothing),
            ("secondary, with a time", 403, &[("retry-after", "60")][..], None, wait(60)),
            ("secondary, without", 403, &[][..], passes, AskedWait::WaitUntold),
            ("429, with a time", 429, &[("retry-after", "7")][..], None, wait(7)),
            ("429, no time at all", 429, &[("retry-after", "0")][..], None, wait(1)),
            ("429, a time that no one means", 429, &[("retry-after", "99999999999")][..], None, wait(3600)),
            ("429, without", 429, &[][..], None, AskedWait::WaitUntold),
            (
                "429, a time that is no number",
                429,
                &[("retry-after", "soon")][..],
                None,
                AskedWait::WaitUntold,
            ),
            ("primary, used up", 403, empty, passes, used_up(61)),
            ("primary, reset is past", 429, past, None, used_up(1)),
            ("maintenance", 503, &[("retry-after", "120")][..], None, wait(120)),
            ("an answer that is not refused", 200, empty, None, AskedWait::Nothing),
            ("a bad request with a time", 422, &[("retry-after", "9")][..], None, AskedWait::Nothing),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(asked(status, &headers(pairs), meaning, now), expected, "{situation}");
        }
    }
}
