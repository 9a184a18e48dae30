//! Which hosts are this machine: only they are reached by plain HTTP.

use url::{Host, Url};

/// Whether the host is a loopback address or `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// Whether the host is this machine or a link-local address, which only this machine can reach: Azure's
/// instance metadata service has one.
pub fn is_local(url: &Url) -> bool {
    is_loopback(url) || matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_hosts() {
        for (text, loopback, local) in [
            ("http://127.0.0.1:1234", true, true),
            ("http://[::1]:1234", true, true),
            ("http://LOCALHOST:4141", true, true),
            ("http://169.254.169.254/metadata", false, true),
            ("http://10.0.0.1", false, false),
            ("http://localhost.example.com", false, false),
            ("data:,x", false, false),
        ] {
            let url = Url::parse(text).expect("a URL");
            assert_eq!((is_loopback(&url), is_local(&url)), (loopback, local), "{text}");
        }
    }
}
