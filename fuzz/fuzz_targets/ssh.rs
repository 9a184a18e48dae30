//! For any output of a machine, in any chunks: each reported line is one line, and holds no secret.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| azlin_ssh::fuzzing::output(input.1, usize::from(input.0)));
