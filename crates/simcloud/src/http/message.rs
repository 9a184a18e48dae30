//! Requests and responses, as both services handle them.

use hyper::body::Bytes;
use serde_json::Value;

use crate::fault::Side;

/// A request that was read whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The path as GitHub's links have it, with numbers for names.
    pub(crate) numbered: String,
    pub(crate) query: String,
    /// The address of this server for links: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    pub(crate) authorization: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) identity_header: Option<String>,
    /// The header without which the metadata service answers nothing.
    pub(crate) metadata_header: Option<String>,
    pub(crate) body: Vec<u8>,
    /// The value of the `range` header.
    pub(crate) range: Option<String>,
    /// How many jobs a scale set may hold, as the client of its messages says.
    pub(crate) max_capacity: Option<String>,
    /// The VM that the connection comes from, if it comes from one.
    pub(crate) machine: Option<String>,
}

impl SimRequest {
    /// Whether a runner's program sent the request.
    pub(crate) fn is_of_runners(&self, side: Side) -> bool {
        side == Side::Github && self.path.starts_with("/_runner/")
    }

    /// The bearer token.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.authorization.as_deref()?.strip_prefix("Bearer ")
    }

    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').collect()
    }

    /// A query parameter, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn number(&self, name: &str, default: usize) -> usize {
        self.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A response.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// The route with the names of its parameters, for the statistics.
    pub(crate) route: String,
}

impl SimResponse {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        SimResponse::text(status, body.to_string())
    }

    /// A response with JSON that is already text.
    pub(crate) fn text(status: u16, body: String) -> Self {
        SimResponse { status, body: body.into(), ..SimResponse::default() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        SimResponse { status, ..SimResponse::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// One exchange with GitHub's side, to check against GitHub's own description.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query.
    pub query: String,
    /// The request's body.
    pub request: Vec<u8>,
    /// The response's status.
    pub status: u16,
    /// The response's body.
    pub response: Vec<u8>,
}
