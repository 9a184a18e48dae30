//! A fleet with a scale set, on simulated clouds in virtual time.

use azlin_fleet::config::DaemonConfig;
use azlin_fleet::report::FleetStatus;
use azlin_simcloud::Workload;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fixture::{CloudFixture, fleet};
use crate::plan_once::plan_once;
use crate::run::Daemon;
use crate::state::StateDir;
use crate::status_store::StatusStore;

const SET: &str = "[demand]\nsource = 'scale-set'\n";

/// A daemon with one fleet of the organisation `o`.
struct LivedSet {
    fixture: CloudFixture,
    store: StatusStore,
    stop: CancellationToken,
    fleets: crate::fleet_set::Fleets,
    task: tokio::task::JoinHandle<()>,
}

fn of_org(more: &str) -> Fleet {
    fleet("ci", "org = 'o'\nlabels = ['docker']", &format!("{SET}{more}"))
}

fn live(fixture: CloudFixture, fleet: Fleet) -> LivedSet {
    let config = DaemonConfig::parse("azlin.toml", "").expect("a configuration");
    let (store, stop) = (StatusStore::default(), CancellationToken::new());
    let state = StateDir::default();
    let daemon =
        Daemon::new(&config, vec![fleet], fixture.context.clone(), state, store.clone(), stop.clone());
    let (fleets, task) = (daemon.fleets(), tokio::spawn(daemon.run()));
    LivedSet { fixture, store, stop, fleets, task }
}

impl LivedSet {
    /// Lets time pass. The world moves on by itself, as it does over HTTP.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            drop(self.fixture.world());
        }
    }

    fn submit(&self, repo: &str, jobs: usize) {
        let jobs = (0..jobs).map(|_| (vec!["docker".to_owned()], Duration::from_secs(100)));
        self.fixture.world().submit(repo, jobs.collect(), Vec::new());
    }

    fn status(&self) -> Arc<FleetStatus> {
        let fleets = self.store.read().fleets;
        Arc::clone(fleets.values().next().expect("a fleet that has ticked"))
    }

    fn completed(&self) -> u64 {
        self.fixture.world().statistics.jobs_completed
    }

    async fn stop(self) -> CloudFixture {
        self.stop.cancel();
        self.task.await.expect("the daemon ends");
        self.fixture
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_of_every_repository_are_told_at_once_and_no_queue_is_read() {
    let lived = live(CloudFixture::new(""), of_org(""));
    lived.pass(5).await;
    lived.submit("o/r", 2);
    lived.submit("o/other", 1);
    lived.pass(2).await;
    assert_eq!(lived.fixture.vms().len(), 3, "one VM for each, and no wait for a poll");
    let status = lived.status();
    let set = status.scale_set.as_ref().expect("its scale set");
    assert_eq!((set.assigned, set.running, set.trouble.as_deref()), (3, 0, None));
    assert_eq!(status.queued.iter().filter(|job| job.job.repo.is_some()).count(), 3);
    lived.pass(120).await;
    let status = lived.status();
    let runs = status.runners.iter().flatten().filter(|runner| runner.runs.is_some()).count();
    assert_eq!(runs, 3, "messages bind jobs to runners: {status:?}");
    lived.pass(400).await;
    assert_eq!((lived.completed(), lived.fixture.vms().len()), (3, 0));
    let fixture = lived.stop().await;
    assert_eq!(fixture.requests("GET", "/actions/runs"), 0);
    assert_eq!(fixture.requests("GET", "/repos"), 0, "no repository is listed");
    assert!(fixture.world().scale_sets.sets.values().all(|set| set.session.is_none()), "it is closed");
}

#[tokio::test(start_paused = true)]
async fn a_session_of_a_daemon_that_died_is_waited_out() {
    let lived = live(CloudFixture::new(""), of_org(""));
    lived.pass(5).await;
    lived.task.abort();
    let LivedSet { fixture, .. } = lived;
    let lived = live(fixture, of_org(""));
    lived.submit("o/r", 1);
    lived.pass(5).await;
    let status = lived.status();
    let set = status.scale_set.as_ref().expect("its scale set");
    assert!(set.trouble.as_ref().is_some_and(|why| why.contains("has a session")), "{set:?}");
    lived.pass(400).await;
    assert_eq!(lived.completed(), 1);
    assert_eq!(lived.status().scale_set.as_ref().and_then(|set| set.trouble.clone()), None);
    lived.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_with_a_set_ends_with_its_jobs_served() {
    for fault in [
        "deleted",
        "session_ended",
        "queue_token_dies",
        "zero_statistics",
        "end_twice",
        "end_missing",
        "ids_restart",
        "no_queue_url",
        "empty_message",
        "plain_error",
    ] {
        let lived = live(CloudFixture::new(""), of_org(""));
        lived.pass(5).await;
        let text = format!("[[faults]]\nwhat = {{ scale_set = '{fault}' }}\ntimes = 2");
        let faults = Workload::parse(&text).expect("a workload").faults;
        lived.fixture.world().faults = azlin_simcloud::fault::Faults::new(faults);
        lived.submit("o/r", 3);
        lived.pass(900).await;
        assert_eq!((lived.completed(), lived.fixture.vms().len()), (3, 0), "{fault}: {:?}", lived.status());
        let fixture = lived.stop().await;
        assert_eq!(fixture.world().statistics.jobs_expired, 0, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn offers_are_acquired_and_a_lapse_is_served_again() {
    let offers = live(CloudFixture::new("scale_set_offers = true"), of_org(""));
    offers.pass(5).await;
    offers.submit("o/r", 2);
    offers.pass(400).await;
    assert_eq!(offers.completed(), 2);
    offers.stop().await;

    let slow = CloudFixture::new("");
    slow.world().settings.assignment_limit = Duration::from_secs(40);
    let lapses = live(slow, of_org(""));
    lapses.pass(5).await;
    lapses.submit("o/r", 1);
    lapses.pass(400).await;
    assert_eq!(lapses.completed(), 1);
    assert_eq!(lapses.status().scale_set.as_ref().map(|set| set.lapses), Some(1));
    lapses.stop().await;
}

#[tokio::test(start_paused = true)]
async fn labels_that_an_old_server_drops_are_told() {
    let drops = CloudFixture::new("[[faults]]\nwhat = { scale_set = 'labels_dropped' }");
    let lived = live(drops, of_org(""));
    lived.pass(70).await;
    let status = lived.status();
    let refused = &status.scale_set.as_ref().expect("its scale set").refused_labels;
    assert_eq!(refused.len(), 4, "all but its name: {refused:?}");
    let remark = "GitHub has not taken these labels of the scale set";
    assert!(status.decision.reason.contains(remark), "{}", status.decision.reason);
    lived.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_goes_from_its_queue_to_a_scale_set_and_back() {
    let queue =
        || fleet("ci", "labels = ['docker']", "[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\n");
    let set = || fleet("ci", "labels = ['docker']", SET);
    let lived = live(CloudFixture::new(""), queue());
    lived.pass(65).await;
    for (number, next) in (1..).zip([set(), queue(), set()]) {
        lived.submit("o/r", 2);
        lived.pass(30).await;
        lived.fleets.set([next]);
        lived.pass(900).await;
        assert_eq!(lived.completed(), number * 2, "{:?}", lived.status());
    }
    let fixture = lived.stop().await;
    assert_eq!(fixture.world().statistics.jobs_killed, 0);
    assert_eq!(fixture.vms().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_not_enabled_holds_no_session() {
    let lived = live(CloudFixture::new(""), of_org(""));
    lived.pass(5).await;
    let sessions = |lived: &LivedSet| {
        lived.fixture.world().scale_sets.sets.values().filter(|set| set.session.is_some()).count()
    };
    assert_eq!(sessions(&lived), 1);
    let disabled = fleet("ci", "org = 'o'\nlabels = ['docker']\nenabled = false", SET);
    lived.fleets.set([disabled]);
    lived.pass(5).await;
    assert_eq!(sessions(&lived), 0);
    lived.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_a_daemon_knows_the_number_of_jobs() {
    let lived = live(CloudFixture::new(""), of_org("[scaling]\nmax_runners = 4\n"));
    lived.pass(5).await;
    let fixture = lived.stop().await;
    let planned =
        plan_once(&[of_org("")], fixture.context.clone(), &StateDir::default(), Duration::from_secs(60))
            .await;
    let demand = planned[0].seen.demand.as_ref().expect("known");
    assert_eq!((demand.metrics.pending_jobs, demand.missing.len()), (0, 0));
    let other = fleet("other", "org = 'o'", SET);
    let planned =
        plan_once(&[other], fixture.context.clone(), &StateDir::default(), Duration::from_secs(60)).await;
    let demand = planned[0].seen.demand.as_ref().expect("known");
    assert_eq!(demand.metrics.pending_jobs, 0);
    assert!(demand.notes[0].contains("no such scale set yet"), "{demand:?}");
}
