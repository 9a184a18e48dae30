//! The rehearsal of `check --try`: one VM and one runner on the user's own subscription and repository, made and removed
//! as the daemon does it. Here is what is decided of it: what it makes and costs, what each step came to, which open
//! questions about the real Azure its answers settle, what is left, and the report without names and secrets.

mod clean;
mod left;
mod plan;
mod questions;
mod report;
mod step;

pub use clean::Cleaner;
pub use left::Leftovers;
pub use plan::RehearsalPlan;
pub use questions::{OpenQuestion, Sighting, Sightings};
pub use report::Rehearsed;
pub use step::{RehearsalStep, StepEnd, StepRecord};
