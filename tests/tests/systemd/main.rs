//! The unit.
mod life;
