//! A fleet's new file: the documentation's example with the given values.

use super::layout::Layout;
use super::{KeyChange, edit};
use crate::config::{Faulty, Fleet};
use crate::model::PoolName;

/// A new file starts from the example of the documentation.
const EXAMPLE: &str = include_str!("../../../../../config/fleets/ci-workers.toml");

/// Keys whose value in the example suits no real fleet.
const EXAMPLES_ONLY: [&str; 6] =
    ["repo", "labels", "vm.subscription_id", "vm.resource_group", "vm.location", "vm.subnet_id"];

/// The complete, commented file of a new fleet with these changes to the defaults. `file` is the file's name
/// in errors.
///
/// # Errors
/// Everything that is missing or wrong in the file.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
pub fn new_file(file: &str, pool: &PoolName, changes: &[KeyChange]) -> Result<(String, Fleet), Faulty> {
    let mut text = EXAMPLE.replacen("ci-workers", pool.as_str(), 1);
    for key in EXAMPLES_ONLY {
        let path: Vec<&str> = key.split('.').collect();
        text = super::remove(&text, &path).expect("the example has each of these keys, and is TOML");
    }
    for change in changes.iter().filter(|change| change.to.is_some()) {
        text = offered(&text, &change.path);
    }
    edit(file, pool, &text, changes)
}

/// The text with the example of a key, or of the table that holds it, turned into a default. A new file has
/// no owner's text yet, so the example is worth nothing beside the given value.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
fn offered(text: &str, path: &[String]) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let layout = Layout::of(text).expect("the example is TOML");
    let found = (1..=path.len()).rev().find_map(|depth| layout.commented(&path[..depth]).next());
    found.map_or_else(|| text.to_owned(), |line| layout.as_default(&line))
}
