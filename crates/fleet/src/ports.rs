//! What the outside has to offer: GitHub, Azure and machines over SSH, as the fleet needs them.
//!
//! Two implementations of each exist: the adapter that speaks to the real thing, and the
//! simulated cloud.

mod azure;
mod github;
pub mod preflight;
pub mod rehearsal;
mod scale_sets;
mod ssh;
mod webhook;

pub use azure::{Address, Azure};
pub use github::GitHub;
pub use scale_sets::ScaleSets;
pub use ssh::{Session, Ssh};
pub use webhook::{Delivery, DeliverySignature, NotTaken, RawDelivery, WebhookReader};
