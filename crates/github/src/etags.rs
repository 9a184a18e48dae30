//! A cache of answers for conditional requests: an answer 304 costs nothing of the rate limit.
//!
//! An ETag belongs to the token that got it. After the renewal of an app's token GitHub answers 200 to each address
//! once more, and counts it, although nothing has changed. So nobody reckons with a 304 before it comes, and the
//! renewal is spread over minutes (`sign_in/tokens.rs`): each address costs one counted request in an hour.
//!
//! It keeps only the part of a body that azlin reads: a page of runs shrinks from a megabyte to a few hundred
//! bytes. There are two generations. When the young one is full it becomes the old one, and whatever was not
//! used since the last change is dropped. So the bounds hold without a list of when each entry was used.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// The most entries of one generation, and the most bytes.
const ENTRIES: usize = 8 * 1024;
const BYTES: usize = 4 * 1024 * 1024;

/// An answer in the cache.
#[derive(Debug)]
pub(crate) struct CachedAnswer {
    pub(crate) etag: String,
    /// The part of the body that azlin reads, as JSON.
    pub(crate) body: Box<[u8]>,
    /// The link to the next page.
    pub(crate) next: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Etags {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Arc<CachedAnswer>>,
    young_bytes: usize,
    old: HashMap<String, Arc<CachedAnswer>>,
}

impl Etags {
    pub(crate) fn get(&self, url: &str) -> Option<Arc<CachedAnswer>> {
        let mut generations = self.lock();
        if let Some(kept) = generations.young.get(url) {
            return Some(kept.clone());
        }
        let kept = generations.old.remove(url)?;
        generations.insert(url, kept.clone());
        Some(kept)
    }

    pub(crate) fn keep(&self, url: &str, kept: CachedAnswer) {
        self.lock().insert(url, Arc::new(kept));
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock()
    }
}

impl Generations {
    fn insert(&mut self, url: &str, kept: Arc<CachedAnswer>) {
        if let Some(before) = self.young.remove(url) {
            self.young_bytes -= size(url, &before);
        }
        let bytes = size(url, &kept);
        if bytes > BYTES / 8 {
            return;
        }
        if self.young.len() >= ENTRIES || self.young_bytes + bytes > BYTES {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(url.to_owned(), kept);
    }
}

fn size(url: &str, kept: &CachedAnswer) -> usize {
    2 * url.len() + kept.etag.len() + kept.body.len() + size_of::<CachedAnswer>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(etag: &str, bytes: usize) -> CachedAnswer {
        CachedAnswer { etag: etag.to_owned(), body: vec![0; bytes].into(), next: None }
    }

    fn etag(etags: &Etags, url: &str) -> Option<String> {
        etags.get(url).map(|kept| kept.etag.clone())
    }

    #[test]
    fn the_newest_answer_is_kept() {
        let etags = Etags::default();
        etags.keep("a", kept("1", 10));
        etags.keep("a", kept("2", 10));
        assert_eq!(etag(&etags, "a").as_deref(), Some("2"));
        assert_eq!(etag(&etags, "b"), None);
    }

    #[test]
    fn what_is_asked_for_outlives_what_is_not_and_the_bounds_hold() {
        let etags = Etags::default();
        etags.keep("often", kept("o", 10));
        etags.keep("once", kept("x", 10));
        for i in 0..3 * ENTRIES {
            etags.keep(&i.to_string(), kept("n", 100));
            assert_eq!(etag(&etags, "often").as_deref(), Some("o"), "after {i}");
        }
        assert_eq!(etag(&etags, "once"), None);
        let generations = etags.lock();
        assert!(generations.young.len() <= ENTRIES && generations.old.len() <= ENTRIES);
        assert!(generations.young_bytes <= BYTES);
    }

    #[test]
    fn one_that_is_too_big_is_not_kept() {
        let etags = Etags::default();
        etags.keep("big", kept("1", BYTES / 4));
        assert_eq!(etag(&etags, "big"), None);
    }
}
