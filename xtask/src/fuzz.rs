//! Fuzzing of everything that reads bytes from outside, on the stable toolchain.

use std::path::PathBuf;
use std::process::Command;

use crate::tools::tool;
use crate::{apt, file_error, root, run};

/// Runs these targets, or all of them, for this many seconds each. Their corpus is kept in `fuzz/corpus`.
pub fn fuzz(seconds: u64, only: &[&str]) -> Result<(), String> {
    let all = targets()?;
    if let Some(unknown) = only.iter().find(|name| !all.iter().any(|target| target == *name)) {
        return Err(format!("there is no target {unknown}: wanted some of {}", all.join(", ")));
    }
    install()?;
    let fuzz = tool("cargo-fuzz", "0.13.2", &["--debug"])?;
    for target in all.into_iter().filter(|target| only.is_empty() || only.contains(&target.as_str())) {
        let corpus = root().join("fuzz/corpus").join(&target);
        std::fs::create_dir_all(&corpus).map_err(file_error(&corpus))?;
        let mut one = Command::new(&fuzz);
        // Sanitizers need a nightly toolchain, and there is no unsafe code to check.
        one.current_dir(root()).args(["fuzz", "run", "--sanitizer", "none", &target]);
        one.args([corpus, root().join("fuzz/seeds").join(&target)]);
        one.args(["--", "-timeout=30", "-print_final_stats=1", "-verbosity=0"]);
        run(one.arg(format!("-max_total_time={seconds}")))?;
    }
    Ok(())
}

/// Installs what the build of the fuzzer needs.
pub fn install() -> Result<(), String> {
    apt::install(&[("g++", "g++")])
}

/// The names of the targets.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let files = std::fs::read_dir(&folder).map_err(file_error(&folder))?;
    let files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    let mut names: Vec<String> =
        files.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
