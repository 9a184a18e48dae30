//! What a fleet of runners is, and what it should be.
//!
//! Pure: no IO, no clock, no randomness, no environment. Time comes in as a value, and decisions
//! go out as values. The outside fills [`ports`].

mod action;
pub mod advice;
pub mod bootstrap;
pub mod budget;
pub mod calls;
pub mod check;
pub mod config;
pub mod cost;
pub mod demand;
pub mod expiry;
pub mod explain;
pub mod headline;
pub mod hint;
pub mod history;
pub mod host;
pub mod job;
pub mod leftover;
pub mod memory;
pub mod milestone;
pub mod names;
pub mod pace;
pub mod place;
pub mod plan;
pub mod planted;
pub mod ports;
pub mod prices;
pub mod redact;
pub mod remedy;
pub mod room;
mod roster;
mod rotation;
pub mod runner;
pub mod runner_name;
pub mod scaling;
pub mod snapshot;
pub mod status;
pub mod survey;
#[cfg(test)]
mod testing;
pub mod vm;
pub mod wait;

/// FNV-1a, 64 bits, of the parts one after the other: a hash that stays the same over releases of
/// Rust and of this product.
pub(crate) fn fnv1a<const N: usize>(parts: [&[u8]; N]) -> u64 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    /// From the algorithm's own test suite.
    #[test]
    fn the_hash_is_fnv_1a() {
        let known =
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)];
        for (text, hash) in known {
            assert_eq!(super::fnv1a([text.as_bytes()]), hash, "{text}");
        }
        assert_eq!(super::fnv1a([b"foo", b"bar"]), 0x8594_4171_f739_67e8);
    }
}
