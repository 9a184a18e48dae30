//! What there is: the values that everything else speaks of. Knows no other folder.

mod action;
mod budget;
mod calls;
mod error_policy;
mod job;
mod names;
mod prices;
pub mod redact;
mod runner;
pub(crate) mod runner_name;
mod vm;

pub use action::*;
pub use budget::*;
pub use calls::*;
pub use error_policy::*;
pub use job::*;
pub use names::*;
pub use prices::*;
pub use runner::*;
pub use runner_name::*;
pub use vm::*;
