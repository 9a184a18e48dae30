//! GitHub's REST API, as a fleet of runners needs it: the port [`azlin_fleet::ports::GitHub`] over
//! HTTPS.
//!
//! What always holds:
//! - The token is checked once, in [`Token`], or renewed before it ends. It never goes to another host, into
//!   a log or into an error.
//! - A call declares the answer that it understands. Nothing else is a success, and nothing is absent but by
//!   GitHub's own refusal. What writes follows no redirect.
//! - A list is whole, or an error. Only [`Queue`](azlin_fleet::model::Queue) may be partial, and says so.
//! - A request that GitHub may have carried out although no answer came is
//!   [`OutcomeUnknown`](azlin_fleet::model::CallErrorKind::OutcomeUnknown), and only
//!   requests that are safe to repeat are repeated.
//! - After GitHub asked for a wait, nothing is sent until it is over. Signing in alone waits for no limit.

mod answer;
mod api_url;
mod app;
mod blocked;
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
mod preflight;
mod queue;
mod rate;
mod redirect;
mod refusal;
mod runner_counts;
mod runner_group;
mod runners;
mod scale_set;
mod sign_in;
mod token;
mod watched;
mod webhook;
mod window;
mod wire;

pub use api_url::ApiUrlError;
pub use app::{App, AppKeyError};
pub use azlin_http::TrafficCounts;
pub use client::{GitHubClient, GitHubSettings};
pub use hooks::{DeliveryAttempt, RegisteredWebhook, never_arrived};
pub use sign_in::GitHubCredential;
pub use token::{Token, TokenError};
pub use webhook::{SecretError, WebhookVerifier, webhook_secrets};
