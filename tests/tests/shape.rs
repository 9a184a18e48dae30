//! The shape of the sources: how long files are, and where tests stand. With `-- --nocapture shape` the numbers are printed.

use azlin_tests::sources::{Source, sources};

/// The most lines of an inline `mod tests`. Longer ones are a file of their own, `x/tests.rs`.
const MOST_INLINE: usize = 80;

/// Files that are being moved. This table only shrinks.
const MOVED_SOON: &[&str] = &[
    "crates/azlin/src/cli_tests.rs",
    "crates/azlin/src/commands/demo/mod.rs",
    "crates/azlin/src/commands/explain/render.rs",
    "crates/azlin/src/commands/explain/render_tests.rs",
    "crates/azlin/src/commands/mod.rs",
    "crates/azlin/src/commands/plan/render.rs",
    "crates/azlin/src/commands/plan/render_tests.rs",
    "crates/azlin/src/commands/status/mod.rs",
    "crates/azlin/src/commands/status/render.rs",
    "crates/azlin/src/commands/status/render_tests.rs",
    "crates/azlin/src/commands/webhook/mod.rs",
    "crates/azlin/src/commands/webhook/render.rs",
    "crates/azlin/src/commands/webhook/render_tests.rs",
    "crates/daemon/src/fetched.rs",
    "crates/daemon/src/fetched_tests.rs",
    "crates/daemon/src/http/mod.rs",
    "crates/daemon/src/http/page.rs",
    "crates/daemon/src/http/page_tests.rs",
    "crates/daemon/src/observe.rs",
    "crates/daemon/src/observe_tests.rs",
    "crates/daemon/src/queues.rs",
    "crates/daemon/src/queues_tests.rs",
    "crates/fleet/src/bootstrap/cloud_init.rs",
    "crates/fleet/src/check/azure_tests.rs",
    "crates/fleet/src/check/github_tests.rs",
    "crates/fleet/src/config/effective.rs",
    "crates/fleet/src/config/good_tests.rs",
    "crates/fleet/src/explain/job_tests.rs",
    "crates/fleet/src/explain/runner_tests.rs",
    "crates/fleet/src/model/redact.rs",
    "crates/fleet/src/observe/poll_pace.rs",
    "crates/fleet/src/observe/trigger.rs",
    "crates/fleet/src/plan/orphans.rs",
    "crates/fleet/src/plan/planner/order_tests.rs",
    "crates/fleet/src/plan/planner/ssh_tests.rs",
    "crates/fleet/src/report/summary.rs",
    "crates/fleet/src/state/capacity.rs",
    "crates/fleet/src/state/runner_events.rs",
];

/// A file is counted whole, with its comments and its inline tests.
#[test]
fn files_are_short() {
    let sources = sources();
    let mut files: Vec<(usize, &str)> = sources
        .iter()
        .filter(|source| source.is_production())
        .map(|s| (s.lines(), s.path.as_str()))
        .collect();
    files.sort_unstable();
    let at = |percent: usize| files[(files.len() - 1) * percent / 100];
    println!("production files  {}", files.len());
    println!("lines, median     {}", at(50).0);
    println!("lines, p90        {}", at(90).0);
    for (lines, path) in files.iter().rev().take(10) {
        println!("{lines:>17}  {path}");
    }
    assert!(at(50).0 <= 150 && at(90).0 <= 400, "median {}, p90 {}", at(50).0, at(90).0);
    let (lines, path) = at(100);
    assert!(lines <= 500, "{path} has {lines} lines: split it");
}

/// What is wrong with the place of a file, if anything is.
fn misplaced(source: &Source) -> Option<String> {
    let path = source.path.as_str();
    let name = path.rsplit('/').next().unwrap_or(path);
    let inline = source.inline_test_lines();
    if name == "mod.rs" && path.contains("/src/") {
        return Some("a module is x.rs beside x/, not x/mod.rs".to_owned());
    }
    if name.ends_with("_tests.rs") {
        return Some("tests of x.rs are in x/tests.rs".to_owned());
    }
    if path.contains("/src/") && source.text.contains("\n#[path = ") {
        return Some("a module is where Rust looks for it, without #[path]".to_owned());
    }
    (inline > MOST_INLINE)
        .then(|| format!("its inline tests have {inline} lines: put them in a file of their own"))
}

/// Under `tests/`, cargo takes each file for a program of its own, and a folder's `mod.rs` for none.
#[test]
fn modules_and_tests_have_one_style() {
    let mut wrong = Vec::new();
    let mut needed = Vec::new();
    for source in sources() {
        let Some(why) = misplaced(&source) else { continue };
        if MOVED_SOON.contains(&source.path.as_str()) {
            needed.push(source.path);
        } else {
            wrong.push(format!("{}: {why}", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<&&str> =
        MOVED_SOON.iter().filter(|path| !needed.iter().any(|found| found == *path)).collect();
    assert!(stale.is_empty(), "these are in place now; remove them from the table: {stale:#?}");
}
