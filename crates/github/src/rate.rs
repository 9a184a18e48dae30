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
mod tests;
