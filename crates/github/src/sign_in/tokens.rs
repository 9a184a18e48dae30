//! The tokens of an app's installation: the newest, and the one before it while it lives.
//!
//! An ETag belongs to the token that got it. After a renewal each conditional request counts once more, whatever has
//! changed (GitHub's answer in eclipse-csi/otterdog#201). So the repositories do not move to the new token together:
//! each moves at its own moment of the time in which both tokens are good, and its requests count then.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::TokenAccess;
use secrecy::SecretString;
use tokio::time::Instant;

/// How long before its end nobody uses a token that has a successor.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// A token of an installation.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) token: Arc<SecretString>,
    /// What it is good for.
    pub(super) access: TokenAccess,
    pub(super) ends: Instant,
}

/// The tokens that are good.
#[derive(Default)]
pub(super) struct InstallationTokens {
    newest: Option<Issued>,
    before: Option<Leaving>,
}

/// A token that has a successor, and the time in which its users leave it.
struct Leaving {
    token: Arc<SecretString>,
    access: TokenAccess,
    from: Instant,
    until: Instant,
}

impl InstallationTokens {
    /// Takes a new token. Each repository leaves the one before it at its own moment.
    pub(super) fn renew(&mut self, issued: Issued, now: Instant) {
        let before = self.newest.replace(issued);
        self.before = before.and_then(|Issued { token, access, ends }| {
            let until = ends.checked_sub(LEFT_ALONE).filter(|until| *until > now)?;
            Some(Leaving { token, access, from: now, until })
        });
    }

    /// The token for the requests of an owner or repository, if one is good.
    pub(super) fn of(&self, owner: &str, now: Instant) -> Option<Arc<SecretString>> {
        let before = self.before.as_ref().filter(|before| now < before.from + before.share(owner));
        match before {
            Some(before) => Some(Arc::clone(&before.token)),
            None => self
                .newest
                .as_ref()
                .filter(|issued| issued.ends > now)
                .map(|issued| Arc::clone(&issued.token)),
        }
    }

    /// How long the newest token is good.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.newest.as_ref().map_or(Duration::ZERO, |issued| issued.ends.saturating_duration_since(now))
    }

    /// The newest token, so that texts can be redacted.
    pub(super) fn newest(&self) -> Option<Arc<SecretString>> {
        self.newest.as_ref().map(|issued| Arc::clone(&issued.token))
    }

    /// Drops the tokens that are not good for what is needed.
    pub(super) fn leave_narrow(&mut self, needed: &TokenAccess) {
        self.newest.take_if(|issued| !issued.access.covers(needed));
        self.before.take_if(|before| !before.access.covers(needed));
    }

    /// Drops a token that GitHub refuses. When it is the newest, none is good.
    pub(super) fn refuse(&mut self, token: &Arc<SecretString>) {
        if self.newest.as_ref().is_some_and(|issued| Arc::ptr_eq(&issued.token, token)) {
            self.newest = None;
            self.before = None;
        }
        self.before.take_if(|before| Arc::ptr_eq(&before.token, token));
    }
}

impl Leaving {
    /// How long an owner or repository stays with the token: the same each time, and spread evenly over all.
    fn share(&self, owner: &str) -> Duration {
        let mut hasher = DefaultHasher::new();
        owner.hash(&mut hasher);
        let part = (hasher.finish() >> 32) as f64 / f64::from(u32::MAX);
        (self.until - self.from).mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn issued(name: &str, ends: Instant) -> Issued {
        Issued { token: Arc::new(SecretString::from(name)), access: TokenAccess::Everything, ends }
    }

    fn used(tokens: &InstallationTokens, owner: &str, now: Instant) -> Option<String> {
        tokens.of(owner, now).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn after_a_renewal_the_repositories_move_one_after_another() {
        let now = Instant::now();
        let mut tokens = InstallationTokens::default();
        assert_eq!(used(&tokens, "repos/o/r", now), None);
        tokens.renew(issued("old", now + 11 * MINUTE), now);
        tokens.renew(issued("new", now + 60 * MINUTE), now);
        let repos: Vec<String> = (0..1000).map(|number| format!("repos/o/r{number}")).collect();
        let moved = |minutes: u32| {
            let at = now + minutes * MINUTE;
            repos.iter().filter(|repo| used(&tokens, repo, at).as_deref() == Some("new")).count()
        };
        assert_eq!((moved(0), moved(10)), (0, 1000), "none at once, and all before the old one ends");
        for minute in 1..=10 {
            let count = moved(minute) - moved(minute - 1);
            assert!((70..=130).contains(&count), "{count} of 1000 move in minute {minute}");
        }
        assert_eq!(tokens.left(now), 60 * MINUTE);
    }

    #[test]
    fn a_token_that_is_too_narrow_is_not_used() {
        let (now, needed) = (Instant::now(), TokenAccess::of_request("repos/o/r/actions/runs"));
        for (access, is_left) in [(TokenAccess::Everything, false), (TokenAccess::default(), true)] {
            let mut tokens = InstallationTokens::default();
            tokens.renew(Issued { access, ..issued("it", now + 60 * MINUTE) }, now);
            tokens.leave_narrow(&needed);
            assert_eq!(used(&tokens, "repos/o/r", now).is_none(), is_left);
        }
    }

    #[test]
    fn a_token_that_ends_or_is_refused_is_not_used() {
        let now = Instant::now();
        let mut tokens = InstallationTokens::default();
        tokens.renew(issued("short", now + MINUTE / 2), now);
        tokens.renew(issued("next", now + MINUTE), now);
        assert_eq!(used(&tokens, "repos/o/r", now).as_deref(), Some("next"), "no time is left to spread");
        assert_eq!(used(&tokens, "repos/o/r", now + MINUTE), None);

        tokens.renew(issued("old", now + 20 * MINUTE), now);
        tokens.renew(issued("new", now + 60 * MINUTE), now);
        let old = tokens.of("repos/o/r", now).expect("a token");
        tokens.refuse(&old);
        assert_eq!(used(&tokens, "repos/o/r", now).as_deref(), Some("new"), "the other is still good");
        let new = tokens.of("repos/o/r", now).expect("a token");
        tokens.refuse(&new);
        assert_eq!(used(&tokens, "repos/o/r", now), None);
    }
}
