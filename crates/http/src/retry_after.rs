//! How long the other side asks to wait.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{self, HeaderMap};

/// The longest accepted wait. A header with a longer one does not come from the API.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The wait that `Retry-After` asks for, in seconds or as a date, or that Azure's headers ask for in milliseconds. It
/// is at most [`LONGEST_WAIT`]; any other text counts as no header.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(number);
    let wait = milliseconds
        .map(Duration::from_millis)
        .or_else(|| number(header::RETRY_AFTER.as_str()).map(Duration::from_secs))
        .or_else(|| until(headers));
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

/// The time until the date of `Retry-After`, by the other side's clock if the answer has its time.
fn until(headers: &HeaderMap) -> Option<Duration> {
    let date = |name: header::HeaderName| {
        let text = headers.get(name)?.to_str().ok()?;
        Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp())
    };
    let end = date(header::RETRY_AFTER)?;
    let now = date(header::DATE).unwrap_or_else(Timestamp::now);
    Some(Duration::try_from(end.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn headers_that_ask_to_wait() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")][..], ms(7000)),
            (&[("retry-after", " 7 ")][..], ms(7000)),
            (&[("retry-after", "0")][..], ms(0)),
            (&[("retry-after", "soon")][..], None),
            (
                &[
                    ("retry-after", "Wed, 25 Nov 2026 13:11:36 GMT"),
                    ("date", "Wed, 25 Nov 2026 13:11:06 GMT"),
                ][..],
                ms(30_000),
            ),
            (
                &[
                    ("retry-after", "Wed, 25 Nov 2026 13:11:06 GMT"),
                    ("date", "Wed, 25 Nov 2026 13:11:36 GMT"),
                ][..],
                ms(0),
            ),
            (&[("retry-after", "Fri, 03 Jan 2020 00:00:00 GMT")][..], ms(0)),
            (&[("retry-after", "Wed, 21 Oct 2065 07:28:00 GMT")][..], ms(3_600_000)),
            (&[("retry-after", "25 Nov")][..], None),
            (&[("retry-after", "-1")][..], None),
            (&[("retry-after", "99999999999")][..], Some(LONGEST_WAIT)),
            (&[("retry-after", "99999999999999999999999")][..], None),
            (&[("retry-after", "7"), ("retry-after-ms", "250")][..], ms(250)),
            (&[("x-ms-retry-after-ms", "1500")][..], ms(1500)),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(retry_after(&map), expected, "{headers:?}");
        }
    }
}
