//! Values that several tables share.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;
use url::{Host, Url};

use super::secret;

/// A duration as people write it, of at least this many seconds.
pub(super) fn duration(least_seconds: u64) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let least = Duration::from_secs(least_seconds);
        let most = Duration::from_secs(366 * 24 * 3600);
        value
            .as_str()
            .and_then(|text| humantime::parse_duration(text).ok())
            .filter(|duration| (least..=most).contains(duration))
            .ok_or_else(|| match least_seconds {
                0 => "a duration in quotes, at most 366 days, such as \"90s\", \"5m\" or \"24h\"".to_owned(),
                _ => format!(
                    "a duration in quotes, at least {least_seconds}s and at most 366 days, such as \"90s\", \"5m\" or \"24h\""
                ),
            })
    }
}

/// The URL of a service: HTTPS, or plain HTTP to this machine (simulators).
pub(super) fn base_url(value: &DeValue<'_>) -> Result<Url, String> {
    let allowed = "an https:// address (plain http:// only to 127.0.0.1, [::1] or localhost), without user, query or \
                   fragment";
    let url = value.as_str().and_then(|text| Url::parse(text).ok()).filter(is_safe);
    url.ok_or_else(|| allowed.to_owned())
}

fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
}

/// A daemon has no current directory that a person would expect.
pub(super) fn absolute_path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let path = value.as_str().filter(|path| path.starts_with('/')).map(PathBuf::from);
    path.ok_or_else(|| "the whole path of a file, such as \"/etc/azlin/id_ed25519\"".to_owned())
}

/// A value as an error quotes it: always short, never a secret.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if secret::looks_secret(text) => "a secret (not shown)".to_owned(),
        DeValue::String(text) if secret::has_user(text) => {
            "an address with a user or password (not shown)".to_owned()
        }
        DeValue::String(text) if text.chars().count() > 80 => {
            format!("{:?}…", text.chars().take(80).collect::<String>())
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for (text, safe) in [
            ("https://api.github.com", true),
            ("https://ghes.example/api/v3", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://api.github.com", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://localhost.evil.example", false),
            ("https://user:pass@api.github.com", false),
            ("https://api.github.com?x=1", false),
            ("ftp://api.github.com", false),
        ] {
            assert_eq!(Url::parse(text).is_ok_and(|url| is_safe(&url)), safe, "{text}");
        }
    }
}
