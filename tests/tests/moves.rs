//! A fleet's file or the daemon's changes while runners work. For every change: no job is killed, no VM is
//! forgotten, and the maximum holds.

use azlin_daemon::{DaemonContext, StateDir};
use azlin_fleet::config::Fleet;
use azlin_tests::harness::{Harness, fleet, live, run};

const MINUTE: u64 = 60;
/// Machines are online after 40 s.
const WORLD: &str =
    "repositories = ['o/old', 'o/new']\n[settings]\ncreate = '10s'\nboot = '20s'\nregister = '10s'\n";

fn kept() -> (tempfile::TempDir, StateDir) {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::new(Some(directory.path().to_owned()));
    (directory, state)
}

fn assert_clean(harness: &Harness, jobs: u64) {
    let report = harness.report();
    assert_eq!((report.jobs_completed, report.jobs_killed), (jobs, 0), "{report:#?}");
    assert_eq!((report.vms_left, report.runners_left), (0, 0), "{report:#?}");
    assert!(report.peak_by_pool["ci"] <= 2, "{report:#?}");
}

/// Two runners are busy under the first fleet. Then the second fleet replaces it, and gets jobs too.
async fn moved(world: &str, before: Fleet, after: Fleet, state: StateDir) {
    let harness = Harness::new(world);
    harness.submit("o/old", 2, 20 * MINUTE);
    harness.live(vec![before], state.clone(), 10 * MINUTE).await;
    assert_eq!(harness.report().vms_left, 2, "both are busy");
    harness.submit(after_repo(&after), 3, MINUTE);
    harness.live(vec![after], state, 90 * MINUTE).await;
    assert_clean(&harness, 5);
}

fn after_repo(fleet: &Fleet) -> &'static str {
    if fleet.scope.to_string() == "repo:o/new" { "o/new" } else { "o/old" }
}

#[test]
fn to_another_repository() {
    let refused = "[[faults]]\nwhat = { status = 500 }\nside = 'azure'\nmethod = 'DELETE'\ntimes = 2\n";
    for world in [WORLD.to_owned(), format!("{WORLD}{refused}")] {
        let (_directory, state) = kept();
        let after = || fleet("ci", "o/new", "rg");
        run(moved(&world, fleet("ci", "o/old", "rg"), after(), state));
        run(moved(&world, fleet("ci", "o/old", "rg"), after(), StateDir::default()));
    }
}

#[test]
fn to_another_spelling_of_the_repository() {
    run(moved(WORLD, fleet("ci", "o/old", "rg"), fleet("ci", "O/Old", "rg"), StateDir::default()));
}

#[test]
fn to_another_resource_group() {
    let (_directory, state) = kept();
    run(moved(WORLD, fleet("ci", "o/old", "rg"), fleet("ci", "o/old", "other"), state));
}

#[test]
fn to_another_subscription() {
    let (_directory, state) = kept();
    let mut after = fleet("ci", "o/old", "rg");
    after.vm.group.subscription_id = "11111111-1111-1111-1111-111111111111".to_owned();
    run(moved(WORLD, fleet("ci", "o/old", "rg"), after, state));
}

#[test]
fn to_another_resource_group_while_the_old_one_cannot_be_read_any_more() {
    let refused =
        "[[faults]]\nwhat = { status = 403 }\nside = 'azure'\npath = '/resourceGroups/old'\nfrom = '30m'\n";
    let (_directory, state) = kept();
    run(async {
        let harness = Harness::new(&format!("{WORLD}{refused}"));
        harness.submit("o/old", 2, MINUTE);
        harness.live(vec![fleet("ci", "o/old", "old")], state.clone(), 30 * MINUTE).await;
        harness.submit("o/old", 2, MINUTE);
        let board = harness.live(vec![fleet("ci", "o/old", "new")], state, 60 * MINUTE).await;
        assert_clean(&harness, 4);
        let told = board.read().fleets.into_values().next().unwrap().errors[0].what.clone();
        assert!(told.contains("VMs may be left in") && told.contains("/old, which cannot be read"), "{told}");
    });
}

#[test]
fn to_another_repository_when_the_old_one_is_deleted() {
    let (_directory, state) = kept();
    let gone = "[[faults]]\nwhat = { status = 404 }\nside = 'github'\npath = '/repos/o/old'\nfrom = '9m'\n";
    run(moved(&format!("{WORLD}{gone}"), fleet("ci", "o/old", "rg"), fleet("ci", "o/new", "rg"), state));
}

#[test]
fn to_another_github_where_a_running_job_cannot_be_seen() {
    run(async {
        let (old, new) = (Harness::new(WORLD), Harness::new(WORLD));
        old.submit("o/old", 1, 20 * MINUTE);
        old.live(vec![fleet("ci", "o/old", "rg")], StateDir::default(), 5 * MINUTE).await;
        assert_eq!(old.report().vms_left, 1);
        let context = DaemonContext { github: new.context.github.clone(), ..old.context.clone() };
        let moved = || fleet("ci", "o/old", "rg").at(&"https://github.example/api/v3".parse().unwrap());
        let board = live(context.clone(), vec![moved()], StateDir::default(), 10 * MINUTE).await;
        let report = old.report();
        assert_eq!((report.jobs_completed, report.jobs_killed, report.vms_left), (0, 0, 1), "{report:#?}");
        let told = board.read().fleets.into_values().next().unwrap().errors[0].what.clone();
        assert!(told.contains("was made for the GitHub at api.github.com"), "{told}");
        live(context, vec![moved()], StateDir::default(), 30 * MINUTE).await;
        assert_clean(&old, 1);
    });
}
