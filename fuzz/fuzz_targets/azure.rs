//! For any answer from Azure: nothing panics, no secret is shown, and our resources stay ours.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| azlin_azure::fuzzing::answer(input.0 % 600, input.1));
