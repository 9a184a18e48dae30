//! What the end-to-end tests share.

pub mod admin_host;
pub mod binary;
pub mod deliveries;
pub mod machines;
pub mod schema;
pub mod stage;
pub mod web;
