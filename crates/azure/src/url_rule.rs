//! Where a secret may be sent: by HTTPS to any host, by plain HTTP only to this machine.

use azlin_http::{is_local, is_loopback};
use url::Url;

/// Checks the root of the resource manager's API.
pub(crate) fn check_resource_manager(url: &Url) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user name or password does not belong in it");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("it is a host alone, without a path");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("plain HTTP is allowed to a loopback address alone: use https://"),
        _ => Err("it has to begin with https://"),
    }
}

/// Checks an endpoint for managed identities. App Service has it on the machine itself.
pub(crate) fn check_identity_endpoint(url: &Url) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_local(url) => Ok(()),
        _ => Err("it has to be on this machine, or begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_endpoints() {
        for (text, root, endpoint) in [
            ("https://management.azure.com", true, true),
            ("https://management.usgovcloudapi.net/", true, true),
            ("https://management.azure.com/x", false, true),
            ("https://u:p@management.azure.com", false, true),
            ("http://management.azure.com", false, false),
            ("http://127.0.0.1:1234", true, true),
            ("http://[::1]:1234", true, true),
            ("http://localhost:4141", true, true),
            ("http://169.254.131.5:8081/msi/token", false, true),
            ("http://10.0.0.1", false, false),
            ("ftp://127.0.0.1", false, false),
        ] {
            let url = Url::parse(text).expect("a URL");
            assert_eq!(check_resource_manager(&url).is_ok(), root, "{text} as a root");
            assert_eq!(check_identity_endpoint(&url).is_ok(), endpoint, "{text} as an endpoint");
        }
    }
}
