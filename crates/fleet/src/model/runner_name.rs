//! The name of a runner: its VM and its GitHub entry both have it.
//!
//! The form is `<pool>-<suffix>`. The suffix holds the second of creation, a random part and a check of the
//! whole name. So the name alone shows age and owner, without stored state, and a name that only looks
//! similar is not mistaken for ours. At most 64 characters, valid for Azure (letters, digits, hyphen) and
//! GitHub. Names sort by creation within a pool.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::PoolName;
use crate::seeded_bug;

/// Crockford's base 32, which has no letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SECOND: usize = 7;
const RANDOM: usize = 5;
const CHECK: usize = 2;
const SUFFIX: usize = SECOND + RANDOM + CHECK;

/// A name that azlin made. See the module for its form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunnerName(Arc<str>);

impl RunnerName {
    /// A new name. `random` should differ between names of the same second; 25 bits of it are used.
    pub fn new(pool: &PoolName, created: Timestamp, random: u32) -> Self {
        let second = u64::try_from(created.as_second()).unwrap_or(0);
        let body = format!("{}{}", base32(second, SECOND), base32(u64::from(random), RANDOM));
        let [first, second] = check(pool, &body).map(char::from);
        RunnerName(format!("{}-{body}{first}{second}", prefix(pool)).into())
    }

    /// Parses a name that was found at GitHub or in a tag; `None` if this pool did not make it.
    pub fn of_pool(pool: &PoolName, name: &str) -> Option<Self> {
        let (head, suffix) = name.rsplit_once('-')?;
        if suffix.len() != SUFFIX || !suffix.is_ascii() || !head.chars().eq(prefix_letters(pool)) {
            return None;
        }
        let (body, found) = suffix.split_at(SECOND + RANDOM);
        let is_ours = found.as_bytes() == check(pool, body);
        seeded_bug!(NamesAlike, is_ours, true).then(|| RunnerName(name.into()))
    }

    /// Whether a text has the form of these names. Only the pool's name shows whether the check is right.
    pub fn has_form(name: &str) -> bool {
        let is_letter = |byte: u8| ALPHABET.contains(&byte.to_ascii_lowercase());
        name.rsplit_once('-').is_some_and(|(head, suffix)| {
            !head.is_empty() && suffix.len() == SUFFIX && suffix.bytes().all(is_letter)
        })
    }

    /// When the name was made, to the second.
    pub fn created_at(&self) -> Timestamp {
        let start = self.0.len() - SUFFIX;
        let second = self.0.as_bytes()[start..start + SECOND].iter().fold(0, |sum, byte| {
            let digit = ALPHABET.iter().position(|letter| letter == byte).unwrap_or(0);
            sum * 32 + digit as i64
        });
        Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The prefix of the pool's names. Azure allows no underscore and ignores case, and a name must begin with a
/// letter or a digit.
pub fn prefix(pool: &PoolName) -> String {
    prefix_letters(pool).collect()
}

fn prefix_letters(pool: &PoolName) -> impl Iterator<Item = char> {
    let plain = pool.as_str().trim_matches(['-', '_']);
    let plain = if plain.is_empty() { "pool" } else { plain };
    plain.chars().map(|letter| if letter == '_' { '-' } else { letter.to_ascii_lowercase() })
}

fn base32(mut value: u64, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(value % 32) as usize];
        value /= 32;
    }
    text.into_iter().map(char::from).collect()
}

/// The check: two letters that a foreign name rarely has by chance.
fn check(pool: &PoolName, body: &str) -> [u8; CHECK] {
    let hash = crate::fnv1a([b"azlin ", pool.as_str().as_bytes(), b" ", body.as_bytes()]);
    [ALPHABET[(hash / 32 % 32) as usize], ALPHABET[(hash % 32) as usize]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(name: &str) -> PoolName {
        name.parse().expect("a valid pool name")
    }

    proptest! {
        #[test]
        fn a_name_is_valid_everywhere_and_tells_pool_and_second(
            text in "[a-zA-Z0-9_-]{1,49}", second in 0_i64..32_000_000_000, random: u32
        ) {
            let at = Timestamp::from_second(second).expect("in range");
            let name = RunnerName::new(&pool(&text), at, random);
            prop_assert!(name.as_str().len() <= 64);
            prop_assert!(name.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
            prop_assert!(name.as_str().starts_with(|c: char| c.is_ascii_alphanumeric()));
            prop_assert_eq!(name.created_at(), at);
            prop_assert!(RunnerName::has_form(name.as_str()) && RunnerName::has_form(&name.as_str().to_uppercase()));
            prop_assert_eq!(RunnerName::of_pool(&pool(&text), name.as_str()), Some(name));
        }
    }

    #[test]
    fn another_pools_name_and_a_strangers_are_not_ours() {
        let at = Timestamp::from_second(1_800_000_000).expect("in range");
        let name = RunnerName::new(&pool("ci-workers"), at, 7);
        for other in ["ci", "workers", "ci_workers", "ci-workers-2"] {
            assert_eq!(RunnerName::of_pool(&pool(other), name.as_str()), None, "{other}");
        }
        for stranger in ["ci-workers", "ci-workers-1", "ci-workers-buildmachine0", ""] {
            assert_eq!(RunnerName::of_pool(&pool("ci-workers"), stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_name_means_the_same_in_every_release() {
        let at = Timestamp::from_second(1_800_000_000).expect("in range");
        let name = RunnerName::new(&pool("CI_workers"), at, 7);
        assert_eq!(name.as_str(), "ci-workers-1nmkmg00000723");
        let (_, suffix) = name.as_str().rsplit_once('-').expect("a name has both");
        for stranger in [format!("other-{suffix}"), format!("ci-workers-{}", "é".repeat(SUFFIX / 2))] {
            assert_eq!(RunnerName::of_pool(&pool("CI_workers"), &stranger), None, "{stranger}");
        }
    }

    #[test]
    fn names_sort_by_creation() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let early = RunnerName::new(&pool("p"), at(1_800_000_000), u32::MAX);
        let late = RunnerName::new(&pool("p"), at(1_800_000_001), 0);
        assert!(early < late);
    }
}
