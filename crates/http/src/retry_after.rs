//! How long the other side asks to wait.

use std::time::Duration;

use reqwest::header::{self, HeaderMap};

/// The longest accepted wait. A header with a longer one does not come from the API.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The wait that `Retry-After` asks for, in seconds, or that Azure's headers ask for in milliseconds. It is
/// at most [`LONGEST_WAIT`]; a date or any other text counts as no header.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(number);
    let wait = milliseconds
        .map(Duration::from_millis)
        .or_else(|| number(header::RETRY_AFTER.as_str()).map(Duration::from_secs));
    wait.map(|wait| wait.min(LONGEST_WAIT))
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
            (&[("retry-after", "Wed, 25 Nov 2026 13:11:36 GMT")][..], None),
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
