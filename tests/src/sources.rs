//! The Rust sources of this repository, for tests of names and file lengths.

use std::path::{Path, PathBuf};

/// The folders with sources.
const FOLDERS: [&str; 4] = ["crates", "fuzz/fuzz_targets", "tests", "xtask"];

/// A source file.
pub struct Source {
    /// Its path from the root of the repository, such as `crates/fleet/src/lib.rs`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Whether it is part of a crate and not one of its tests, their fixtures or its benchmarks.
    pub fn is_production(&self) -> bool {
        let folders: Vec<&str> = self.path.split('/').collect();
        let name = folders.last().copied().unwrap_or_default();
        let is_in = |folder: &str| folders.contains(&folder);
        let is_test = name == "tests.rs" || name == "fixture.rs" || name.ends_with("_tests.rs");
        is_in("src") && !is_in("tests") && !is_test
    }

    /// How many lines it has, blank ones and comments included.
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// How many lines its inline `mod tests` has; 0 without one.
    pub fn inline_test_lines(&self) -> usize {
        let mut lines = self.text.lines().skip_while(|line| !is_inline_tests(line));
        if lines.next().is_none() {
            return 0;
        }
        2 + lines.take_while(|line| *line != "}").count()
    }
}

fn is_inline_tests(line: &str) -> bool {
    line.starts_with("mod tests {")
}

/// All sources, sorted by path.
///
/// # Panics
/// When a file cannot be read.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), &mut files));
    let read = |file: PathBuf| {
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let path = file.strip_prefix(&root).expect("it is below the root").display().to_string();
        Source { path, text }
    };
    let mut sources: Vec<Source> = files.into_iter().map(read).collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        // A crate that is built alone has its own target folder.
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
