//! For any answer from GitHub: nothing panics, and every wait is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &str)| azlin_github::fuzzing::answer(input.0 % 600, input.1));
