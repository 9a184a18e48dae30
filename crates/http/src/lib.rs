//! HTTP as an adapter to a cloud's API needs it, once for all adapters.
//!
//! An adapter builds one [`HttpTransport`] and, on top of it, one [`ApiClient`] for each API. It keeps its
//! own paths, wire types, rate limits and error texts.
//!
//! What always holds:
//! - Plain HTTP never leaves this machine, and plain HTTP never passes through a proxy.
//! - Every request has a time limit, and every body a largest size.
//! - No redirect is followed: it is the answer.
//! - A request is repeated only where its [`RequestEffect`] allows it.
//! - No answer is read with the credential of its own request in it, in whatever form.
//! - No token and no body is written to a log. A text of the other side passes through [`quote`] before it is
//!   shown.

mod api_client;
mod attempts;
mod error_body;
mod given_back;
mod local;
mod retry;
mod retry_after;
mod traffic;
mod transport;

pub use api_client::ApiClient;
pub use attempts::Attempts;
pub use error_body::{ErrorText, error_text, quote};
pub use local::{is_local, is_loopback};
pub use retry::{FailedTry, PATIENCE, RequestEffect};
pub use retry_after::{LONGEST_WAIT, retry_after};
pub use traffic::{Traffic, TrafficCounts};
pub use transport::{HttpReply, HttpRequest, HttpSettings, HttpTransport, NoReply};
