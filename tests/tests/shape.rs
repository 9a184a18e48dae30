//! The shape of the sources: how long files are, and where tests stand. With `-- --nocapture shape` the
//! numbers are printed.

use azlin_tests::sources::{Source, sources};

/// The most lines of an inline `mod tests`. Longer ones are a file of their own, `x/tests.rs`.
const MOST_INLINE: usize = 80;

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
    let misplaced = |source: &Source| misplaced(source).map(|why| format!("{}: {why}", source.path));
    let wrong: Vec<String> = sources().iter().filter_map(misplaced).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
