//! What a fleet of runners is, and what it should be.
//!
//! Pure: no IO, no clock, no randomness, no environment. Time comes in as a value, and decisions
//! go out as values. The outside fills [`ports`].

pub mod bootstrap;
pub mod check;
pub mod config;
pub mod explain;
#[cfg(test)]
mod fixture;
pub mod model;
pub mod observe;
pub mod plan;
pub mod ports;
pub mod rehearsal;
pub mod report;
pub mod seeded_bugs;
pub mod state;

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
