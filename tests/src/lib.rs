//! What the end-to-end tests share.

pub mod binary;
pub mod simulation;
pub mod stage;
