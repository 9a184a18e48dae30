use std::collections::BTreeSet;

use azlin_fleet::config::DaemonConfig;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::fixture::{CloudFixture, fleet};
use crate::run::Daemon;
use crate::state::StateDir;
use crate::status_store::StatusStore;

const EACH: &str = "[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\n";

async fn wait(seconds: u64) {
    sleep(std::time::Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_served_and_a_start_that_fails_can_be_read_off() {
    let refused = "[[faults]]\nwhat = { status = 403 }\nmethod = 'PUT'\npath = '/resourceGroups/other'\n";
    let fixture = CloudFixture::new(refused);
    fixture.submit("o/r");
    fixture.submit("o/other");
    let config = DaemonConfig::parse("azlin.toml", "").unwrap_or_else(|problems| panic!("{problems}"));
    let mut other = fleet("other", "repo = 'o/other'", EACH);
    "other".clone_into(&mut other.vm.group.name);
    let (status_store, stop) = (StatusStore::default(), CancellationToken::new());
    let set = fleet("set", "repo = 'o/third'", "[demand]\nsource = 'scale-set'\n");
    let fleets = vec![fleet("ci", "", EACH), other.clone(), set];
    let daemon = Daemon::new(
        &config,
        fleets,
        fixture.context.clone(),
        StateDir::default(),
        status_store.clone(),
        stop,
    );
    let fleets = daemon.fleets();
    tokio::spawn(daemon.run());
    wait(3 * 60 + 10).await;
    let told = status_store.metrics().text(&status_store.read(), &fixture.context);
    for line in [
        "# TYPE azlin_ticks counter",
        "azlin_ticks_total{fleet=\"ci\",cause=\"poll\"} 4",
        "azlin_decisions_total{fleet=\"ci\",action=\"scale_up\",rule=\"formula\"} 1",
        "azlin_actions_total{fleet=\"ci\",action=\"provision\",outcome=\"started\"} 1",
        "azlin_actions_total{fleet=\"other\",action=\"provision\",outcome=\"failed\"} 2",
        "azlin_action_duration_seconds_count{action=\"provision\"} 3",
        "azlin_boot_duration_seconds_count{fleet=\"ci\"} 1",
        "azlin_jobs{fleet=\"ci\",state=\"in_progress\"} 1.0",
        "azlin_jobs{fleet=\"other\",state=\"pending\"} 1.0",
        "azlin_runners{fleet=\"ci\",phase=\"active\"} 1.0",
        "azlin_runners{fleet=\"ci\",phase=\"registered\"} 0.0",
        "azlin_fleet_errors{fleet=\"other\",kind=\"starting\"} 1.0",
        "azlin_fleet_errors{fleet=\"other\",kind=\"seeing\"} 0.0",
        "azlin_boot_step_duration_seconds_count{fleet=\"ci\",step=\"vm\"} 1",
        "azlin_boot_step_duration_seconds_count{fleet=\"ci\",step=\"runner\"} 1",
        "azlin_job_wait_duration_seconds_count{fleet=\"ci\"} 1",
        "azlin_jobs_started_total{fleet=\"ci\"} 1",
        "azlin_cost_per_hour_dollars{fleet=\"ci\"} 0.192",
        "azlin_api_requests_total{api=\"github\",credential=\"\",outcome=\"ok\"} 0",
        "azlin_fleet_enabled{fleet=\"ci\"} 1.0",
        "azlin_oldest_pending_job_timestamp_seconds{fleet=\"other\"} 1800000000.0",
        "azlin_fleet_last_tick_timestamp_seconds{fleet=\"ci\"} 1800000180.0",
        "azlin_github_budget_limit{credential=\"\"} 5000.0",
        "azlin_build_info{version=\"0.1.0\"} 1",
        "azlin_bad_files 0.0",
        "azlin_scale_set_session{fleet=\"set\"} 1.0",
        "azlin_scale_set_jobs{fleet=\"set\",state=\"waiting\"} 0.0",
        "azlin_scale_set_lapses{fleet=\"set\"} 0.0",
        "azlin_daemon_errors{kind=\"listening\"} 0.0",
        "# EOF",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in\n{told}");
    }
    let starting = "azlin_cost_dollars_total{fleet=\"ci\",use=\"starting\"} ";
    let cost = told.lines().find_map(|line| line.strip_prefix(starting)).unwrap_or("0");
    assert!(cost.parse::<f64>().is_ok_and(|cost| cost > 0.0), "{cost}");
    status_store.metrics().delivered("told");
    status_store.metrics().connection_ended("webhook", "answered");
    status_store.forgotten(vec![azlin_fleet::config::ForgottenFleet {
        pool: "gone".parse().unwrap(),
        scope: None,
        vms: 3,
        resource_groups: [].into(),
        per_hour: Some(0.5),
        renamed_to: None,
        since: jiff::Timestamp::UNIX_EPOCH,
    }]);
    let told = status_store.metrics().text(&status_store.read(), &fixture.context);
    for line in [
        "azlin_forgotten_vms{fleet=\"gone\"} 3.0",
        "azlin_cost_per_hour_dollars{fleet=\"gone\"} 0.5",
        "azlin_daemon_errors{kind=\"forgotten\"} 1.0",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in\n{told}");
    }
    assert_eq!(
        of_the_page(),
        told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
    );
    status_store.forgotten(Vec::new());
    fleets.set([other]);
    wait(60).await;
    let told = status_store.metrics().text(&status_store.read(), &fixture.context);
    let gauges = told.lines().filter(|line| line.contains("fleet=\"ci\"") && !line.contains("_total"));
    let left: BTreeSet<&str> = gauges.filter_map(|line| line.split('{').next()).collect();
    // Its VM is still there, and costs.
    let forgotten = ["azlin_forgotten_vms", "azlin_cost_per_hour_dollars"];
    assert!(forgotten.iter().all(|name| left.contains(name)), "of a fleet that is gone: {left:?}");
    let is_told = |name: &&str| name.contains("_duration_") || forgotten.contains(name);
    assert!(left.iter().all(is_told), "of a fleet that is gone: {left:?}");
}

/// The rows of the page: names without what the format adds to them, and types.
fn of_the_page() -> BTreeSet<(&'static str, &'static str)> {
    let page = include_str!("../../../../docs/reference/metrics.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        Some((name.trim_end_matches("_total").trim_end_matches("_info"), cells.next()?))
    });
    rows.collect()
}
