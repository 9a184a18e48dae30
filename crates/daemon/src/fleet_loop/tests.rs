//! When a loop ticks, what it remembers, and what it reports.

use std::collections::BTreeMap;

use azlin_fleet::config::DaemonConfig;
use azlin_fleet::model::{
    BootstrapOutcome, Completed, ForeignText, InstallOutcome, ScalingReason, StartReason,
};
use azlin_fleet::observe::Operation;
use azlin_fleet::report::FleetStatus;
use azlin_fleet::state::KnownRunners;
use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::context::next_on_grid;
use super::operations::InFlight;
use super::*;
use crate::fixture::{CloudFixture, Warned, fleet};
use crate::fleet_set::Fleets;
use crate::run::Daemon;
use crate::state::StateDir;
use crate::status_store::StatusStore;
use crate::triggers::TriggerRouter;

mod bursts;
mod failures;
mod history;
mod removals;
mod triggers;

/// One runner for each job, at once.
const EACH: &str = "[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\n";

/// A daemon on a fixture, and its reports.
struct Lived {
    status_store: StatusStore,
    trigger_router: TriggerRouter,
    fleets: Fleets,
    stop: CancellationToken,
    ticks: Ticks,
    task: tokio::task::JoinHandle<()>,
}

/// Each tick of each fleet: its time, and the reported time of the next one.
type Ticks = Arc<parking_lot::Mutex<Vec<(String, u64, u64)>>>;

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).expect("it comes later")
}

fn live(fixture: &CloudFixture, poll: &str, fleets: Vec<Fleet>) -> Lived {
    live_with(StateDir::default(), fixture, poll, fleets)
}

fn live_with(state: StateDir, fixture: &CloudFixture, poll: &str, fleets: Vec<Fleet>) -> Lived {
    let config = DaemonConfig::parse("azlin.toml", poll).unwrap_or_else(|problems| panic!("{problems}"));
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let daemon =
        Daemon::new(&config, fleets, fixture.context.clone(), state, status_store.clone(), stop.clone());
    let (fleets, trigger_router) = (daemon.fleets(), daemon.trigger_router());
    let (ticks, mut reader, began) = (Ticks::default(), status_store.reader(), fixture.context.now());
    let told = Arc::clone(&ticks);
    tokio::spawn(async move {
        let mut last = BTreeMap::new();
        loop {
            for (name, status) in reader.next().await.fleets {
                let FleetStatus { tick, at, next_poll, .. } = *status;
                if last.insert(name.clone(), tick) != Some(tick) {
                    let at = seconds_between(began, at);
                    let next = next_poll.map_or(0, |next| seconds_between(began, next));
                    told.lock().push((name.to_string(), at, next));
                }
            }
        }
    });
    let task = tokio::spawn(daemon.run());
    Lived { status_store, trigger_router, fleets, stop, ticks, task }
}

impl Lived {
    /// The times of the fleet's ticks, and the reported times of the next ones.
    fn ticks_of(&self, fleet: &str) -> (Vec<u64>, Vec<u64>) {
        let ticks = self.ticks.lock();
        ticks.iter().filter(|(name, ..)| name == fleet).map(|(_, at, next)| (*at, *next)).unzip()
    }
}

async fn wait(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn it_polls_on_a_grid_and_reports_when() {
    let grids = [
        ("", vec![0, 60, 120, 180, 240, 300]),
        ("[poll]\nqueue = '60s'\nhealth = '90s'\n", vec![0, 60, 90, 120, 180, 240, 270, 300]),
        ("[poll]\nqueue = '100s'\nhealth = '40s'\n", vec![0, 40, 80, 100, 120, 160, 200, 240, 280, 300]),
    ];
    for (poll, grid) in grids {
        let fixture = CloudFixture::new("");
        let lived = live(&fixture, poll, vec![fleet("ci", "", "")]);
        wait(310).await;
        let (at, next) = lived.ticks_of("ci");
        assert_eq!(at, grid, "{poll}");
        assert_eq!(next[..next.len() - 1], grid[1..], "{poll}");
        let numbered = lived.status_store.read().fleets.into_values().map(|status| status.tick);
        assert_eq!(numbered.collect::<Vec<_>>(), [grid.len() as u64], "{poll}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_wakes_when_its_own_reason_says_so() {
    let fixture = CloudFixture::new("");
    let lived = live(&fixture, "", vec![fleet("ci", "", "[scaling]\nmax_queue_wait = '45s'\n")]);
    wait(50).await;
    fixture.submit("o/r");
    wait(120).await;
    // The poll at 60 s finds a job that has waited for 10 s, within the threshold.
    let (at, _) = lived.ticks_of("ci");
    assert_eq!(at[..3], [0, 60, 95], "{at:?}");
    assert!(fixture.world().statistics.vms_created > 0);
}

#[tokio::test(start_paused = true)]
async fn the_grid_counts_from_the_beginning() {
    let (epoch, minute) = (Instant::now(), Duration::from_secs(60));
    assert_eq!(next_on_grid(epoch, minute), minute);
    sleep(Duration::from_millis(59_999)).await;
    assert_eq!(next_on_grid(epoch, minute), Duration::from_millis(1));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(next_on_grid(epoch, minute), minute);
    sleep(Duration::from_secs(150)).await;
    assert_eq!(next_on_grid(epoch, minute), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_changes_ticks_at_once_and_no_other() {
    let fixture = CloudFixture::new("");
    let (ci, other) = (fleet("ci", "", ""), fleet("other", "repo = 'o/other'", ""));
    let lived = live(&fixture, "", vec![ci.clone(), other.clone()]);
    wait(10).await;
    lived.fleets.set([fleet("ci", "priority = 5", ""), other.clone()]);
    wait(10).await;
    lived.fleets.set([
        fleet("ci", "priority = 5", ""),
        other.clone(),
        fleet("third", "repo = 'o/third'", ""),
    ]);
    wait(10).await;
    assert_eq!(lived.ticks_of("ci").0, [0, 10]);
    assert_eq!(lived.ticks_of("other").0, [0]);
    assert_eq!(lived.ticks_of("third").0, [20]);
    lived.fleets.set([other.clone()]);
    wait(100).await;
    assert_eq!(lived.ticks_of("ci").0, [0, 10], "it is not there any more");
    assert!(!lived.status_store.read().fleets.keys().any(|name| name.as_str() == "ci"));
    lived.fleets.set([ci, other]);
    wait(1).await;
    assert_eq!(lived.ticks_of("ci").0, [0, 10, 130], "it is back");
}

/// The fleet's labels change during the 8 s of an observation: jobs are shared out again, and the tick is
/// abandoned.
#[tokio::test(start_paused = true)]
async fn a_tick_under_which_the_jobs_are_shared_out_anew_is_given_up_three_times_at_the_most() {
    let slow = "[[faults]]\nwhat = { latency = '8s' }\npath = '/actions/runs'\n";
    let mut ticked = Vec::new();
    for changes in [0, 1, 2, 4, 9, 50] {
        let fixture = CloudFixture::new(slow);
        let lived = live(&fixture, "[poll]\nqueue = '10m'\nhealth = '10m'\n", vec![fleet("ci", "", "")]);
        for change in 0..changes {
            wait(5).await;
            lived.fleets.set([fleet("ci", &format!("labels = ['of-{change}']"), "")]);
        }
        wait(600 - 5 * changes - 1).await;
        ticked.push(lived.ticks_of("ci").0[0]);
    }
    assert_eq!(ticked, [8, 16, 24, 32, 32, 32]);
}

#[tokio::test(start_paused = true)]
async fn its_share_of_the_provisioning_follows_the_number_of_fleets() {
    let fixture = CloudFixture::new("");
    let (ci, other) = (fleet("ci", "", ""), fleet("other", "", ""));
    let mut one = alone(&fixture, StateDir::default(), vec![ci.clone()]);
    let permits = |one: &FleetLoop| (one.operations.share, one.operations.permits.available_permits());
    assert_eq!(permits(&one), (10, 10));
    one.shared.fleets.set([ci.clone(), other.clone()]);
    assert!(!one.reconfigure(), "the fleet itself is as it was");
    assert_eq!(permits(&one), (8, 8));
    let held = Arc::clone(&one.operations.permits).acquire_many_owned(3).await;
    one.shared.fleets.set([ci, fleet("other", "priority = 3", "")]);
    assert!(!one.reconfigure());
    assert_eq!(permits(&one), (8, 5), "what is under way counts on");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn while_polls_are_rarer_it_is_early_until_half_an_interval_before_the_next_one() {
    let fixture = CloudFixture::new("rate_limit = 600\n");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", "")]);
    let (scope, shared) = (ci.config.fleet.scope.clone(), Arc::clone(&ci.shared));
    for _ in 0..8 {
        for number in 0..40 {
            let _ = shared
                .context
                .github(&ci.config.fleet)
                .runner(&scope, azlin_fleet::model::RunnerId(number))
                .await;
        }
        ci.is_early();
        wait(60).await;
    }
    let every = ci.last_look.slowed.as_ref().map(|slowed| slowed.every).expect("the budget is short");
    assert!(every >= Duration::from_secs(120), "{every:?}");
    let half = Duration::from_secs(30);
    let mut is_early_after = |since: Duration| {
        ci.last_look.polled_at = Instant::now().checked_sub(since);
        ci.is_early()
    };
    let near = Duration::from_millis(1);
    assert_eq!(
        [every, every - half, every - half - near, near].map(&mut is_early_after),
        [false, false, true, true]
    );
    ci.last_look.polled_at = None;
    assert!(!ci.is_early(), "the first poll is never early");
}

#[tokio::test(start_paused = true)]
async fn a_plan_knows_what_is_under_way_and_what_to_warn_about() {
    let ends_soon = "[premises]\ntoken_ends = '24h'\n";
    let fixture =
        CloudFixture::new(&format!("{ends_soon}[[faults]]\nwhat = {{ latency = '20s' }}\nmethod = 'PUT'\n"));
    fixture.submit("o/r");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", EACH)]);
    poll(&mut ci, Poll::Queue).await;
    let name = ci.operations.in_flight.keys().next().cloned().expect("one");
    wait(7).await;
    ci.last_look.slowed = Some(azlin_fleet::observe::SlowedPolling {
        every: Duration::from_secs(300),
        by: azlin_fleet::observe::SlowedBy::Budget(azlin_fleet::model::Budget {
            limit: 10,
            remaining: 1,
            reset: fixture.context.now(),
        }),
    });
    poll(&mut ci, Poll::Queue).await;
    let seen = ci.last_look.seen.as_ref().expect("it has looked");
    assert_eq!(seen.in_flight, BTreeMap::from([(name, Operation::Provision { replaces: None })]));
    assert_eq!(seen.slowed, ci.last_look.slowed);
    assert!(seen.expiring.as_ref().is_some_and(|warning| warning.contains("token")), "{:?}", seen.expiring);
}

#[tokio::test(start_paused = true)]
async fn while_the_budget_is_short_it_polls_rarely_and_never_beyond_it() {
    let fixture = CloudFixture::new("rate_limit = 300\n");
    let lived = live(&fixture, "", vec![fleet("ci", "", "")]);
    // Another job each time, so that no answer comes from a cache.
    for _ in 0..58 {
        wait(60).await;
        fixture.submit("o/r");
    }
    let (at, next) = lived.ticks_of("ci");
    let world = fixture.world();
    assert_eq!(world.statistics.requests_beyond_limit, 0);
    assert!((10..40).contains(&at.len()), "{at:?}");
    assert!(at.windows(2).any(|pair| pair[1] - pair[0] >= 180), "{at:?}");
    let waits = || at.iter().zip(&next).map(|(at, next)| next - at);
    assert!(
        waits().all(|wait| wait >= 60) && waits().any(|wait| wait >= 180),
        "it reports so: {next:?} {at:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_before_it_stops() {
    let fixture = CloudFixture::new("[[faults]]\nwhat = { latency = '20s' }\nmethod = 'PUT'\n");
    fixture.submit("o/r");
    let lived = live(&fixture, "", vec![fleet("ci", "", EACH)]);
    wait(5).await;
    lived.stop.cancel();
    wait(5).await;
    assert!(!lived.task.is_finished());
    wait(20).await;
    assert!(lived.task.is_finished());
    assert_eq!(fixture.vms().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_waits_for_a_permit_does_not_begin_when_it_stops_or_the_fleet_changes() {
    for changes in [false, true] {
        let fixture = CloudFixture::new("[[faults]]\nwhat = { latency = '20s' }\nmethod = 'PUT'\n");
        for _ in 0..4 {
            fixture.submit("o/r");
        }
        let scaling = EACH;
        let limit = "[limits]\nmax_concurrent_provisioning = 1\n";
        let lived = live(&fixture, limit, vec![fleet("ci", "", scaling)]);
        wait(5).await;
        if changes {
            lived.fleets.set([fleet("ci", "enabled = false", scaling)]);
        } else {
            lived.stop.cancel();
        }
        wait(50).await;
        assert_eq!(fixture.requests("PUT", "/virtualMachines/{name}"), 1, "{changes}");
    }
}

/// A loop that ticks only on the test's request.
fn alone(fixture: &CloudFixture, state: StateDir, fleets: Vec<Fleet>) -> FleetLoop {
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let first = Arc::new(fleets[0].clone());
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let shared = Daemon::new(&config, fleets, fixture.context.clone(), state, status_store, stop).shared;
    FleetLoop::new(first, shared.fleets.reader(), shared)
}

/// One tick after a poll.
async fn poll(fleet: &mut FleetLoop, poll: Poll) {
    fleet.due = Some(poll);
    fleet.tick().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_on_disk_before_the_request_and_its_outcome_afterwards() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDir::new(Some(directory.path().to_owned()));
    let fixture = CloudFixture::new("[[faults]]\nwhat = { status = 403 }\nmethod = 'PUT'\n");
    fixture.submit("o/r");
    let mut ci = alone(&fixture, state.clone(), vec![fleet("ci", "", EACH)]);
    poll(&mut ci, Poll::Queue).await;
    let saved = || state.load(&ci.config.fleet.name);
    assert_eq!(saved().runners.names().count(), 1);
    assert_eq!((ci.operations.in_flight.len(), fixture.requests("PUT", "/virtualMachines/{name}")), (1, 0));
    ci.settle().await;
    assert!(ci.operations.in_flight.is_empty());
    let after = state.load(&ci.config.fleet.name);
    assert_eq!((after.runners.names().count(), after.failures.count), (0, 1));
    assert_eq!(ci.reported.failed.len(), 1);
    wait(1).await;
    poll(&mut ci, Poll::Queue).await;
    assert!(ci.reported.failed.is_empty(), "that was another tick");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_action_is_its_failure() {
    let fixture = CloudFixture::new("");
    for _ in 0..2 {
        fixture.submit("o/r");
    }
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", EACH)]);
    poll(&mut ci, Poll::Queue).await;
    let panicking = ci.operations.tasks.spawn(async { panic!("a bug") }).id();
    let name = ci.operations.in_flight.keys().next_back().cloned().expect("two are under way");
    ci.operations.in_flight.get_mut(&name).expect("it is under way").task = panicking;
    ci.settle().await;
    assert!(
        ci.reported.failed.iter().any(|why| why.starts_with("a bug, please report it: ")),
        "{:?}",
        ci.reported.failed
    );
    assert!(ci.operations.in_flight.is_empty());
    assert!(!ci.fleet_state.runners.contains(&name));
    assert_eq!(ci.fleet_state.runners.names().count(), 1, "the other one is known");
}

#[tokio::test(start_paused = true)]
async fn what_begins_and_ends_is_on_the_board_before_the_next_tick() {
    let fixture = CloudFixture::new("");
    fixture.submit("o/r");
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", EACH)]);
    let status_store = ci.shared.status_store.clone();
    let phases = || {
        let status = status_store.read().fleets.into_values().next().expect("it has ticked");
        status.known_runners().iter().map(|runner| runner.phase.to_string()).collect::<Vec<_>>()
    };
    poll(&mut ci, Poll::Queue).await;
    let at_once = phases();
    assert_eq!(at_once.len(), 1, "it is being made");
    ci.settle().await;
    assert_eq!(phases().len(), 1);
    ci.config.is_configured = false;
    status_store.remove(&ci.config.fleet.name);
    ci.post_runners();
    assert!(status_store.read().fleets.is_empty(), "a fleet that is not there any more is not put back");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_never_given_twice() {
    let mut fixture = CloudFixture::new("");
    let numbers = parking_lot::Mutex::new(vec![3, 1, 2, 1, 1]);
    fixture.context.random = Arc::new(move || numbers.lock().pop().unwrap_or(9));
    let mut ci = alone(&fixture, StateDir::default(), vec![fleet("ci", "", "")]);
    let provision = || Action::Provision {
        replaces: None,
        standby: None,
        offerings: Vec::new(),
        reason: StartReason::Scaling(ScalingReason::IDLE),
    };
    let (first, action) = ci.name(provision());
    ci.begin(first.clone(), action);
    let second = ci.new_name();
    ci.fleet_state.runners = KnownRunners::default();
    assert_ne!(ci.new_name(), first, "it is under way");
    assert_ne!(second, first);
}

/// Two levels of requests, of 30 s each: the repositories, then their queues.
#[tokio::test(start_paused = true)]
async fn a_loop_whose_look_takes_a_minute_lives() {
    let fixture = CloudFixture::new("[[faults]]\nwhat = { latency = '29s' }\nside = 'github'\n");
    fixture.submit("o/r");
    let org = fleet("ci", "org = 'o'\nrepositories = ['*']", EACH);
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let daemon = Daemon::new(
        &config,
        vec![org],
        fixture.context.clone(),
        StateDir::default(),
        status_store.clone(),
        stop,
    );
    let liveness = daemon.liveness();
    tokio::spawn(daemon.run());
    for _ in 0..5 {
        wait(10).await;
        let answered = tokio::time::timeout(Duration::from_secs(1), liveness.check()).await;
        assert!(answered.is_ok() && status_store.read().fleets.is_empty(), "it is still in its first look");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pulse_of_a_daemon_is_that_of_its_loops() {
    let fixture = CloudFixture::new("");
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let daemon =
        Daemon::new(&config, Vec::new(), fixture.context.clone(), StateDir::default(), status_store, stop);
    let silent = daemon.shared.liveness.probe(&"ci".parse().expect("a good name"));
    let liveness = daemon.liveness();
    let answered = || tokio::time::timeout(Duration::from_secs(1), liveness.check());
    assert!(answered().await.is_err());
    drop(silent);
    assert!(answered().await.is_ok());
}
