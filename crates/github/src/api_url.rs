//! Where GitHub's API is: HTTPS, or plain HTTP to this machine alone.

use std::fmt;

use azlin_fleet::model::{CallError, CallErrorKind, Scope};
use azlin_http::is_loopback;
use url::Url;

/// The root that every request stays under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiUrl {
    root: Url,
}

/// Why an API address is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUrlError {
    found: String,
    why: &'static str,
}

impl fmt::Display for ApiUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[github] api_url is {:?}; {}", self.found, self.why)
    }
}

impl std::error::Error for ApiUrlError {}

impl ApiUrl {
    pub(crate) fn new(url: &Url) -> Result<Self, ApiUrlError> {
        let mut root = url.clone();
        // A password in the URL is not repeated in the error.
        let has_credentials = !root.username().is_empty() || root.password().is_some();
        if has_credentials {
            let _ = root.set_username("");
            let _ = root.set_password(None);
        }
        let refuse = |why| Err(ApiUrlError { found: root.to_string(), why });
        if has_credentials {
            return refuse("a user name or password does not belong in it");
        }
        if root.query().is_some() || root.fragment().is_some() {
            return refuse("a query or fragment does not belong in it");
        }
        match root.scheme() {
            "https" => {}
            "http" if is_loopback(&root) => {}
            "http" => return refuse("plain HTTP is allowed to a loopback address alone: use https://"),
            _ => return refuse("it has to begin with https://"),
        }
        let path = format!("{}/", root.path().trim_end_matches('/'));
        root.set_path(&path);
        Ok(ApiUrl { root })
    }

    /// The URL of a path below the root, `repos/o/r/actions/runs?status=queued`.
    pub(crate) fn join(&self, path: &str) -> Result<Url, CallError> {
        self.root.join(path).map_err(|error| {
            CallError::new(CallErrorKind::Invalid, format!("no URL can be made of {path:?}: {error}"))
        })
    }

    /// Where GitHub's pages are: the API is at `api.` of GitHub's own host, and below `/api/v3` of an Enterprise Server
    /// (Docs: Getting started with the REST API).
    fn site_text(&self) -> String {
        let host = self.root.host_str().unwrap_or_default();
        let host = if host == "api.github.com" || host.ends_with(".ghe.com") {
            host.strip_prefix("api.").unwrap_or(host)
        } else {
            host
        };
        let port = self.root.port().map_or(String::new(), |port| format!(":{port}"));
        format!("{}://{host}{port}", self.root.scheme())
    }

    /// Where GitHub's pages are.
    pub(crate) fn site(&self) -> Option<Url> {
        self.site_text().parse().ok()
    }

    /// The page of a scope, for `config.sh`.
    pub(crate) fn page(&self, scope: &Scope) -> String {
        let path = match scope {
            Scope::Repo(repo) => repo.to_string(),
            Scope::Org(org) => org.to_string(),
            Scope::Enterprise(name) => format!("enterprises/{name}"),
        };
        format!("{}/{path}", self.site_text())
    }

    /// Whether a link from an answer stays at this origin. The token is sent nowhere else.
    pub(crate) fn has_same_origin(&self, url: &Url) -> bool {
        url.origin() == self.root.origin()
    }

    /// The part of a request's URL that names the owner or the repository: `repos/o/r`, `orgs/o/actions`.
    pub(crate) fn owner<'u>(&self, url: &'u Url) -> &'u str {
        let below = self.below(url);
        below.match_indices('/').nth(2).map_or(below, |(end, _)| &below[..end])
    }

    /// The part of a request's URL below the API's root.
    pub(crate) fn below<'u>(&self, url: &'u Url) -> &'u str {
        url.path().strip_prefix(self.root.path()).unwrap_or(url.path())
    }

    pub(crate) fn as_str(&self) -> &str {
        self.root.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_scope() {
        for (api, scope, page) in [
            ("https://api.github.com", "repo:o/r", "https://github.com/o/r"),
            ("https://api.github.com", "org:o", "https://github.com/o"),
            ("https://api.github.com", "enterprise:e", "https://github.com/enterprises/e"),
            ("https://api.octo.ghe.com", "repo:o/r", "https://octo.ghe.com/o/r"),
            ("https://ghes.example:8443/api/v3", "repo:o/r", "https://ghes.example:8443/o/r"),
            ("https://api.ghes.example/api/v3", "repo:o/r", "https://api.ghes.example/o/r"),
            ("http://127.0.0.1:8080", "repo:o/r", "http://127.0.0.1:8080/o/r"),
        ] {
            let api = ApiUrl::new(&Url::parse(api).expect("a URL")).expect("good");
            assert_eq!(api.page(&scope.parse().expect("valid")), page);
        }
    }

    #[test]
    fn roots_that_are_taken_and_refused() {
        for (text, taken) in [
            ("https://api.github.com", true),
            ("https://ghes.example.com/api/v3/", true),
            ("https://api.octocorp.ghe.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.8.8.8", true),
            ("http://[::1]:8080", true),
            ("http://localhost:8080", true),
            ("http://api.github.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://0.0.0.0:8080", false),
            ("http://10.0.0.1", false),
            ("ftp://api.github.com", false),
            ("file:///etc/passwd", false),
            ("https://api.github.com?x=1", false),
            ("https://user:hunter2@api.github.com", false),
        ] {
            let url = Url::parse(text).expect("a URL");
            let found = ApiUrl::new(&url);
            assert_eq!(found.is_ok(), taken, "{text}: {found:?}");
            assert!(!format!("{found:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_root_with_a_path_keeps_it() {
        let root = Url::parse("https://ghes.example.com/api/v3").expect("a URL");
        let root = ApiUrl::new(&root).expect("a good root");
        let url = root.join("repos/o/r/actions/runs?status=queued").expect("a URL");
        assert_eq!(url.as_str(), "https://ghes.example.com/api/v3/repos/o/r/actions/runs?status=queued");
        assert_eq!(root.owner(&url), "repos/o/r");
        assert!(root.has_same_origin(&url));
        for other in ["https://example.com/", "http://ghes.example.com/", "https://ghes.example.com:444/"] {
            assert!(!root.has_same_origin(&Url::parse(other).expect("a URL")), "{other}");
        }
    }
}
