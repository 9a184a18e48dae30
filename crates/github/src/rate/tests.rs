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
            (reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_static(value))
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
    let empty: &[(&str, &str)] =
        &[("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000060")];
    let past: &[(&str, &str)] =
        &[("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000000")];
    let anonymous: &[(&str, &str)] =
        &[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000060")];
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
        ("429, a time that is no number", 429, &[("retry-after", "soon")][..], None, AskedWait::WaitUntold),
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
