//! GitHub's REST API, as a fleet of runners needs it: the port [`azlin_fleet::ports::GitHub`] over
//! HTTPS.
//!
//! What holds here:
//! - The token is checked once, in [`Token`], or renewed before it ends, and never leaves for another
//!   host, into a log or into an error.
//! - A list is whole or an error; only [`Queue`](azlin_fleet::job::Queue) may come in part, and says
//!   so.
//! - What GitHub may have done without our hearing of it is
//!   [`OutcomeUnknown`](azlin_fleet::ports::Trouble::OutcomeUnknown), and only what is safe to repeat
//!   is repeated.
//! - After GitHub asked us to wait, nothing is sent until the time has come.

mod api_url;
mod app;
mod bucket;
mod client;
mod error;
mod etags;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod hooks;
mod http;
mod link;
mod pages;
mod queue;
mod rate;
mod runners;
mod sign_in;
mod survey;
mod token;
mod watched;
mod webhook;
mod wire;

pub use api_url::ApiUrlError;
pub use app::{App, AppKeyError};
pub use azlin_http::TrafficCounts;
pub use client::{GitHubClient, GitHubSettings};
pub use hooks::{DeliveryAttempt, RegisteredWebhook, never_arrived};
pub use sign_in::GitHubCredential;
pub use token::{Token, TokenError};
pub use webhook::{SecretError, WebhookVerifier};
