//! Everything that the loop reaches the outside by.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{Budgets, CredentialName};
use azlin_fleet::ports::{Azure, GitHub, Ssh};
use jiff::Timestamp;

/// GitHub, Azure, the machines, the clock and chance. In a simulation all of them are simulated.
#[derive(Clone)]
pub struct DaemonContext {
    /// GitHub, as each credential sees it.
    pub github: GitHubs,
    /// Azure.
    pub azure: Arc<dyn Azure>,
    /// Machines over SSH.
    pub ssh: Arc<dyn Ssh>,
    /// The time of day.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Chance, for names.
    pub random: Arc<dyn Fn() -> u32 + Send + Sync>,
}

impl DaemonContext {
    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// What is left of the rate limits.
    pub fn budgets(&self) -> Budgets {
        let GitHubs { first, named } = &self.github;
        let named = named.iter().filter_map(|(name, github)| Some((name.to_string(), github.budget()?)));
        Budgets { github: first.budget(), credentials: named.collect(), azure: self.azure.remaining() }
    }

    /// GitHub, as the fleet's credential sees it.
    pub fn github(&self, fleet: &Fleet) -> &dyn GitHub {
        self.github.of(fleet.credential.as_ref())
    }
}

/// GitHub, as each credential sees it. Limits and trouble of one are none of another's.
#[derive(Clone)]
pub struct GitHubs {
    first: Arc<dyn GitHub>,
    named: BTreeMap<CredentialName, Arc<dyn GitHub>>,
}

impl GitHubs {
    /// By the credential that fleets use which name none, and by name.
    pub fn new(first: Arc<dyn GitHub>, named: BTreeMap<CredentialName, Arc<dyn GitHub>>) -> Self {
        GitHubs { first, named }
    }

    /// Each of them, by the name of its credential; the first has none.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &dyn GitHub)> {
        let named = self.named.iter().map(|(name, github)| (name.as_str(), github.as_ref()));
        std::iter::once(("", self.first.as_ref())).chain(named)
    }

    /// As this credential sees it.
    ///
    /// # Panics
    /// When there is none of that name: a fleet's file that names one is not taken.
    #[expect(clippy::expect_used, reason = "an invariant, which the message states")]
    pub fn of(&self, credential: Option<&CredentialName>) -> &dyn GitHub {
        let named = |name| {
            self.named.get(name).expect("a fleet's credential is in azlin.toml, or its file is refused")
        };
        credential.map_or(&self.first, named).as_ref()
    }
}

impl<G: GitHub + 'static> From<Arc<G>> for GitHubs {
    fn from(github: Arc<G>) -> Self {
        GitHubs::new(github, BTreeMap::new())
    }
}
