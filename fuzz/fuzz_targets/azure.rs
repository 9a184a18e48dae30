//! Whatever Azure answers, nothing panics, no secret is told, and what is ours stays ours.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| azlin_azure::fuzzing::answer(input.0 % 600, input.1));
