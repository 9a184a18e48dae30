//! What the end-to-end tests share.

pub mod binary;
pub mod machines;
pub mod schema;
pub mod simulation;
pub mod stage;
