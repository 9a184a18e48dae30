//! For any delivery to a webhook, signed or not: nothing panics, and only signed deliveries are accepted.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| azlin_github::fuzzing::webhook(body));
