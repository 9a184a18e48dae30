//! What others read: status, summary, history, cost.

mod cost;
mod history;
mod queue_wait;
mod status;
mod summary;
mod token_expiry;

pub use cost::*;
pub use history::*;
pub use queue_wait::*;
pub use status::*;
pub use summary::*;
pub use token_expiry::*;
