//! Everything through which the loop reaches the outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{Budgets, CredentialName};
use azlin_fleet::ports::preflight::AzurePreflight;
use azlin_fleet::ports::{Azure, GitHub, Ssh};
use jiff::Timestamp;

/// GitHub, Azure, the machines, the clock and chance. In a simulation all of them are simulated.
#[derive(Clone)]
pub struct DaemonContext {
    /// GitHub, one client for each credential.
    pub github: GitHubs,
    /// Azure's resource manager.
    pub azure: Arc<dyn Azure>,
    /// What Azure has where: sizes and images.
    pub azure_facts: Arc<dyn AzurePreflight>,
    /// Machines over SSH.
    pub ssh: Arc<dyn Ssh>,
    /// The time of day.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Random numbers, for names.
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

    /// The GitHub client of the fleet's credential.
    pub fn github(&self, fleet: &Fleet) -> &dyn GitHub {
        self.github.of(fleet.credential.as_ref())
    }
}

/// One GitHub client for each credential. Rate limits and failures of one do not affect another.
#[derive(Clone)]
pub struct GitHubs {
    first: Arc<dyn GitHub>,
    named: BTreeMap<CredentialName, Arc<dyn GitHub>>,
}

impl GitHubs {
    /// `first` serves fleets that name no credential; `named` holds the others by name.
    pub fn new(first: Arc<dyn GitHub>, named: BTreeMap<CredentialName, Arc<dyn GitHub>>) -> Self {
        GitHubs { first, named }
    }

    /// Each client with the name of its credential. The first one's name is empty.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &dyn GitHub)> {
        let named = self.named.iter().map(|(name, github)| (name.as_str(), github.as_ref()));
        std::iter::once(("", self.first.as_ref())).chain(named)
    }

    /// The client of this credential.
    ///
    /// # Panics
    /// When no credential has that name. A fleet's file that names an unknown credential is refused.
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
