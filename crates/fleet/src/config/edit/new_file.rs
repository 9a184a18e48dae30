//! A fleet's new file: the documentation's example with the given values.

use super::layout::Layout;
use super::{KeyChange, Literal, edit};
use crate::config::{Faulty, Fleet, FleetDefaults, NamedFiles};
use crate::model::PoolName;

/// A new file starts from the example of the documentation.
const EXAMPLE: &str = include_str!("../../../../../config/fleets/ci-workers.toml");

/// Keys whose value in the example suits no real fleet.
const EXAMPLES_ONLY: [&str; 6] =
    ["repo", "labels", "vm.subscription_id", "vm.resource_group", "vm.location", "vm.subnet_id"];

/// A runner for each job, at once: what a new fleet of ephemeral runners has in place of the defaults.
const ONE_FOR_ONE: [(&str, i64); 2] = [("scaling.jobs_per_runner", 1), ("scaling.scale_up_threshold", 0)];
const COUNTED: &str = "# Pending jobs that one runner is counted for.\n";
const COUNTED_ONE_FOR_ONE: &str = "\
# Pending jobs that one runner is counted for. Each runner of this fleet takes one job, so 1 here and a
# scale_up_threshold of 0 give each pending job a runner at once. Without both lines the defaults hold, 2 and 2: one
# runner for two pending jobs, and none before three are missing or a job has waited for max_queue_wait.
";

/// The complete, commented file of a new fleet with these changes to the defaults. A key that `[defaults]` of
/// azlin.toml has stays out of the file unless it is given. `file` is the file's name in errors.
///
/// # Errors
/// Everything that is missing or wrong in the file.
pub fn new_file(
    file: &str,
    pool: &PoolName,
    changes: &[KeyChange],
    defaults: &FleetDefaults,
    files: NamedFiles<'_>,
) -> Result<(String, Fleet), Faulty> {
    let mut text = EXAMPLE.replacen("ci-workers", pool.as_str(), 1);
    let has_default = defaults.keys();
    for key in EXAMPLES_ONLY.into_iter().chain(has_default.iter().map(String::as_str)) {
        let path: Vec<&str> = key.split('.').collect();
        text = super::remove(&text, &path).unwrap_or(text);
    }
    for change in changes.iter().filter(|change| change.to.is_some()) {
        text = offered(&text, &change.path);
    }
    let (text, fleet) = edit(file, pool, &text, changes, defaults, files)?;
    let is_decided = ONE_FOR_ONE.iter().any(|(key, _)| {
        has_default.contains(*key) || changes.iter().any(|change| change.path.join(".") == *key)
    });
    if fleet.lifecycle.max_job_count > 1 || is_decided {
        return Ok((text, fleet));
    }
    let text = text.replacen(COUNTED, COUNTED_ONE_FOR_ONE, 1);
    let one_for_one = ONE_FOR_ONE.map(|(key, number)| KeyChange::set(key, Literal::Number(number)));
    edit(file, pool, &text, &one_for_one, defaults, files)
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
