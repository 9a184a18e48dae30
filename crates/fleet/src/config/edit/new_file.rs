//! A fleet's file from nothing: the example of the documentation, with what was given.

use super::{Change, edit};
use crate::config::{Faulty, Fleet};
use crate::names::PoolName;

/// What the documentation shows is what a new file is made from.
const EXAMPLE: &str = include_str!("../../../../../config/fleets/ci-workers.toml");

/// Keys whose value in the example is nobody's own.
const EXAMPLES_ONLY: [&str; 6] =
    ["repo", "labels", "vm.subscription_id", "vm.resource_group", "vm.location", "vm.subnet_id"];

/// The complete, commented file of a new fleet with these changes to the defaults. `file` is what errors
/// call it.
///
/// # Errors
/// What is missing in it or wrong with it.
pub fn new_file(file: &str, pool: &PoolName, changes: &[Change]) -> Result<(String, Fleet), Faulty> {
    let mut text = EXAMPLE.replacen("ci-workers", pool.as_str(), 1);
    for key in EXAMPLES_ONLY {
        let path: Vec<&str> = key.split('.').collect();
        text = super::remove(&text, &path).expect("the example has each of these keys, and is TOML");
    }
    edit(file, pool, &text, changes)
}
