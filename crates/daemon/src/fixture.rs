//! One simulated world for the tests of this crate, and the ports through which the loop reaches it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use azlin_fleet::config::Fleet;
use azlin_fleet::model::{PoolName, RunnerId};
use azlin_simcloud::github::SimRunner;
use azlin_simcloud::{InProcess, Workload, World};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use crate::context::DaemonContext;

/// A world whose VMs are online after a minute.
pub(crate) struct CloudFixture {
    world: Arc<Mutex<World>>,
    pub(crate) cloud: Arc<InProcess>,
    pub(crate) context: DaemonContext,
}

impl CloudFixture {
    /// As `new`, with this workload added. Must be called on a paused current-thread runtime.
    pub(crate) fn new(workload: &str) -> Self {
        let workload = format!(
            "repositories = ['o/r', 'o/other', 'o/third']\n[settings]\ncreate = '20s'\nboot = '20s'\nregister = '10s'\n\
             delete = '10s'\nstep = '1s'\n{workload}"
        );
        let workload = Workload::parse(&workload).unwrap_or_else(|error| panic!("{error}"));
        let (began, start) = (Instant::now(), Timestamp::from_second(1_800_000_000).expect("in range"));
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(move || start + began.elapsed());
        let world = Arc::new(Mutex::new(World::new(&workload, start)));
        let cloud = Arc::new(InProcess::new(Arc::clone(&world), Arc::clone(&clock)));
        let numbers = AtomicU32::new(0);
        let random = Arc::new(move || numbers.fetch_add(1, Ordering::Relaxed));
        let context = DaemonContext {
            github: Arc::clone(&cloud).into(),
            azure: cloud.clone(),
            azure_facts: cloud.clone(),
            ssh: cloud.clone(),
            clock,
            random,
        };
        CloudFixture { world, cloud, context }
    }

    /// The world as it is now.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock();
        world.advance(self.context.now());
        world
    }

    /// Submits a job of one hour.
    pub(crate) fn submit(&self, repo: &str) {
        let job = (vec!["self-hosted".to_owned()], Duration::from_secs(3600));
        self.world().submit(repo, vec![job], Vec::new());
    }

    /// The names of VMs that are not being deleted.
    pub(crate) fn vms(&self) -> Vec<String> {
        let world = self.world();
        let there = world.state.azure.vms.values().filter(|vm| vm.state.as_str() != "Deleting");
        there.map(|vm| vm.name.clone()).collect()
    }

    /// GitHub's entries.
    pub(crate) fn entries(&self) -> Vec<SimRunner> {
        self.world().state.github.runners.values().cloned().collect()
    }

    /// GitHub's id of a runner.
    pub(crate) fn id(&self, name: &str) -> RunnerId {
        let id = self.entries().iter().find(|entry| entry.name == name).map(|entry| RunnerId(entry.id));
        id.unwrap_or_else(|| panic!("no entry of {name}"))
    }

    /// The number of requests to paths with this end, whatever their answers.
    pub(crate) fn requests(&self, method: &str, end: &str) -> u64 {
        let world = self.world();
        let requests = world.statistics.requests.iter();
        let such = requests.filter(|((_, of, route, _), _)| of == method && route.ends_with(end));
        such.map(|(_, (count, _))| count).sum()
    }
}

/// Counts warnings and errors.
#[derive(Clone, Default)]
pub(crate) struct Warned(Arc<AtomicU32>);

/// With one live subscriber, tracing asks the thread that first reaches an event, and caches the answer for
/// all threads. A second live subscriber prevents that.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

impl Warned {
    /// Counts what this thread logs, until the guard is dropped.
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        LazyLock::force(&ANOTHER);
        let warned = Warned::default();
        (warned.clone(), tracing::subscriber::set_default(warned))
    }

    pub(crate) fn warnings(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Subscriber for Warned {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A fleet of `o/r` in the group `rg`; `top` comes first in its file, and `tables` last.
pub(crate) fn fleet(name: &str, top: &str, tables: &str) -> Fleet {
    let repo = if top.contains("org =") || top.contains("repo =") { "" } else { "repo = 'o/r'" };
    let text = format!(
        "{repo}\n{top}\n[vm]\nsubscription_id = '00000000-0000-0000-0000-000000000000'\nresource_group = 'rg'\n\
         location = 'westeurope'\nsizes = ['Standard_D4s_v5', 'Standard_D8s_v5']\nimage = 'a:b:c:d'\nsubnet_id = '/subscriptions/0/s'\n\
         {tables}"
    );
    let pool: PoolName = name.parse().expect("a good name");
    Fleet::parse(&format!("{name}.toml"), pool, &text).unwrap_or_else(|problems| panic!("{problems}"))
}
