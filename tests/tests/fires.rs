//! The outages that an operator meets: which error `status` has within one poll of the beginning, and that it ends.

use std::time::Duration;

use azlin_daemon::{Daemon, StateDir, StatusStore};
use azlin_fleet::config::DaemonConfig;
use azlin_fleet::report::FleetErrorKind::{self, NoCapacity, Seeing, Starting, Unserved, Waiting};
use azlin_tests::harness::{Harness, fleet, run};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A poll, and what a request may take.
const POLL: u64 = 65;

/// The kinds of the fleet's errors.
fn kinds(board: &StatusStore) -> Vec<FleetErrorKind> {
    let fleets = board.read().fleets;
    fleets.values().flat_map(|fleet| &fleet.errors).map(|error| error.about).collect()
}

struct Fire {
    name: &'static str,
    /// What happens, from the beginning for so many minutes.
    fault: &'static str,
    minutes: u64,
    /// The label that jobs ask for.
    label: &'static str,
    /// The kind of the error, and after how many seconds it is there at the latest.
    error: (FleetErrorKind, u64),
}

#[test]
fn each_outage_is_an_error_in_time_and_ends() {
    let minute = 60;
    let fires = [
        Fire {
            name: "GitHub is away",
            fault: "{ status = 502 }\nside = 'github'",
            minutes: 5,
            label: "docker",
            error: (Seeing, POLL),
        },
        Fire {
            name: "no capacity",
            fault: "'no_capacity'",
            minutes: 20,
            label: "docker",
            // Asked for once the job has waited for max_queue_wait.
            error: (NoCapacity, 60 + 2 * POLL),
        },
        Fire {
            name: "a VM never boots",
            fault: "'never_boots'",
            minutes: 30,
            label: "docker",
            error: (Starting, 11 * minute + 3 * POLL),
        },
        Fire {
            name: "a job waits too long",
            fault: "'no_capacity'",
            minutes: 20,
            label: "docker",
            error: (Waiting, 11 * minute + POLL),
        },
        Fire {
            name: "a label misspelled",
            fault: "'no_capacity'",
            minutes: 1,
            label: "dokcer",
            error: (Unserved, 60 + POLL),
        },
    ];
    for fire in fires {
        run(burn(fire));
    }
}

async fn burn(Fire { name, fault, minutes, label, error: (kind, within) }: Fire) {
    let world = format!("repositories = ['o/r']\n[[faults]]\nwhat = {fault}\nuntil = '{minutes}m'\n");
    let harness = Harness::new(&world);
    let labels = vec!["self-hosted".to_owned(), label.to_owned()];
    harness.world().submit("o/r", vec![(labels, Duration::from_secs(60))], Vec::new());
    let (board, stop) = (StatusStore::default(), CancellationToken::new());
    let config = DaemonConfig::parse("azlin.toml", "").unwrap();
    let fleets = vec![fleet("ci", "o/r", "rg")];
    let context = harness.context.clone();
    let daemon = Daemon::new(&config, fleets, context, StateDir::default(), board.clone(), stop.clone());
    let daemon = tokio::spawn(daemon.run());
    let mut waited = 0;
    while !kinds(&board).contains(&kind) {
        assert!(waited <= within, "{name}: {:?} after {waited} s", kinds(&board));
        sleep(Duration::from_secs(1)).await;
        waited += 1;
    }
    // The job goes that no fleet serves.
    if kind == Unserved {
        let mut world = harness.world();
        let github = &mut world.state.github;
        github.active.clear();
        github.queued.clear();
        github.runs.clear();
        github.jobs.clear();
    }
    for _ in 0..3600 {
        sleep(Duration::from_secs(1)).await;
        if kinds(&board).is_empty() {
            break;
        }
    }
    assert!(kinds(&board).is_empty(), "{name}: it ends: {:?}", kinds(&board));
    stop.cancel();
    daemon.await.unwrap();
}
