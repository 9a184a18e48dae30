//! No text makes the readers of configuration panic, and each problem has a position in the text.

#![no_main]

use azlin_fleet::config::{DaemonConfig, Fleet, Problems};
use libfuzzer_sys::fuzz_target;

fn check(text: &str, read: Result<(), Problems>) {
    let Err(problems) = read else { return };
    assert!(!problems.0.is_empty());
    for problem in problems.0 {
        let line = text.split('\n').nth(problem.line - 1).expect("the line is in the text");
        assert!(problem.column <= line.chars().count() + 1, "{problem:?}");
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
    }
}

fuzz_target!(|text: &str| {
    let pool = "ci".parse().expect("a valid name");
    check(text, Fleet::parse("ci.toml", pool, text).map(drop));
    check(text, DaemonConfig::parse("azlin.toml", text).map(drop));
});
