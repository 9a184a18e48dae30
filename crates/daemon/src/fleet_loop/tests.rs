//! When a loop looks, what it remembers, and what it tells.

use azlin_fleet::config::DaemonConfig;
use azlin_fleet::plan::Outcome;
use azlin_fleet::snapshot::Operation;
use azlin_fleet::status::FleetStatus;
use tokio::time::sleep;

use super::told::next_on_grid;
use super::*;
use crate::run::{Daemon, run_once};
use crate::scene::{Scene, Warned, fleet};

mod hints;

/// One runner for each job, at once.
const EACH: &str = "[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\n";

/// A daemon on a scene, and what it says.
struct Lived {
    board: Board,
    hinter: Hinter,
    fleets: Fleets,
    stop: CancellationToken,
    ticks: Ticks,
    task: tokio::task::JoinHandle<()>,
}

/// Each tick of each fleet: when, and when the next one was said to be.
type Ticks = Arc<std::sync::Mutex<Vec<(String, u64, u64)>>>;

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).expect("it comes later")
}

fn live(scene: &Scene, poll: &str, fleets: Vec<Fleet>) -> Lived {
    let config = DaemonConfig::parse("azlin.toml", poll).unwrap_or_else(|problems| panic!("{problems}"));
    let (board, stop) = (Board::default(), CancellationToken::new());
    let daemon =
        Daemon::new(&config, fleets, scene.outside.clone(), StateDir::default(), board.clone(), stop.clone());
    let (fleets, hinter) = (daemon.fleets(), daemon.hinter());
    let (ticks, mut reader, began) = (Ticks::default(), board.reader(), scene.outside.now());
    let told = Arc::clone(&ticks);
    tokio::spawn(async move {
        let mut last = BTreeMap::new();
        loop {
            for (name, FleetStatus { tick, at, next_poll, .. }) in reader.next().await.fleets {
                if last.insert(name.clone(), tick) != Some(tick) {
                    let at = seconds_between(began, at);
                    let next = next_poll.map_or(0, |next| seconds_between(began, next));
                    told.lock().expect("no panic").push((name.to_string(), at, next));
                }
            }
        }
    });
    let task = tokio::spawn(daemon.run());
    Lived { board, hinter, fleets, stop, ticks, task }
}

impl Lived {
    /// When the fleet ticked, and when it said that it would next.
    fn ticks_of(&self, fleet: &str) -> (Vec<u64>, Vec<u64>) {
        let ticks = self.ticks.lock().expect("no panic");
        ticks.iter().filter(|(name, ..)| name == fleet).map(|(_, at, next)| (*at, *next)).unzip()
    }
}

async fn wait(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn it_looks_on_a_grid_and_says_when() {
    let grids = [
        ("", vec![0, 60, 120, 180, 240, 300]),
        ("[poll]\nqueue = '60s'\nhealth = '90s'\n", vec![0, 60, 90, 120, 180, 240, 270, 300]),
        ("[poll]\nqueue = '100s'\nhealth = '40s'\n", vec![0, 40, 80, 100, 120, 160, 200, 240, 280, 300]),
    ];
    for (poll, grid) in grids {
        let scene = Scene::new("");
        let lived = live(&scene, poll, vec![fleet("ci", "", "")]);
        wait(310).await;
        let (at, next) = lived.ticks_of("ci");
        assert_eq!(at, grid, "{poll}");
        assert_eq!(next[..next.len() - 1], grid[1..], "{poll}");
        let numbered = lived.board.read().fleets.into_values().map(|status| status.tick);
        assert_eq!(numbered.collect::<Vec<_>>(), [grid.len() as u64], "{poll}");
    }
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

#[test]
fn where_there_are_several_fleets_a_quarter_is_left_to_the_others() {
    let shares = [(10, 1), (1, 1), (10, 2), (10, 1000), (3, 2), (2, 2), (1, 2), (8, 3)];
    let expected = [10, 1, 8, 8, 2, 1, 1, 6];
    assert_eq!(shares.map(|(limit, fleets)| share(limit, fleets)), expected);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_changes_is_looked_at_at_once_and_no_other() {
    let scene = Scene::new("");
    let (ci, other) = (fleet("ci", "", ""), fleet("other", "repo = 'o/other'", ""));
    let lived = live(&scene, "", vec![ci.clone(), other.clone()]);
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
    assert!(!lived.board.read().fleets.keys().any(|name| name.as_str() == "ci"));
    lived.fleets.set([ci, other]);
    wait(1).await;
    assert_eq!(lived.ticks_of("ci").0, [0, 10, 130], "it is back");
}

/// While it looks, for 8 s, its labels change: what it sees is shared out anew, and the tick given up.
#[tokio::test(start_paused = true)]
async fn a_tick_under_which_the_jobs_are_shared_out_anew_is_given_up_three_times_at_the_most() {
    let slow = "[[faults]]\nwhat = { latency = '8s' }\npath = '/actions/runs'\n";
    let mut ticked = Vec::new();
    for changes in [0, 1, 2, 4, 9, 50] {
        let scene = Scene::new(slow);
        let lived = live(&scene, "[poll]\nqueue = '10m'\nhealth = '10m'\n", vec![fleet("ci", "", "")]);
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
    let scene = Scene::new("");
    let (ci, other) = (fleet("ci", "", ""), fleet("other", "", ""));
    let mut one = alone(&scene, StateDir::default(), vec![ci.clone()]);
    let permits = |one: &FleetLoop| (one.share, one.own_provisioning.available_permits());
    assert_eq!(permits(&one), (10, 10));
    one.shared.fleets.set([ci.clone(), other.clone()]);
    assert!(!one.reconfigure(), "the fleet itself is as it was");
    assert_eq!(permits(&one), (8, 8));
    let held = Arc::clone(&one.own_provisioning).acquire_many_owned(3).await;
    one.shared.fleets.set([ci, fleet("other", "priority = 3", "")]);
    assert!(!one.reconfigure());
    assert_eq!(permits(&one), (8, 5), "what is under way counts on");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn while_looks_are_rarer_it_is_early_until_half_a_poll_before_the_next_one() {
    let scene = Scene::new("rate_limit = 600\n");
    let mut ci = alone(&scene, StateDir::default(), vec![fleet("ci", "", "")]);
    let (scope, shared) = (ci.fleet.scope.clone(), Arc::clone(&ci.shared));
    for _ in 0..8 {
        for number in 0..40 {
            let _ =
                shared.outside.github(&ci.fleet).runner(&scope, azlin_fleet::runner::RunnerId(number)).await;
        }
        ci.is_early();
        wait(60).await;
    }
    let every = ci.slowed.as_ref().map(|slowed| slowed.every).expect("the budget is short");
    assert!(every >= Duration::from_secs(120), "{every:?}");
    let half = Duration::from_secs(30);
    let mut is_early_after = |since: Duration| {
        ci.looked_at = Instant::now().checked_sub(since);
        ci.is_early()
    };
    let near = Duration::from_millis(1);
    assert_eq!(
        [every, every - half, every - half - near, near].map(&mut is_early_after),
        [false, false, true, true]
    );
    ci.looked_at = None;
    assert!(!ci.is_early(), "the first look is never early");
}

#[tokio::test(start_paused = true)]
async fn a_plan_knows_what_is_under_way_and_what_there_is_to_be_told() {
    let ends_soon = "[premises]\ntoken_ends = '24h'\n";
    let scene = Scene::new(&format!("{ends_soon}[[faults]]\nwhat = {{ latency = '20s' }}\nmethod = 'PUT'\n"));
    scene.submit("o/r");
    let mut ci = alone(&scene, StateDir::default(), vec![fleet("ci", "", EACH)]);
    ci.tick(Look::Whole { power: false }).await;
    let name = ci.in_flight.keys().next().cloned().expect("one");
    wait(7).await;
    ci.slowed = Some(Slowed {
        every: Duration::from_secs(300),
        budget: azlin_fleet::budget::Budget { limit: 10, remaining: 1, reset: scene.outside.now() },
    });
    ci.tick(Look::Whole { power: false }).await;
    let seen = ci.seen.as_ref().expect("it has looked");
    assert_eq!(seen.in_flight, BTreeMap::from([(name, Operation::Provision { replaces: None })]));
    assert_eq!(seen.slowed, ci.slowed);
    assert!(seen.expiring.as_ref().is_some_and(|told| told.contains("token")), "{:?}", seen.expiring);
}

#[tokio::test(start_paused = true)]
async fn while_the_budget_is_short_it_looks_rarely_and_never_beyond_it() {
    let scene = Scene::new("rate_limit = 300\n");
    let lived = live(&scene, "", vec![fleet("ci", "", "")]);
    // Each time another one, so that nothing is answered from what is known.
    for _ in 0..58 {
        wait(60).await;
        scene.submit("o/r");
    }
    let (at, next) = lived.ticks_of("ci");
    let world = scene.world();
    assert_eq!(world.ledger.requests_beyond_limit, 0);
    assert!((10..40).contains(&at.len()), "{at:?}");
    assert!(at.windows(2).any(|pair| pair[1] - pair[0] >= 180), "{at:?}");
    let waits = || at.iter().zip(&next).map(|(at, next)| next - at);
    assert!(waits().all(|wait| wait >= 60) && waits().any(|wait| wait >= 180), "it says so: {next:?} {at:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_before_it_stops() {
    let scene = Scene::new("[[faults]]\nwhat = { latency = '20s' }\nmethod = 'PUT'\n");
    scene.submit("o/r");
    let lived = live(&scene, "", vec![fleet("ci", "", EACH)]);
    wait(5).await;
    lived.stop.cancel();
    wait(5).await;
    assert!(!lived.task.is_finished());
    wait(20).await;
    assert!(lived.task.is_finished());
    assert_eq!(scene.vms().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_leave_to_begin_is_not_begun_when_it_stops_or_the_fleet_changes() {
    for changes in [false, true] {
        let scene = Scene::new("[[faults]]\nwhat = { latency = '20s' }\nmethod = 'PUT'\n");
        for _ in 0..4 {
            scene.submit("o/r");
        }
        let scaling = EACH;
        let limit = "[limits]\nmax_concurrent_provisioning = 1\n";
        let lived = live(&scene, limit, vec![fleet("ci", "", scaling)]);
        wait(5).await;
        if changes {
            lived.fleets.set([fleet("ci", "enabled = false", scaling)]);
        } else {
            lived.stop.cancel();
        }
        wait(50).await;
        assert_eq!(scene.requests("PUT", "/virtualMachines/{name}"), 1, "{changes}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_pass_tells_what_failed_by_fleet() {
    let away = "[[faults]]\nwhat = { status = 503 }\npath = '/repos/o/other'\n[[faults]]\nwhat = { status = 403 }\nmethod = 'PUT'\n";
    let scene = Scene::new(away);
    scene.submit("o/r");
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let fleets = vec![
        fleet("ci", "", EACH),
        fleet("other", "repo = 'o/other'", ""),
        fleet("fine", "repo = 'o/third'", ""),
    ];
    let (board, stop) = (Board::default(), CancellationToken::new());
    let daemon = Daemon::new(&config, fleets, scene.outside.clone(), StateDir::default(), board, stop);
    let failures = run_once(daemon).await;
    let told: Vec<(&str, usize)> =
        failures.iter().map(|(name, failed)| (name.as_str(), failed.len())).collect();
    assert_eq!(told, [("ci", 1), ("other", 1)], "{failures:?}");
    assert!(failures.values().flatten().all(|why| why.contains("40") || why.contains("503")), "{failures:?}");
}

/// A loop that does nothing by itself.
fn alone(scene: &Scene, state: StateDir, fleets: Vec<Fleet>) -> FleetLoop {
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let first = Arc::new(fleets[0].clone());
    let (board, stop) = (Board::default(), CancellationToken::new());
    let shared = Daemon::new(&config, fleets, scene.outside.clone(), state, board, stop).shared;
    FleetLoop::new(first, shared.fleets.reader(), shared)
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_on_disk_before_it_is_asked_for_and_what_came_of_it_afterwards() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDir::new(Some(directory.path().to_owned()));
    let scene = Scene::new("[[faults]]\nwhat = { status = 403 }\nmethod = 'PUT'\n");
    scene.submit("o/r");
    let mut ci = alone(&scene, state.clone(), vec![fleet("ci", "", EACH)]);
    ci.tick(Look::Whole { power: false }).await;
    let saved = || state.load(&ci.fleet.name);
    assert_eq!(saved().runners.len(), 1);
    assert_eq!((ci.in_flight.len(), scene.requests("PUT", "/virtualMachines/{name}")), (1, 0));
    ci.settle().await;
    assert!(ci.in_flight.is_empty());
    let after = state.load(&ci.fleet.name);
    assert_eq!((after.runners.len(), after.failures.count), (0, 1));
    assert_eq!(ci.failed.len(), 1);
    wait(1).await;
    ci.tick(Look::Whole { power: false }).await;
    assert!(ci.failed.is_empty(), "that was another tick");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_action_is_its_failure() {
    let scene = Scene::new("");
    for _ in 0..2 {
        scene.submit("o/r");
    }
    let mut ci = alone(&scene, StateDir::default(), vec![fleet("ci", "", EACH)]);
    ci.tick(Look::Whole { power: false }).await;
    let panicking = ci.operations.spawn(async { panic!("a bug") }).id();
    let name = ci.in_flight.keys().next_back().cloned().expect("two are under way");
    ci.in_flight.get_mut(&name).expect("it is under way").task = panicking;
    ci.settle().await;
    assert!(ci.failed.iter().any(|why| why.starts_with("a bug, please report it: ")), "{:?}", ci.failed);
    assert!(ci.in_flight.is_empty());
    assert!(!ci.memory.runners.contains_key(&name));
    assert_eq!(ci.memory.runners.len(), 1, "the other one is known");
}

#[tokio::test(start_paused = true)]
async fn a_complaint_is_kept_as_long_as_its_runner_is_known() {
    let scene = Scene::new("");
    let mut ci = alone(&scene, StateDir::default(), vec![fleet("ci", "", "[scaling]\nmin_runners = 1\n")]);
    ci.tick(Look::Whole { power: false }).await;
    ci.settle().await;
    let (name, action) = {
        wait(180).await;
        ci.tick(Look::Whole { power: true }).await;
        let name = ci.memory.runners.keys().next().cloned().expect("one");
        let task = azlin_fleet::plan::Install {
            runner: name.clone(),
            vm: (ci.fleet.vm.group.clone(), name.to_string()),
            host_key: String::new(),
            created_at: scene.outside.now(),
            reason: String::new(),
        };
        (name, Action::Install(task))
    };
    let (told, _guard) = Warned::listen();
    let mut end = |outcome: Outcome| {
        let task = tokio::spawn(async {}).id();
        ci.in_flight.insert(
            name.clone(),
            InFlight { operation: Operation::Install, action: action.clone(), task, began: Instant::now() },
        );
        ci.ended(Ok((name.clone(), outcome)));
        ci.complaints.get(&name).cloned()
    };
    assert_eq!(end(Outcome::LeftAlone("no matter".to_owned())), None);
    assert_eq!(end(Outcome::Unclear("why".to_owned())).as_deref(), Some("why"));
    assert_eq!(end(Outcome::LeftAlone("no matter".to_owned())).as_deref(), Some("why"));
    let later = azlin_fleet::remedy::Failure::later("another".to_owned());
    assert_eq!(end(Outcome::Failed(later.clone())).as_deref(), Some("another"));
    assert_eq!(end(Outcome::Failed(later)).as_deref(), Some("another"));
    assert_eq!(told.warnings(), 2, "each is told once");
}

#[tokio::test(start_paused = true)]
async fn who_begins_and_ends_is_on_the_board_before_the_next_tick() {
    let scene = Scene::new("");
    scene.submit("o/r");
    let mut ci = alone(&scene, StateDir::default(), vec![fleet("ci", "", EACH)]);
    let board = ci.shared.board.clone();
    let phases = || {
        let status = board.read().fleets.into_values().next().expect("it has ticked");
        status.runners.iter().map(|runner| runner.phase.clone()).collect::<Vec<_>>()
    };
    ci.tick(Look::Whole { power: false }).await;
    let at_once = phases();
    assert_eq!(at_once.len(), 1, "it is being made");
    ci.settle().await;
    assert_eq!(phases().len(), 1);
    ci.is_configured = false;
    board.remove(&ci.fleet.name);
    ci.post_runners();
    assert!(board.read().fleets.is_empty(), "a fleet that is not there any more is not put back");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_never_given_twice() {
    let mut scene = Scene::new("");
    let numbers = std::sync::Mutex::new(vec![3, 1, 2, 1, 1]);
    scene.outside.random = Arc::new(move || numbers.lock().expect("no panic").pop().unwrap_or(9));
    let mut ci = alone(&scene, StateDir::default(), vec![fleet("ci", "", "")]);
    let provision = || Action::Provision { replaces: None, places: Vec::new(), reason: String::new() };
    let (first, action) = ci.name(provision());
    ci.begin(first.clone(), action);
    let second = ci.new_name();
    ci.memory.runners.clear();
    assert_ne!(ci.new_name(), first, "it is under way");
    assert_ne!(second, first);
}

/// Two levels of requests, each of which takes half a minute: the repositories, their queues.
#[tokio::test(start_paused = true)]
async fn a_loop_that_looks_for_a_minute_lives() {
    let scene = Scene::new("[[faults]]\nwhat = { latency = '29s' }\nside = 'github'\n");
    scene.submit("o/r");
    let org = fleet("ci", "org = 'o'\nrepositories = ['*']", EACH);
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let (board, stop) = (Board::default(), CancellationToken::new());
    let daemon =
        Daemon::new(&config, vec![org], scene.outside.clone(), StateDir::default(), board.clone(), stop);
    let pulse = daemon.pulse();
    tokio::spawn(daemon.run());
    for _ in 0..5 {
        wait(10).await;
        let felt = tokio::time::timeout(Duration::from_secs(1), pulse.felt()).await;
        assert!(felt.is_ok() && board.read().fleets.is_empty(), "it is still in its first look");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pulse_of_a_daemon_is_that_of_its_loops() {
    let scene = Scene::new("");
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let (board, stop) = (Board::default(), CancellationToken::new());
    let daemon = Daemon::new(&config, Vec::new(), scene.outside.clone(), StateDir::default(), board, stop);
    let silent = daemon.shared.pulse.heart(&"ci".parse().expect("a good name"));
    let pulse = daemon.pulse();
    let felt = || tokio::time::timeout(Duration::from_secs(1), pulse.felt());
    assert!(felt().await.is_err());
    drop(silent);
    assert!(felt().await.is_ok());
}
