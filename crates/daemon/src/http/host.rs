//! Whether the `Host` header of a request names this daemon.
//!
//! A foreign page can make a browser send requests to any address under the page's own name, and read the
//! answers (DNS rebinding). So a request counts only under a name that the page's owner cannot choose.

use std::net::IpAddr;

/// Whether the `Host` of a request is an address, this machine, or one of these names; with a port or
/// without.
pub(super) fn is_ours(host: &str, named: &[String]) -> bool {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || named.iter().any(|named| named.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn an_address_this_machine_or_a_name_that_is_known() {
        let named = ["azlin.example.com".to_owned()];
        for ours in [
            "127.0.0.1:9469",
            "10.0.0.5",
            "[::1]:9469",
            "[::1]",
            "localhost:9469",
            "LocalHost",
            "azlin.example.com",
            "Azlin.Example.com:8443",
        ] {
            assert!(is_ours(ours, &named), "{ours}");
        }
        for strange in [
            "",
            "evil.example",
            "evil.example:9469",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "azlin.example.com.",
            "azlin.example.com:",
            "azlin.example.com:x",
            "127.0.0.1:9469:80",
            "localhost:80:80",
        ] {
            assert!(!is_ours(strange, &named), "{strange}");
        }
    }
}
